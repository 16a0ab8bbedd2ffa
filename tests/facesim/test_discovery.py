"""Plugins of installed distributions and of experiments; what fails takes nothing else with it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent

import pytest

from facesim import PluginError, discovery, heads, interfaces, losses
from facesim.entry_points import installed_offers
from facesim.failures import PluginFailure, failures

LOSS = """
from facesim import losses

@losses("{name}")
def {name}(embedding_dim, num_identities, *, margin: float = {margin}): ...
"""


@pytest.fixture(autouse=True)
def _nothing_registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No plugins, no failures, no modules that stay, and no distributions but the tests' own."""
    monkeypatch.setattr(
        discovery,
        "installed_offers",
        lambda: [offer for offer in installed_offers() if offer.distribution.startswith("acme")],
    )
    modules, failed = set(sys.modules), dict(failures)
    failures.clear()
    with ExitStack() as stack:
        for registry in interfaces.REGISTRIES:
            stack.enter_context(registry.isolated())
            registry._plugins = {}
        yield
    failures.clear()
    failures.update(failed)
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Installs a distribution: metadata with an entry point, and files."""

    def install_distribution(
        files: dict[str, str],
        entry: str = "acme",
        distribution: str = "acme-losses",
        groups: tuple[str, ...] = ("facesim.plugins",),
    ) -> Path:
        folder = tmp_path / distribution
        info = folder / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n"
        )
        offered = "".join(f"[{group}]\nit = {entry}\n" for group in groups)
        (info / "entry_points.txt").write_text(offered)
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(dedent(text))
        monkeypatch.syspath_prepend(str(folder))
        return folder

    return install_distribution


def discover() -> list[PluginFailure]:
    discovery.load_installed_plugins.__wrapped__()
    return list(failures.values())


def named(name: str, folder: Path) -> str:
    with pytest.raises(PluginError) as caught:
        discovery.load_named_plugin(name, folder)
    return str(caught.value)


def loss(name: str, margin: float = 1.0) -> str:
    return LOSS.format(name=name, margin=margin)


def test_every_module_of_a_package_is_imported(install: Callable[..., Path]) -> None:
    install(
        {
            "acme/__init__.py": loss("a"),
            "acme/b.py": loss("b"),
            "acme/sub/__init__.py": "",
            "acme/sub/c.py": loss("c"),
            "acme/__main__.py": "raise SystemExit('the program of the package')",
        }
    )
    assert discover() == []
    assert losses.names() == ["a", "b", "c"]


@pytest.mark.parametrize("entry", ["acme.b", "acme.b:something"])
def test_an_entry_point_may_name_one_module(install: Callable[..., Path], entry: str) -> None:
    install({"acme/__init__.py": "", "acme/a.py": loss("a"), "acme/b.py": loss("b")}, entry)
    assert discover() == []
    assert losses.names() == ["b"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def f(:", "SyntaxError: "),
        ("raise ValueError('two\\n lines')", "ValueError: two lines"),
        ("x = '\\0'\nnonsense", "NameError: name 'nonsense' is not defined"),
        ("raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})", "E: <exception str()"),
        (
            "from facesim import losses\n@losses('x')\ndef f(a): ...",
            "{path}:2: the loss 'x' must take",
        ),
        ("from facesim import no_such_name", "ImportError: cannot import name 'no_such_name'"),
    ],
)
def test_a_module_that_fails_is_reported_and_the_rest_works(
    install: Callable[..., Path], source: str, reason: str
) -> None:
    folder = install(
        {
            "acme/__init__.py": "",
            "acme/a.py": loss("a"),
            "acme/b.py": source,
            "acme/c.py": loss("c"),
        }
    )
    (failure,) = discover()
    assert (failure.module, failure.origin) == ("acme.b", "acme-losses 1.2")
    assert failure.reason.startswith(reason.format(path=folder / "acme" / "b.py"))
    assert "\n" not in failure.reason
    assert losses.names() == ["a", "c"]


def test_the_traceback_has_the_frames_of_the_plugin_alone(install: Callable[..., Path]) -> None:
    folder = install(
        {
            "acme/__init__.py": "",
            "acme/a.py": "from acme.b import f\nf()\n",
            "acme/b.py": "def f():\n    1 / 0\n",
        }
    )
    (failure,) = discover()
    files = [line for line in failure.traceback.splitlines() if line.startswith("  File")]
    assert files == [
        f'  File "{folder}/acme/a.py", line 2, in <module>',
        f'  File "{folder}/acme/b.py", line 2, in f',
    ]
    assert failure.traceback.endswith("ZeroDivisionError: division by zero")


def test_what_a_failed_module_registered_is_undone_and_named(install: Callable[..., Path]) -> None:
    install({"acme/__init__.py": loss("a") + "\n1 / 0"})
    (failure,) = discover()
    assert losses.names() == []
    assert failure.declared == {("losses", "a")}
    with pytest.raises(PluginError, match=r"^the loss 'a' cannot be used: acme \(acme-losses 1.2"):
        losses.get("a")


def test_a_plugin_of_a_failed_module_is_known_by_its_aliases(install: Callable[..., Path]) -> None:
    source = "@losses('a.b', aliases=('c', \"d\"), default=True)\ndef f(a, b): ...\n1 / 0"
    install({"acme/__init__.py": "from facesim import losses\n" + source})
    (failure,) = discover()
    assert failure.declared == {("losses", "a.b"), ("losses", "c"), ("losses", "d")}


def test_what_a_module_registered_before_its_importer_failed_stays(
    install: Callable[..., Path],
) -> None:
    install(
        {
            "acme/__init__.py": "",
            "acme/a.py": "import acme.b\n" + loss("a") + "\n1 / 0",
            "acme/b.py": loss("b"),
        }
    )
    (failure,) = discover()
    assert failure.module == "acme.a"
    assert losses.names() == ["b"]


def test_a_package_that_fails_is_reported_once(install: Callable[..., Path]) -> None:
    install({"acme/__init__.py": "1 / 0", "acme/a.py": loss("a"), "acme/b.py": loss("b")})
    (failure,) = discover()
    assert failure.module == "acme"


def test_a_module_whose_package_fails_is_not_run_again_to_explain_it(
    install: Callable[..., Path],
) -> None:
    counted = "import builtins\nbuiltins.acme_runs = getattr(builtins, 'acme_runs', 0) + 1\n1 / 0"
    install({"acme/__init__.py": counted, "acme/a.py": loss("a")}, entry="acme.a")
    (failure,) = discover()
    assert failure.reason == "ZeroDivisionError: division by zero"
    assert vars(sys.modules["builtins"]).pop("acme_runs") == 1


@pytest.mark.parametrize("entry", ["no_such_acme", "acme.no_such", "1 2 3", ":x"])
def test_an_entry_point_that_names_nothing_is_reported(
    install: Callable[..., Path], entry: str
) -> None:
    install({"acme/__init__.py": ""}, entry)
    (failure,) = discover()
    assert failure.origin == "acme-losses 1.2"


def test_a_taken_name_is_reported_with_both_places(install: Callable[..., Path]) -> None:
    first = install({"acme_one/__init__.py": loss("a")}, "acme_one", "acme-one")
    second = install({"acme_two/__init__.py": loss("a", 7)}, "acme_two", "acme-two")
    (failure,) = discover()
    assert failure.origin == "acme-two 1.2"
    assert failure.reason == (
        f"{second}/acme_two/__init__.py:4: the loss 'a' is registered already, by "
        f"{first}/acme_one/__init__.py:4; give one of the two another name"
    )
    assert failure.traceback == ""
    assert losses.spec("a").arguments == {"margin": 1.0}


def test_a_distribution_for_a_newer_interface_is_left_alone(install: Callable[..., Path]) -> None:
    install({"acme/__init__.py": loss("a")}, groups=("facesim.plugins.v2", "facesim.plugins.v3"))
    (failure,) = discover()
    assert (failure.module, failure.origin) == ("acme", "acme-losses 1.2")
    assert failure.reason.startswith(
        "it is made for version 2 of the plugin interface, and facesim"
    )
    assert "acme" not in sys.modules
    with pytest.raises(PluginError, match=r"acme \(acme-losses 1.2\) was not imported: it is made"):
        losses.get("a")


def test_a_distribution_for_several_interfaces_gives_the_known_one(
    install: Callable[..., Path],
) -> None:
    install({"acme/__init__.py": loss("a")}, groups=("facesim.plugins", "facesim.plugins.v2"))
    assert discover() == []
    assert losses.names() == ["a"]


@pytest.mark.parametrize("group", ["facesim.plugins.v", "facesim.plugins.v01", "facesim.pluginss"])
def test_another_group_is_none_of_our_business(install: Callable[..., Path], group: str) -> None:
    install({"acme/__init__.py": loss("a")}, groups=(group,))
    assert discover() == []
    assert losses.names() == []


@pytest.mark.parametrize(("value", "names"), [("1", []), ("yes", []), ("0", ["a"]), ("", ["a"])])
def test_other_distributions_can_be_switched_off(
    install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, value: str, names: list[str]
) -> None:
    monkeypatch.setenv("FACESIM_PLUGINS_DISABLE", value)
    install({"acme/__init__.py": loss("a")})
    discover()
    assert losses.names() == names


def test_what_is_switched_off_is_named_where_a_plugin_is_missing(
    install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESIM_PLUGINS_DISABLE", "1")
    install({"acme/__init__.py": loss("a")})
    discover()
    with pytest.raises(PluginError, match="switched off by FACESIM_PLUGINS_DISABLE"):
        losses.get("a")


def test_what_an_experiment_names_is_imported_although_others_are_switched_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESIM_PLUGINS_DISABLE", "1")
    (tmp_path / "mine.py").write_text(loss("a"))
    discovery.load_named_plugin("mine.py", tmp_path)
    assert losses.names() == ["a"]


def test_an_interrupt_is_no_failure_of_a_plugin(install: Callable[..., Path]) -> None:
    install({"acme/__init__.py": "raise KeyboardInterrupt"})
    with pytest.raises(KeyboardInterrupt):
        discover()


def test_a_file_is_imported_under_a_name_that_hides_no_module(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text(loss("a"))
    entry = discovery.load_named_plugin("./json.py", tmp_path)
    assert entry == str(tmp_path / "json.py")
    assert losses.get("a").module.startswith("facesim_local_")
    import json

    assert json.dumps(1) == "1"


def test_a_file_runs_once_and_again_when_it_was_edited(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(loss("a", 1.0))
    discovery.load_named_plugin("mine.py", tmp_path)
    before = losses.get("a")
    discovery.load_named_plugin(str(path), Path("/"))
    assert losses.get("a") is before
    path.write_text(loss("a", 2.0))
    discovery.load_named_plugin("mine.py", tmp_path)
    assert losses.spec("a").arguments == {"margin": 2.0}
    assert not (tmp_path / "__pycache__").exists()


def test_a_file_that_was_mended_is_no_failure_any_more(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(loss("a") + "1 / 0")
    message = named("mine.py", tmp_path)
    assert message.startswith(f"{path} (named by the experiment) failed to import: ZeroDivision")
    assert list(failures) == [str(path)]
    path.write_text(loss("a"))
    discovery.load_named_plugin("mine.py", tmp_path)
    assert not failures
    assert losses.names() == ["a"]


def test_a_module_may_be_named_by_its_dotted_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme_local").mkdir()
    (tmp_path / "acme_local" / "heads.py").write_text(loss("a"))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert discovery.load_named_plugin("acme_local.heads", Path("/")) == "acme_local.heads"
    assert losses.names() == ["a"]
    assert heads.names() == []


def test_a_named_module_that_lacks_another_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme_needy.py").write_text("import acme_absent")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "ModuleNotFoundError: No module named 'acme_absent'" in named("acme_needy", tmp_path)


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "json.", "5", "no_such_acme.x"])
def test_what_is_no_module_is_refused(tmp_path: Path, name: str) -> None:
    assert named(name, tmp_path).startswith(f"there is no module {name!r}; ")


@pytest.mark.parametrize("name", ["no.py", "no/such/folder.py", ".py", "x" * 300 + ".py"])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    message = named(name, tmp_path)
    assert message.startswith(("there is no plugin file", "the plugin file"))
    assert str(tmp_path) in message
