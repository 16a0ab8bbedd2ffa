"""Types as a person would say them."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Gt, Interval
from pydantic import BaseModel, Field, PositiveInt

from facesim import Registry, Spec
from facesim.registry.type_descriptions import (
    bounds_in_words,
    describe_type,
    has_any_length,
    literals,
    type_in_words,
)

Positive = Annotated[int, Field(gt=0, description="More than nothing.")]
LOSSES: Registry[Any] = Registry("loss", "losses")
OPTIMIZERS: Registry[Any] = Registry("optimizer", "optimizers")


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Section(BaseModel): ...


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "a whole number"),
        (float, "a number"),
        (bool, "true or false"),
        (str, "text"),
        (Path, "a path"),
        (None, "null"),
        (Any, "anything"),
        (Literal["a", "b", "c"], "'a', 'b' or 'c'"),
        (Literal[18, True], "18 or true"),
        (Colour, "'red' or 'blue'"),
        (Positive, "a whole number > 0"),
        (PositiveInt, "a whole number > 0"),
        (Annotated[float, Field(ge=0, lt=1)], "a number >= 0 and < 1"),
        (Annotated[float, Interval(gt=0, le=1)], "a number > 0 and <= 1"),
        (Annotated[int, Gt(1), Field(multiple_of=2)], "a whole number > 1 and a multiple of 2"),
        (Annotated[str, Field(min_length=1)], "text not empty"),
        (Annotated[str, Field(max_length=3, pattern="^a")], "text at most 3 long and matching ^a"),
        (int | None, "a whole number or null"),
        (Positive | None, "a whole number > 0 or null"),
        (Annotated[int | None, Field(gt=0)], "a whole number > 0 or null"),
        (Literal["imagenet", "none"] | Path, "'imagenet', 'none' or a path"),
        (int | float | None, "a whole number, a number or null"),
        (list[int], "a list, each a whole number"),
        (tuple[Positive, ...], "a list, each a whole number > 0"),
        (tuple[Positive, Positive], "a list of 2, each a whole number > 0"),
        (tuple[int, str], "a list of 2 (a whole number, text)"),
        (set[str], "a list, each text"),
        (list[Any], "a list, each anything"),
        (list, "a list"),
        (dict[str, int], "a mapping"),
        (Section, "a mapping"),
        (Annotated[Spec[Any], LOSSES], "a loss"),
        (Annotated[Spec[Any], OPTIMIZERS] | None, "an optimizer or null"),
        (tuple[Annotated[Spec[Any], LOSSES], ...], "a list, each a loss"),
        (complex, "a complex"),
    ],
)
def test_in_words(annotation: Any, words: str) -> None:
    assert describe_type(annotation) == words


@pytest.mark.parametrize(
    ("annotation", "type_", "bounds"),
    [
        (int, "a whole number", ""),
        (Annotated[float, Field(gt=0, lt=1)], "a number", "> 0 and < 1"),
        (
            Annotated[tuple[Positive, ...], Field(min_length=2)],
            "a list, each a whole number > 0",
            "at least 2 long",
        ),
        (Annotated[int | None, Field(gt=0)], "a whole number or null", "> 0"),
        (Annotated[Spec[Any], LOSSES, Field(description="Which.")], "a loss", ""),
    ],
)
def test_bounds_stand_apart(annotation: Any, type_: str, bounds: str) -> None:
    assert (type_in_words(annotation), bounds_in_words(annotation)) == (type_, bounds)


def test_literals_are_the_words_of_all_alternatives() -> None:
    assert literals(Literal["a", "b", 3] | Path | Colour) == ["a", "b", "red", "blue"]
    assert literals(int) == []


@pytest.mark.parametrize(
    ("annotation", "any_length"),
    [
        (tuple[int, ...], True),
        (list[int] | None, True),
        (tuple[int, int], False),
        (int, False),
    ],
)
def test_which_lists_one_value_could_fill(annotation: Any, any_length: bool) -> None:
    assert has_any_length(annotation) is any_length
