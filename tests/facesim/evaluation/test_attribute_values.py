from typing import Any

import numpy as np
import pandas as pd
import pytest

from facesim.errors import FacesimError
from facesim.evaluation.attribute_values import (
    AttributeValues,
    attribute_values,
    choose_attributes,
)


def numbered(cells: Any) -> AttributeValues:
    found = attribute_values("a", pd.Series(cells))
    assert isinstance(found, AttributeValues)
    return found


@pytest.mark.parametrize(
    ("cells", "values", "codes"),
    [
        (["b", "a", "b"], ("a", "b"), [1, 0, 1]),
        ([True, False, True], ("False", "True"), [1, 0, 1]),
        ([1, -1, 1], ("-1", "1"), [1, 0, 1]),
        ([1.0, np.nan, -1.0], ("-1", "1"), [1, -1, 0]),
        (["x", "", "y"], ("x", "y"), [0, -1, 1]),
        (["x", None, "y"], ("x", "y"), [0, -1, 1]),
        ([True, None, False], ("False", "True"), [1, -1, 0]),
        ([0.5, 2.0, 0.5], ("0.5", "2"), [0, 1, 0]),
    ],
)
def test_values_are_numbered_in_order_and_empty_cells_are_unknown(
    cells: list[object], values: tuple[str, ...], codes: list[int]
) -> None:
    found = numbered(cells)
    assert (found.name, found.values) == ("a", values)
    assert found.codes.tolist() == codes


def test_numbers_of_many_values_become_quarters() -> None:
    ages = np.random.default_rng(0).permutation(np.repeat(np.arange(1, 101), 3))
    found = numbered(ages)
    assert found.values == ("up to 25.75", "above 25.75 to 50.5", "above 50.5 to 75.25",
                            "above 75.25")  # fmt: skip
    assert np.bincount(found.codes).tolist() == [75, 75, 75, 75]
    assert (found.codes == np.searchsorted([25.75, 50.5, 75.25], ages)).all()


def test_ties_make_fewer_quarters() -> None:
    found = numbered([0.0] * 60 + list(np.arange(1.0, 41.0)) + [np.nan])
    assert found.values == ("up to 0", "above 0 to 15.25", "above 15.25")
    assert np.bincount(found.codes + 1).tolist() == [1, 60, 15, 25]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([f"name {i}" for i in range(21)], "a has 21 values, more than 20"),
        (["x", "x", ""], "a has one value only"),
        ([1.0, 1.0], "a has one value only"),
        ([np.nan, np.nan], "a is empty"),
        (["", ""], "a is empty"),
        ([50] * 1000 + list(range(30)), "a is the same number for three images in four"),
    ],
)
def test_a_column_that_tells_nothing_apart_is_refused_with_the_reason(
    cells: list[object], reason: str
) -> None:
    assert attribute_values("a", pd.Series(cells)) == reason


TABLE = pd.DataFrame({"Male": [1, -1, 1], "photographer": ["x", "x", "x"]})


def test_all_columns_some_or_none_are_chosen() -> None:
    attributes, notes = choose_attributes(TABLE, asked=True)
    assert [found.name for found in attributes] == ["Male"]
    assert notes == ["photographer has one value only"]
    assert [found.name for found in choose_attributes(TABLE, asked=("Male",))[0]] == ["Male"]
    assert choose_attributes(TABLE, asked=False) == ([], [])
    assert choose_attributes(pd.DataFrame(), asked=True) == ([], [])


def test_an_attribute_that_is_not_there_is_named_with_its_neighbour() -> None:
    with pytest.raises(FacesimError, match=r"no attribute 'male' \(did you mean 'Male'\?\)"):
        choose_attributes(TABLE, asked=("male",))
    with pytest.raises(FacesimError, match="it has none"):
        choose_attributes(pd.DataFrame(), asked=("Male",))
