"""Keyword-only parameters are the schema; a signature that cannot be one is refused at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from facesim import PluginError
from facesim.registry.signature import parameters_model, summary, validate_strictly

if TYPE_CHECKING:
    from torch import Tensor


def model_of(factory: Callable[..., Any], *positional: str, name: str = "mine") -> Any:
    return parameters_model(factory, "loss", name, positional, "mine.py:7")


def refused(factory: Callable[..., Any], *positional: str, name: str = "mine") -> str:
    with pytest.raises(PluginError) as caught:
        model_of(factory, *positional, name=name)
    return str(caught.value)


def fields(factory: Callable[..., Any], *positional: str) -> dict[str, Any]:
    model = model_of(factory, *positional)
    return {name: info.annotation for name, info in model.model_fields.items() if name != "name"}


def test_a_function() -> None:
    def mine(
        dim: int, *, margin: Annotated[float, Field(gt=0, description="Far.")] = 2.0
    ) -> Any: ...

    info = model_of(mine, "dim").model_fields["margin"]
    assert (info.annotation, info.default, info.description) == (float, 2.0, "Far.")


def test_a_class_and_one_that_inherits_how_it_is_made() -> None:
    class Mine:
        def __init__(self, dim: int, *, margin: float) -> None: ...

    class Heir(Mine): ...

    assert fields(Mine, "dim") == fields(Heir, "dim") == {"margin": float}


def test_a_dataclass() -> None:
    @dataclass
    class Mine:
        dim: int
        margin: float = field(kw_only=True, default=1.0)

    assert fields(Mine, "dim") == {"margin": float}


def test_a_whole_number_as_default_of_a_float_is_that_float() -> None:
    def factory(
        *, decay: Annotated[float, Field(ge=0)] = 0, betas: tuple[float, float] = (0, 0.5)
    ) -> None: ...

    expected = "{'name': 'mine', 'decay': 0.0, 'betas': (0.0, 0.5)}"
    assert repr(model_of(factory)(name="mine").model_dump()) == expected


def test_a_partial_gives_new_defaults() -> None:
    def mine(dim: int, *, margin: float, power: int = 2) -> Any: ...

    model = model_of(partial(mine, margin=3.0), "dim")
    assert model.model_validate({"name": "mine"}).model_dump() == {
        "name": "mine",
        "margin": 3.0,
        "power": 2,
    }


def test_a_wrapped_function_shows_its_own_parameters() -> None:
    def mine(dim: int, *, margin: float) -> Any: ...

    @wraps(mine)
    def wrapper(*args: Any, **kwargs: Any) -> Any: ...

    assert fields(wrapper, "dim") == {"margin": float}


def test_what_the_engine_passes_needs_no_annotation_that_resolves() -> None:
    def mine(batch: Tensor, *, margin: float) -> Any: ...

    assert fields(mine, "batch") == {"margin": float}


@pytest.mark.parametrize("name", ["copy", "json", "schema", "dict", "register", "model_name"])
def test_a_parameter_may_be_called_as_a_method_of_pydantic(
    name: str, recwarn: pytest.WarningsRecorder
) -> None:
    names: dict[str, Any] = {}
    exec(f"def mine(*, {name}: int = 1): ...", names)
    assert list(fields(names["mine"])) == [name]
    assert not recwarn.list


@pytest.mark.parametrize("name", ["a", "mlp", "p2s-grad", "timm.resnet", "MultiSimilarityLoss"])
def test_names(name: str) -> None:
    def mine() -> Any: ...

    assert model_of(mine, name=name).model_validate({"name": name}).name == name


@pytest.mark.parametrize("name", ["", "5", "1e5", "a b", "-a", "a/b", "é", "a\n", ".a", "_a"])
def test_a_name_that_a_file_could_not_hold_is_refused(name: str) -> None:
    def mine() -> Any: ...

    assert refused(mine, name=name).startswith(
        f"mine.py:7: {name!r} is not a name for a loss; write"
    )


def a_default_of_another_type(*, margin: float = "2") -> Any: ...  # type: ignore[assignment]
def a_default_out_of_range(*, margin: Annotated[float, Field(gt=0)] = 0) -> Any: ...
def a_list_for_a_tuple(*, widths: tuple[int, ...] = [1]) -> Any: ...  # type: ignore[assignment]
def text_for_a_path(*, file: Path = "x") -> Any: ...  # type: ignore[assignment]
def nothing_for_a_number(*, margin: float = None) -> Any: ...  # type: ignore[assignment]  # noqa: RUF013
def no_annotation(*, margin=2.0) -> Any: ...  # type: ignore[no-untyped-def]
def an_unknown_annotation(*, margin: NoSuchType) -> Any: ...  # type: ignore[name-defined]  # noqa: F821
def an_annotation_that_raises(*, margin: 1 / 0) -> Any: ...  # type: ignore[valid-type]
def a_type_of_its_own(*, margin: Callable[..., Any], tensor: Own = None) -> Any: ...  # type: ignore[assignment]
def a_bound_that_does_not_apply(*, margin: Annotated[str, Field(gt=2)] = "x") -> Any: ...
def any_keywords(**options: int) -> Any: ...
def any_arguments(*options: int) -> Any: ...
def a_name_of_its_own(*, name: str) -> Any: ...
def a_private_name(*, _margin: float) -> Any: ...
def a_name_of_pydantic(*, model_dump: float) -> Any: ...


class Own: ...


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        (a_default_of_another_type, "parameter 'margin': its default '2' does not fit its annot"),
        (a_default_out_of_range, "parameter 'margin': its default 0 does not fit its annotation"),
        (a_list_for_a_tuple, "parameter 'widths': its default [1] does not fit its annotation"),
        (text_for_a_path, "parameter 'file': its default 'x' does not fit its annotation"),
        (nothing_for_a_number, "parameter 'margin': its default None does not fit its annotation"),
        (no_annotation, "parameter 'margin': it needs a type annotation, which becomes its schema"),
        (an_unknown_annotation, "parameter 'margin': its annotation 'NoSuchType' cannot be resolv"),
        (
            an_annotation_that_raises,
            "parameter 'margin': its annotation '1 / 0' cannot be resolved",
        ),
        (a_type_of_its_own, "parameter 'tensor': Unable to generate pydantic-core schema for"),
        (a_bound_that_does_not_apply, "Unable to apply constraint 'gt' to supplied value x"),
        (any_keywords, "parameter 'options': *args and **kwargs cannot become a schema"),
        (any_arguments, "parameter 'options': *args and **kwargs cannot become a schema"),
        (a_name_of_its_own, "parameter 'name': `name` is the plugin's own name"),
        (a_private_name, "parameter '_margin': this name is reserved by pydantic"),
        (a_name_of_pydantic, "parameter 'model_dump': this name is reserved by pydantic"),
    ],
)
def test_a_parameter_that_cannot_be_one_is_refused_with_its_place(
    factory: Callable[..., Any], reason: str
) -> None:
    message = refused(factory)
    assert message.startswith("mine.py:7: loss 'mine'")
    assert reason in message
    assert "\n" not in message


def test_wrong_positional_parameters_are_shown_beside_the_right_ones() -> None:
    def mine(dim: int, margin: float = 2.0, *, power: int = 2) -> Any: ...

    assert refused(mine, "embedding_dim") == (
        "mine.py:7: the loss 'mine' must take (embedding_dim, *, ...), not (dim, margin, *, ...); "
        "the YAML parameters come after the `*`"
    )
    assert "must take (a, b, c, *, ...), not (dim, margin, *, ...)" in refused(mine, "a", "b", "c")


def test_a_class_that_lacks_a_method_is_refused() -> None:
    class Base(ABC):
        @abstractmethod
        def score(self) -> None: ...

    class Mine(Base):
        def __init__(self, dim: int) -> None: ...

    assert refused(Mine, "dim") == "mine.py:7: the loss 'mine' has to define score"


def test_a_factory_whose_parameters_cannot_be_read_is_refused() -> None:
    assert "its parameters cannot be read" in refused(type)


def test_the_summary_is_never_that_of_a_base_class() -> None:
    class Base:
        """The base."""

        def __init__(self) -> None:
            """How the base is made."""

    class Silent(Base): ...

    class MadeHere(Base):
        def __init__(self) -> None:
            """Made like this,
            on two lines.

            More.
            """

    assert [summary(it) for it in (Base, Silent, MadeHere)] == [
        "The base.",
        "",
        "Made like this, on two lines.",
    ]


def test_the_summary_of_a_partial_is_that_of_its_function() -> None:
    def mine(*, margin: float) -> None:
        """What it is."""

    assert summary(partial(partial(mine), margin=1.0)) == "What it is."


class Sizes(BaseModel):
    crop: tuple[int, int]
    file: Path
    share: float = 0.5


def test_plain_data_is_validated_by_the_strict_rules_of_json() -> None:
    sizes = validate_strictly(Sizes, {"crop": [1, 2], "file": "a.csv", "share": 1})
    assert sizes == Sizes(crop=(1, 2), file=Path("a.csv"), share=1.0)


@pytest.mark.parametrize(
    "wrong", [{"crop": ["1", 2]}, {"crop": [True, 2]}, {"file": 5}, {"share": "0.5"}]
)
def test_neither_a_text_nor_a_bool_is_a_number(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        validate_strictly(Sizes, {"crop": [1, 2], "file": "a.csv", **wrong})
