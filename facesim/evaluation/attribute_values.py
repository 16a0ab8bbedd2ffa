"""From a column of a table to a few values that images can be told apart by."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from facesim.evaluation.roc import FloatArray, IntArray

MOST_VALUES = 20
"""A column of more values names things rather than groups them; numbers are put into quarters."""

UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class AttributeValues:
    """A column whose values are numbered.

    Attributes:
        name: of the column.
        values: how each value is called, in ascending order.
        codes: int64 [N], the number of each image's value; `UNKNOWN` where the table has none.
    """

    name: str
    values: tuple[str, ...]
    codes: IntArray


def attribute_values(name: str, column: "pd.Series[Any]") -> AttributeValues | str:
    """Number the values of a column, or say why the images cannot be told apart by it.

    Empty cells are unknown. Numbers of more than `MOST_VALUES` different values (an age, an angle)
    become the quarters between their quartiles, as full as ties let them be.

    Args:
        name: of the column.
        column: one cell per image.
    """
    known = column.where(column.astype(object) != "").infer_objects()
    distinct = known.nunique()
    if distinct > MOST_VALUES:
        if not _is_number(known):
            return f"{name} has {distinct:,} values, more than {MOST_VALUES}"
        return _quarters(name, known.to_numpy(np.float64, na_value=np.nan))
    if distinct < 2:
        return f"{name} has one value only" if distinct else f"{name} is empty"
    codes, values = pd.factorize(known, sort=True)
    return AttributeValues(name, tuple(map(_shown, values)), codes.astype(np.int64))


def _is_number(column: "pd.Series[Any]") -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


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


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
