"""Attribute columns as a few categories to slice an evaluation by."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from facesim.arrays import FloatArray, Int64Array
from facesim.errors import FacesimError, did_you_mean

MOST_VALUES = 20
"""A text column of more values does not form groups; numbers are binned into quarters."""

UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class AttributeValues:
    """A column as category codes.

    Attributes:
        name: of the column.
        values: the name of each category, in ascending order.
        codes: int64 [N], the category of each image; `UNKNOWN` where the table has no value.
    """

    name: str
    values: tuple[str, ...]
    codes: Int64Array


def choose_attributes(
    table: pd.DataFrame, asked: bool | Sequence[str]
) -> tuple[list[AttributeValues], list[str]]:
    """The attributes of a table's images to slice by.

    Args:
        table: N rows, one column per attribute.
        asked: the columns' names; True for all of them, False for none.

    Returns:
        The attributes, and a reason for each that cannot be used.

    Raises:
        FacesimError: there is no column of that name.
    """
    require_attributes(table, asked)
    names = [] if asked is False else table.columns if asked is True else asked
    found = [attribute_values(str(name), table[name]) for name in names]
    attributes = [each for each in found if isinstance(each, AttributeValues)]
    return attributes, [each for each in found if isinstance(each, str)]


def require_attributes(table: pd.DataFrame, asked: bool | Sequence[str]) -> None:
    """Raise if a table lacks an attribute.

    Raises:
        FacesimError: names the attribute and the known ones.
    """
    known = [str(name) for name in table.columns]
    for name in () if isinstance(asked, bool) else asked:
        if name not in known:
            there = ", ".join(known) or "none"
            raise FacesimError(
                f"evaluate.slices: the test table has no attribute {name!r}"
                f"{did_you_mean(name, known)}; it has {there}"
            )


def attribute_values(name: str, column: "pd.Series[Any]") -> AttributeValues | str:
    """Encode the values of a column, or give the reason why it cannot be sliced by.

    Empty cells are unknown. A number with more than `MOST_VALUES` distinct values (an age, an
    angle) is binned at its quartiles; with ties the bins are not equally full.

    Args:
        name: of the column.
        column: one cell per image.
    """
    known = column.where(column.astype(object) != "").infer_objects()
    distinct = known.nunique()
    if distinct > MOST_VALUES:
        is_number = pd.api.types.is_numeric_dtype(known) and not pd.api.types.is_bool_dtype(known)
        if not is_number:
            return f"{name} has {distinct:,} values, more than {MOST_VALUES}"
        return _quarters(name, known.to_numpy(np.float64, na_value=np.nan))
    if distinct < 2:
        return f"{name} has one value only" if distinct else f"{name} is empty"
    codes, values = pd.factorize(known, sort=True)
    shown = (f"{value:g}" if isinstance(value, float) else str(value) for value in values)
    return AttributeValues(name, tuple(shown), codes.astype(np.int64))


def _quarters(name: str, numbers: FloatArray) -> AttributeValues | str:
    edges = np.unique(np.nanquantile(numbers, (0.25, 0.5, 0.75)))
    edges = edges[edges < np.nanmax(numbers)]
    if not edges.size:
        return f"{name} is the same number for three images in four"
    shown = [f"{edge:g}" for edge in edges]
    inner = (f"above {low} to {high}" for low, high in pairwise(shown))
    values = (f"up to {shown[0]}", *inner, f"above {shown[-1]}")
    codes = np.searchsorted(edges, numbers, side="left")
    return AttributeValues(name, values, np.where(np.isnan(numbers), UNKNOWN, codes))
