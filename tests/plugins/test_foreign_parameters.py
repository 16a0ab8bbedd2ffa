"""A constructor that nobody here wrote, as parameters of an experiment file."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal

import pytest
import torch
from pydantic import Field

from facesim_plugins._foreign_parameters import foreign_parameters, yaml_type

ABOVE_0 = Field(gt=0)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (int, int),
        (float | torch.Tensor, float),
        (bool | None, bool | None),
        (Literal["min", "max"], Literal["min", "max"]),
        (list[float] | float, tuple[float, ...] | float),
        (Iterable[int], tuple[int, ...]),
        (tuple[float | None, float], tuple[float | None, float]),
        (tuple[str, ...], tuple[str, ...]),
        (torch.Tensor, None),
        (torch.Tensor | None, None),
        (Callable[[int], float], None),
        (list[torch.Tensor], None),
        (dict[str, int], None),
    ],
)
def test_of_a_type_that_part_remains_which_yaml_can_hold(annotation: Any, expected: Any) -> None:
    assert yaml_type(annotation) == expected


def test_bounds_apply_to_every_number_in_a_type() -> None:
    bounded = Annotated[float, ABOVE_0]
    assert yaml_type(tuple[float, str] | None, ABOVE_0) == tuple[bounded, str] | None


class Foreign:
    """Does something.

    Args:
        size (int): How many :math:`N` there are. More is slower.
        share (float, optional):
            which part,
            of all (default: 0.5)

    Example:
        not this: one
    """

    def __init__(
        self,
        size: int,
        share: "float" = 0.5,
        other: "Iterable[int]" = (),
        code: Callable[[], int] | None = None,
        unseen: "NotImported" = None,  # type: ignore[name-defined]  # noqa: F821
    ) -> None: ...


def test_names_types_defaults_and_explanations_are_the_class_s_own() -> None:
    found = foreign_parameters(Foreign, without=(), bounds={}, defaults={})
    assert found is not None
    assert [(it.name, it.default) for it in found] == [
        ("size", found[0].empty),
        ("share", 0.5),
        ("other", ()),
    ]
    types, descriptions = zip(
        *((it.annotation.__origin__, it.annotation.__metadata__[0].description) for it in found),
        strict=True,
    )
    assert types == (int, float, tuple[int, ...])
    assert descriptions == (
        "How many N there are",
        "which part, of all",
        "see the documentation of Foreign",
    )


def test_a_class_that_needs_what_no_file_can_give_has_no_parameters() -> None:
    class NeedsCode:
        def __init__(self, code: Callable[[], int]) -> None: ...

    assert foreign_parameters(NeedsCode, without=(), bounds={}, defaults={}) is None
