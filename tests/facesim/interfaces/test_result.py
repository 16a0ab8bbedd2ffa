"""What an evaluation found."""

from typing import Any

import pytest

from facesim.interfaces.result import AchievedPoint, EvaluationResult


@pytest.mark.parametrize("threshold", [0.25, 0.5, 0.75, None])
def test_what_a_threshold_achieves_is_that_of_its_operating_point(threshold: float | None) -> None:
    points = tuple(AchievedPoint.model_construct(threshold=at) for at in (0.25, 0.5))
    result = EvaluationResult.model_construct(threshold=threshold, operating_points=points)
    assert result.at_threshold == next((at for at in points if at.threshold == threshold), None)


FORMAT_1: dict[str, Any] = {
    "pairs": 10,
    "genuine": 4,
    "impostor": 6,
    "identities": 5,
    "seed": 3,
    "resamples": 0,
    "threshold": 0.5,
    "threshold_source": "val",
    "loss": None,
    "operating_points": [],
    **{name: {"value": 0.5} for name in ("accuracy", "balanced_accuracy", "far", "tar", "fnmr")},
    **{name: {"value": 0.25, "low": 0.125, "high": 0.375} for name in ("roc_auc", "eer")},
    "d_prime": {"value": None, "reason": "counted"},
    "eer_threshold": -0.75,
    "tar_at_far": [
        {
            "far": 1e-3,
            "threshold": 0.75,
            "achieved_far": 5e-4,
            "tar": 0.625,
            "false_accepts_allowed": 7,
            "low": 0.5,
            "high": 0.75,
            "interval": "wilson",
        },
        {
            "far": 1e-6,
            "threshold": None,
            "achieved_far": None,
            "tar": None,
            "false_accepts_allowed": 0,
            "reason": "too few impostors",
        },
    ],
    "fnmr_at_fmr": [
        {
            "fmr": 0.02,
            "threshold": 0.5,
            "achieved_fmr": 0.01,
            "fnmr": 0.25,
            "false_matches_allowed": 9,
        }
    ],
    "wilson": {"far": {"value": 0.5}, "tar": {"value": 0.25}},
    "reasons": {"eer_threshold": "no curve", "loss": "not measured"},
    "k_fold": {"folds": 3},
}


def test_a_result_of_the_first_format_is_read_with_all_that_it_holds() -> None:
    result = EvaluationResult.model_validate(FORMAT_1)
    assert list(result.metrics) == [
        *("accuracy", "balanced_accuracy", "fmr", "tar", "fnmr", "roc_auc", "eer", "d_prime"),
        *("tar_at_far_1e-3", "tar_at_far_1e-6", "fnmr_at_fmr_2e-2"),
    ]
    assert result.metrics["fmr"].value == 0.5
    assert (result.metrics["roc_auc"].low, result.metrics["roc_auc"].high) == (0.125, 0.375)
    assert result.metrics["d_prime"].reason == "counted"
    assert result.metrics["eer"].point is not None
    assert result.metrics["eer"].point.threshold == -0.75
    tar, unmeasured, fnmr = result.at_targets.values()
    assert (tar.value, tar.low, tar.high, tar.interval) == (0.625, 0.5, 0.75, "wilson")
    assert (unmeasured.value, unmeasured.reason) == (None, "too few impostors")
    points = [each.point.model_dump() if each.point else {} for each in (tar, unmeasured, fnmr)]
    names = ("target", "threshold", "achieved_fmr", "tar", "false_matches_allowed")
    assert [tuple(point[name] for name in names) for point in points] == [
        (1e-3, 0.75, 5e-4, 0.625, 7),
        (1e-6, None, None, None, 0),
        (0.02, 0.5, 0.01, 0.75, 9),
    ]
    assert {name: each.value for name, each in result.wilson.items()} == {"fmr": 0.5, "tar": 0.25}
    assert result.reasons == {"loss": "not measured"}
    assert result.details == {"folds": 3}
    assert result.larger_class_share == 0.6


@pytest.mark.parametrize(
    ("stored", "protocol"),
    [
        ({}, "pairs"),
        ({"protocol": "verification"}, "pairs"),
        ({"protocol": "k_fold"}, "k_fold"),
        ({"protocol": "mine"}, "mine"),
    ],
)
def test_the_protocol_of_the_first_format_has_its_present_name(
    stored: dict[str, str], protocol: str
) -> None:
    assert EvaluationResult.model_validate({**FORMAT_1, **stored}).protocol == protocol


@pytest.mark.parametrize(
    ("genuine", "impostor", "share"), [(4, 6, 0.6), (3, 1, 0.75), (0, 0, None)]
)
def test_results_of_before_have_the_share_of_the_larger_class(
    genuine: int, impostor: int, share: float | None
) -> None:
    counts = {"pairs": genuine + impostor, "genuine": genuine, "impostor": impostor}
    assert EvaluationResult.model_validate({**FORMAT_1, **counts}).larger_class_share == share
