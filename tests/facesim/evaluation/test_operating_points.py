import numpy as np
import numpy.typing as npt
import pytest

from facesim.evaluation.operating_points import OperatingPoint, choose_operating_points
from facesim.interfaces.roc import Roc


def chosen(scores: npt.ArrayLike, same: npt.ArrayLike) -> tuple[Roc, dict[str, OperatingPoint]]:
    roc = Roc.of_scores(scores, same)
    return roc, {point.name: point for point in choose_operating_points(roc)}


def test_every_rule_has_a_point_that_keeps_its_promise() -> None:
    same = np.arange(4000) % 2 == 0
    roc, points = chosen(np.random.default_rng(0).normal(size=4000) + 2 * same, same)
    assert list(points)[:3] == ["best_accuracy", "eer", "far_1e-1"]
    assert points["best_accuracy"].accuracy == max(
        roc.point(index).accuracy for index in range(len(roc))
    )
    at_eer = roc.at(points["eer"].threshold or np.nan)
    assert at_eer.fmr == pytest.approx(at_eer.fnmr, abs=1e-3)
    for name, far in (("far_1e-1", 0.1), ("far_1e-2", 0.01), ("far_1e-3", 0.001)):
        assert 0 < (points[name].fmr or 0) <= far
    assert points["far_1e-4"].threshold is None
    assert "not measurable with 2000 impostors" in (points["far_1e-4"].reason or "")


def test_one_kind_of_pairs_supports_the_best_accuracy_only() -> None:
    _, points = chosen([0.2, 0.4], [True, True])
    assert points["best_accuracy"].threshold == 0.2
    assert points["best_accuracy"].fmr is None
    assert points["eer"].threshold is None
    assert points["eer"].reason == "there is no impostor pair"


def test_no_pairs_support_nothing() -> None:
    _, points = chosen([], [])
    assert {point.threshold for point in points.values()} == {None}
    assert {point.reason for point in points.values()} == {"there are no pairs"}


def test_points_of_the_first_format_are_read() -> None:
    point = OperatingPoint.model_validate({"name": "eer", "threshold": 0.1, "far": 0.2, "tar": 0.8})
    assert point.fmr == 0.2
    assert OperatingPoint.model_validate_json(point.model_dump_json()) == point
