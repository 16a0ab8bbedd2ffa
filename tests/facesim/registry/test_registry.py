"""A registry: a name becomes validated parameters, and those become an object."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from facesim import PluginError, Registry, Spec
from facesim.errors import PluginFailure

ENGINE = ("embedding_dim", "num_identities")


@pytest.fixture
def losses() -> Registry[Any]:
    registry: Registry[Any] = Registry("loss", "losses", ENGINE)
    registry("contrastive")(contrastive)
    registry("triplet")(triplet)
    return registry


def contrastive(
    embedding_dim: int,
    num_identities: int,
    *,
    margin: Annotated[float, Field(gt=0)] = 2.0,
    weights: Path = Path("weights.pt"),
    widths: tuple[int, ...] = (64, 64),
) -> Any:
    """Pull genuine pairs together
    and push impostors apart.

    More of it.
    """
    return embedding_dim, num_identities, margin, weights, widths


def triplet(embedding_dim: int, num_identities: int, *, margin: float) -> Any:
    return embedding_dim, num_identities, margin


def validate(registry: Registry[Any], node: Any) -> Spec[Any]:
    spec: Spec[Any] = TypeAdapter(Annotated[Spec[Any], registry]).validate_python(node)
    return spec


def refused(registry: Registry[Any], node: Any) -> tuple[Any, str]:
    with pytest.raises(ValidationError) as caught:
        validate(registry, node)
    (detail,) = caught.value.errors()
    return detail["loc"], detail["msg"]


def test_the_decorator_returns_what_it_registers(losses: Registry[Any]) -> None:
    assert losses("another")(contrastive) is contrastive
    assert losses.names() == ["another", "contrastive", "triplet"]
    assert [plugin.name for plugin in losses] == losses.names()


def test_a_spec_builds_with_what_the_engine_passes_and_the_parameters(
    losses: Registry[Any],
) -> None:
    spec = losses.spec("contrastive", margin=3.0)
    assert spec.build(16, 100) == (16, 100, 3.0, Path("weights.pt"), (64, 64))
    assert spec.arguments == {"margin": 3.0, "weights": Path("weights.pt"), "widths": (64, 64)}


@pytest.mark.parametrize("node", ["contrastive", {"name": "contrastive"}])
def test_a_bare_name_is_a_mapping_with_that_name(losses: Registry[Any], node: Any) -> None:
    assert validate(losses, node) == losses.spec("contrastive")


def test_nodes_are_validated_as_json_strictly(losses: Registry[Any]) -> None:
    node = {"name": "contrastive", "weights": "w.pt", "widths": [1, 2], "margin": 3}
    spec = validate(losses, node)
    assert spec.arguments == {"margin": 3.0, "weights": Path("w.pt"), "widths": (1, 2)}
    assert refused(losses, {"name": "contrastive", "margin": "3"})[0] == ("margin",)
    assert refused(losses, {"name": "contrastive", "margin": True})[0] == ("margin",)
    assert refused(losses, {"name": "contrastive", "widths": [1, 2.5]})[0] == ("widths", 1)
    assert refused(losses, {"name": "contrastive", "margn": 3})[0] == ("margn",)
    assert refused(losses, {"name": "triplet"})[0] == ("margin",)


@pytest.mark.parametrize("margin", [float("inf"), float("-inf"), float("nan"), 10**400])
def test_numbers_that_are_not_finite_are_refused(losses: Registry[Any], margin: Any) -> None:
    assert refused(losses, {"name": "triplet", "margin": margin})[0] == ("margin",)


def test_whole_numbers_of_any_size_are_themselves() -> None:
    registry: Registry[Any] = Registry("dataset", "datasets")

    @registry("counted")
    def counted(*, rows: int) -> None: ...

    assert validate(registry, {"name": "counted", "rows": 10**100}).arguments == {"rows": 10**100}


def test_a_bound_that_does_not_apply_names_the_plugin(losses: Registry[Any]) -> None:
    @losses("odd")
    def odd(a: int, b: int, *, word: Annotated[str, Field(gt=2)]) -> None: ...

    _, message = refused(losses, {"name": "odd", "word": "x"})
    assert message.startswith(f"{__file__}:")
    assert "loss 'odd': Unable to apply constraint 'gt'" in message


@pytest.mark.parametrize("node", [None, 5, [], {}, {"name": None}, {"name": ["x"]}, True])
def test_what_is_no_plugin_is_told_which_there_are(losses: Registry[Any], node: Any) -> None:
    message = "must be a loss's name, or a mapping with `name:` (known: contrastive, triplet)"
    assert refused(losses, node) == ((), message)


def test_an_unknown_name_lists_the_nearest_and_the_command(losses: Registry[Any]) -> None:
    message = (
        "there is no loss 'tripet' (did you mean 'triplet'?); `facesim plugins losses` lists all"
    )
    with pytest.raises(PluginError) as caught:
        losses.get("tripet")
    assert str(caught.value) == message
    assert refused(losses, "tripet") == (("name",), message)


def test_a_spec_of_another_kind_is_refused(losses: Registry[Any]) -> None:
    others: Registry[Any] = Registry("sampler", "samplers", ENGINE)
    others("contrastive")(contrastive)
    assert refused(losses, others.spec("contrastive"))[0] == ()
    assert validate(losses, losses.spec("contrastive")).name == "contrastive"


def test_a_plugin_that_failed_to_import_is_never_unknown(losses: Registry[Any]) -> None:
    declared = frozenset({("losses", "arcface"), ("heads", "gem")})
    losses.note_failure(PluginFailure("acme", "acme 1.0", "ImportError: x", "File 1", declared))
    with pytest.raises(PluginError) as caught:
        losses.get("arcface")
    assert str(caught.value) == (
        "the loss 'arcface' cannot be used: acme (acme 1.0) failed to import: ImportError: x\n"
        "    File 1"
    )
    with pytest.raises(PluginError, match=r"^there is no loss 'gem'; .* lists all$"):
        losses.get("gem")  # it is known what the module would have registered


def test_a_failure_that_may_have_held_the_name_is_told(losses: Registry[Any]) -> None:
    losses.note_failure(PluginFailure("acme", "acme 1.0", "ImportError: x", "File 1"))
    with pytest.raises(PluginError) as caught:
        losses.get("arcface")
    assert str(caught.value).splitlines() == [
        "there is no loss 'arcface'; `facesim plugins losses` lists all",
        "    acme (acme 1.0) failed to import: ImportError: x; it may have defined this plugin",
    ]


def test_a_taken_name_names_both_places(losses: Registry[Any]) -> None:
    with pytest.raises(PluginError) as caught:
        losses("contrastive")(triplet)
    taken = losses.get("contrastive").origin
    assert str(caught.value).startswith(f"{__file__}:")
    assert f"the loss 'contrastive' is registered already, by {taken}; give" in str(caught.value)
    assert losses.get("contrastive").factory is contrastive


def test_an_alias_is_the_plugin_under_its_name(losses: Registry[Any]) -> None:
    losses("hinge", aliases=("old.hinge", "hinge_loss"))(triplet)
    assert losses.names() == ["contrastive", "hinge", "triplet"]
    assert losses.get("old.hinge") is losses.get("hinge")
    by_name = losses.spec("hinge", margin=1.0)
    assert losses.spec("hinge_loss", margin=1.0) == by_name
    spec = validate(losses, {"name": "old.hinge", "margin": 1})
    assert spec == by_name
    assert (spec.name, spec.as_node()) == ("hinge", {"name": "hinge", "margin": 1.0})
    assert refused(losses, {"name": "old.hinge"})[0] == ("margin",)


def test_an_unknown_name_may_be_near_to_an_alias(losses: Registry[Any]) -> None:
    losses("hinge", aliases=("maximum_margin",))(triplet)
    with pytest.raises(PluginError, match="did you mean 'maximum_margin'"):
        losses.get("maximum_margn")


@pytest.mark.parametrize(
    ("name", "aliases", "taken", "how"),
    [
        ("third", ("contrastive",), "contrastive", ""),
        ("hinge", (), "hinge", " as an alias of 'triplet'"),
        ("third", ("new", "hinge"), "hinge", " as an alias of 'triplet'"),
    ],
)
def test_a_clash_with_a_name_or_an_alias_names_both_places(
    name: str, aliases: tuple[str, ...], taken: str, how: str, losses: Registry[Any]
) -> None:
    losses("triplet", aliases=("hinge",))(triplet)
    with pytest.raises(PluginError) as caught:
        losses(name, aliases=aliases)(triplet)
    message = f": the loss {taken!r} is registered already{how}, by {losses.get(taken).origin}; "
    assert str(caught.value).startswith(f"{__file__}:")
    assert message in str(caught.value)
    assert losses.names() == ["contrastive", "triplet"]


@pytest.mark.parametrize(
    ("aliases", "message"),
    [
        (("mine",), "the loss 'mine' gives a name twice"),
        (("b", "b"), "the loss 'mine' gives a name twice"),
        (("two words",), "'two words' is not a name for a loss"),
        ("ab", r"write aliases=\('ab',\), a tuple of names"),
    ],
)
def test_aliases_that_make_no_sense_are_refused(
    aliases: Any, message: str, losses: Registry[Any]
) -> None:
    with pytest.raises(PluginError, match=message):
        losses("mine", aliases=aliases)(triplet)
    assert "mine" not in losses.names()


def test_packages_stand_with_the_plugin(losses: Registry[Any]) -> None:
    losses("mine", packages=["timm", "onnx"])(triplet)
    assert losses.get("mine").packages == ("timm", "onnx")
    with pytest.raises(PluginError, match=r"write packages=\('timm',\), a tuple of names"):
        losses("another", packages="timm")


def test_aliases_go_with_the_registration(losses: Registry[Any]) -> None:
    source = "@losses('mine', aliases={}, default={})\ndef mine(a, b): ..."
    names = {"losses": losses, "__name__": "notebook"}
    exec(source.format(("one", "two"), True), names)
    exec(source.format(("two", "three"), False), names)
    assert losses.get("three").name == "mine"
    assert losses.default is None
    with pytest.raises(PluginError, match="there is no loss 'one'"):
        losses.get("one")
    with losses.isolated():
        losses("another", aliases=("four",), default=True)(triplet)
    assert losses.default is None
    with pytest.raises(PluginError, match="there is no loss 'four'"):
        losses.get("four")


def test_the_default_is_the_plugin_that_says_so(losses: Registry[Any]) -> None:
    losses("mine", default=True)(triplet)
    assert losses.default == "mine"
    losses("mine", default=True)(triplet)
    with pytest.raises(PluginError) as caught:
        losses("another", default=True)(triplet)
    origin = losses.get("mine").origin
    assert f": the default loss is 'mine' already, by {origin}; leave" in str(caught.value)


def test_the_schema_has_both_spellings_and_the_default() -> None:
    registry: Registry[Any] = Registry("head", "heads")
    registry("flat", aliases=("none",), default=True)(lambda: None)
    schema = TypeAdapter(Annotated[Spec[Any], registry]).json_schema()
    (model, bare) = schema["anyOf"]
    assert model["properties"]["name"] == {
        "enum": ["flat", "none"],
        "title": "Name",
        "type": "string",
    }
    assert bare == {"enum": ["flat", "none"], "type": "string"}
    assert schema["default"] == "flat"


def test_the_schema_offers_bare_names_of_plugins_that_need_nothing(losses: Registry[Any]) -> None:
    schema = TypeAdapter(Annotated[Spec[Any], losses]).json_schema()
    assert schema["anyOf"][-1] == {"enum": ["contrastive"], "type": "string"}
    assert len(schema["anyOf"]) == 3
    assert "default" not in schema
    registry: Registry[Any] = Registry("loss", "losses", ENGINE)
    registry("triplet")(triplet)
    (only,) = TypeAdapter(Annotated[Spec[Any], registry]).json_schema()["anyOf"]
    assert only["type"] == "object"


def test_a_stand_in_shows_its_node_and_builds_nothing(losses: Registry[Any]) -> None:
    node = {"name": "own", "margin": 2, "widths": [1, 2]}
    spec = Spec.stand_in(losses, node)
    assert (spec.name, spec.as_node()) == ("own", node)
    plugin = spec.plugin
    assert (plugin.kind, plugin.spellings, plugin.required) == ("loss", ("own",), [])
    assert plugin.is_stand_in
    assert not plugin.default
    assert (plugin.origin, plugin.module, plugin.starter) == ("", "", "")
    with pytest.raises(PluginError, match="the loss 'own' comes from a plugin file, which is not"):
        spec.build(1, 2)
    registered = losses.get("triplet")
    assert not registered.is_stand_in
    assert not registered.default
    assert registered.required == ["margin"]


def test_the_schema_of_a_kind_without_plugins_accepts_nothing() -> None:
    empty: Registry[Any] = Registry("loss", "losses", ENGINE)
    assert TypeAdapter(Annotated[Spec[Any], empty]).json_schema()["anyOf"] == [{"not": {}}]


def test_a_module_may_register_again_what_it_registered(losses: Registry[Any]) -> None:
    source = "@losses('mine')\ndef mine(a, b, *, x: int = {}): ..."
    for default in (1, 2):
        exec(source.format(default), {"losses": losses, "__name__": "notebook"})
    assert losses.spec("mine").arguments == {"x": 2}
    with pytest.raises(PluginError, match="registered already"):
        exec(source.format(3), {"losses": losses, "__name__": "another"})


def test_the_origin_is_the_line_that_registers(losses: Registry[Any]) -> None:
    source = (
        "from functools import partial\n"
        "losses('anonymous')(lambda a, b: a)\n"
        "losses('part')(partial(print_it, sep=''))\n"
        "\n"
        "@losses('spread')\n"
        "def spread(\n"
        "    a, b): ...\n"
    )
    names = {"losses": losses, "print_it": lambda a, b, *, sep: None, "__name__": "mod"}
    exec(compile(source.replace("print_it, sep=''", "lambda a, b: b"), "mod.py", "exec"), names)
    origins = {name: losses.get(name).origin for name in ("anonymous", "part", "spread")}
    assert origins == {"anonymous": "mod.py:2", "part": "mod.py:3", "spread": "mod.py:5"}
    assert {losses.get(name).module for name in origins} == {"mod"}


def test_a_lambda_is_not_taken_for_another_lambda(losses: Registry[Any]) -> None:
    losses("first")(lambda a, b: 1)
    with pytest.raises(PluginError, match="registered already"):
        losses("contrastive")(lambda a, b: 2)


def test_isolated_undoes_what_happened_inside(losses: Registry[Any]) -> None:
    with losses.isolated():
        losses("mine")(triplet)
        assert "mine" in losses.names()
    assert "mine" not in losses.names()
    with pytest.raises(ZeroDivisionError), losses.isolated():
        losses("mine")(triplet)
        losses.note_failure(PluginFailure("acme", "acme 1.0", "ImportError: x"))
        raise ZeroDivisionError
    assert "mine" not in losses.names()
    assert losses.failures == ()


def test_a_transaction_keeps_what_happened_inside_unless_it_fails(losses: Registry[Any]) -> None:
    with losses.transaction():
        losses("mine")(triplet)
    assert "mine" in losses.names()


def test_a_failed_transaction_undoes_what_failed_modules_registered(losses: Registry[Any]) -> None:
    source = "losses('{0}')(lambda a, b: a)"
    with pytest.raises(ZeroDivisionError), losses.transaction():
        exec(source.format("lost"), {"losses": losses, "__name__": "not_in_sys_modules"})
        exec(source.format("kept"), {"losses": losses, "__name__": "json"})
        raise ZeroDivisionError
    assert losses.names() == ["contrastive", "kept", "triplet"]


def test_a_node_is_plain_data_with_every_default_and_absolute_paths(
    losses: Registry[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert losses.spec("contrastive").as_node() == {
        "name": "contrastive",
        "margin": 2.0,
        "weights": str(tmp_path / "weights.pt"),
        "widths": [64, 64],
    }
    assert validate(losses, losses.spec("contrastive").as_node()).arguments == {
        "margin": 2.0,
        "weights": tmp_path / "weights.pt",
        "widths": (64, 64),
    }


def test_paths_within_lists_and_mappings_become_absolute_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Inner(BaseModel):
        file: Path

    registry: Registry[Any] = Registry("dataset", "datasets")

    @registry("many")
    def many(*, files: list[Path], by_name: dict[str, Path | None], inner: Inner) -> None: ...

    monkeypatch.chdir(tmp_path)
    node = {
        "name": "many",
        "files": ["a"],
        "by_name": {"b": "b", "c": None},
        "inner": {"file": "d"},
    }
    assert validate(registry, node).as_node() == {
        "name": "many",
        "files": [str(tmp_path / "a")],
        "by_name": {"b": str(tmp_path / "b"), "c": None},
        "inner": {"file": str(tmp_path / "d")},
    }


def test_the_summary_is_the_first_paragraph_on_one_line(losses: Registry[Any]) -> None:
    summary = "Pull genuine pairs together and push impostors apart."
    assert losses.get("contrastive").summary == summary
    assert losses.get("triplet").summary == ""


def test_what_a_factory_returns_is_checked_and_adapted() -> None:
    registry: Registry[Any] = Registry(
        "width", "widths", base=int, adapt=lambda built: len(built) if built else built
    )
    registry("right")(lambda: "four")
    registry("wrong")(lambda: None)
    assert registry.spec("right").build() == 4
    with pytest.raises(PluginError) as caught:
        registry.spec("wrong").build()
    origin = registry.get("wrong").origin
    message = "the factory of the width 'wrong' must return a int; it returned None"
    assert str(caught.value) == f"{origin}: {message}"


def test_parameters_stay_as_they_were_validated(losses: Registry[Any]) -> None:
    parameters = losses.spec("contrastive").parameters
    with pytest.raises(ValidationError, match="frozen"):
        setattr(parameters, next(iter(losses.spec("contrastive").arguments)), -1.0)
