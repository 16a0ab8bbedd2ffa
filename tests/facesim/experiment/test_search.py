"""The section `search:`: distributions, and defaults that the registries give."""

from typing import Any

import pytest
from pydantic import ValidationError

from facesim.experiment.search import Distribution, Search
from facesim.registry.signature import validate_strictly


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ({}, "write one of"),
        ({"float": [0, 1], "int": [0, 1]}, "write one of"),
        ({"float": [1, 0]}, r"the range \[1, 0\] is empty"),
        ({"float": [0, 1], "log": True}, "must begin above 0, not at 0"),
        ({"float": [1, 2], "log": True, "step": 1}, "`log` and `step` exclude each other"),
        ({"int": [1, 9], "step": 1.5}, "whole numbers must be whole, not 1.5"),
        ({"choice": [1], "log": True}, "belong to a range, not to a choice"),
        ({"choice": [1], "at_most": "a"}, "belong to a range, not to a choice"),
        ({"choice": []}, "at least 1 item"),
        ({"float": [0, 1], "step": 0}, "greater than 0"),
        ({"int": ["1", 2]}, "valid integer"),
    ],
)
def test_a_wrong_distribution_says_what_to_write(written: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        validate_strictly(Distribution, written)


@pytest.mark.parametrize(
    ("written", "kind", "bounds"),
    [
        ({"float": [0.5, 1.0], "log": True}, "float", (0.5, 1.0)),
        ({"int": [1, 9], "step": 2.0}, "int", (1, 9)),
        ({"int": [4, 4]}, "int", (4, 4)),
        ({"float": [0.5, 1.0], "step": 0.125}, "float", (0.5, 1.0)),
        ({"choice": ["a", {"name": "b"}]}, "choice", (0, 0)),
    ],
)
def test_a_distribution_is_written_as_it_was_given(
    written: dict[str, Any], kind: str, bounds: tuple[float, float]
) -> None:
    distribution = validate_strictly(Distribution, written)
    assert (distribution.kind, distribution.bounds) == (kind, bounds)
    again = {key: value for key, value in distribution.model_dump(mode="json").items() if value}
    assert again == written


def test_the_objective_is_the_default_metric_on_val() -> None:
    search = Search(space={"optimizer.lr": Distribution(float=(0.1, 1.0))})
    assert search.metrics == ("val.accuracy",)
    several = search.model_copy(update={"metric": ("val.eer", "cost.parameters")})
    assert several.metrics == ("val.eer", "cost.parameters")
