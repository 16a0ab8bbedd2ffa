"""What an evaluation found."""

import pytest

from facesim.interfaces.result import AchievedPoint, EvaluationResult


@pytest.mark.parametrize("threshold", [0.25, 0.5, 0.75, None])
def test_what_a_threshold_achieves_is_that_of_its_operating_point(threshold: float | None) -> None:
    points = tuple(AchievedPoint.model_construct(threshold=at) for at in (0.25, 0.5))
    result = EvaluationResult.model_construct(threshold=threshold, operating_points=points)
    assert result.at_threshold == next((at for at in points if at.threshold == threshold), None)
