import math

import pytest

from facesim.errors import FacesimError
from facesim.evaluation.metrics import (
    EER,
    LOSS,
    METRICS,
    PAIR_METRICS,
    ROC_AUC,
    PairMetric,
    metric_named,
    tar_at_far_metric,
)
from facesim.evaluation.roc import Roc

PERFECT = Roc.of_scores([0.9, 0.8] * 500 + [0.2, 0.1] * 500, [True] * 1000 + [False] * 1000)
REVERSED = Roc.of_scores([0.2, 0.1] * 500 + [0.9, 0.8] * 500, [True] * 1000 + [False] * 1000)


MEASURABLE = [metric for metric in PAIR_METRICS if metric.why_undefined(PERFECT) is None]


@pytest.mark.parametrize("metric", MEASURABLE, ids=lambda metric: metric.name)
def test_each_metric_prefers_a_perfect_system_to_a_reversed_one(metric: PairMetric) -> None:
    perfect, reversed_ = (metric.measure(roc, 0.5) for roc in (PERFECT, REVERSED))
    assert metric.better(perfect, than=reversed_)
    assert not metric.better(reversed_, than=perfect)


@pytest.mark.parametrize("metric", PAIR_METRICS, ids=lambda metric: metric.name)
@pytest.mark.parametrize("same", [[], [True, True], [False, False]])
def test_a_metric_either_exists_or_says_why_not(metric: PairMetric, same: list[bool]) -> None:
    roc = Roc.of_scores([0.3, 0.7][: len(same)], same)
    assert math.isnan(metric.measure(roc, 0.5)) == (metric.why_undefined(roc) is not None)


def test_targets_beyond_the_impostors_do_not_exist() -> None:
    metric = tar_at_far_metric(1e-4)
    assert math.isnan(metric.measure(PERFECT))
    assert "not measurable with 1000 impostors" in (metric.why_undefined(PERFECT) or "")


def test_names_are_unique() -> None:
    assert len(METRICS) == len(PAIR_METRICS) + 1


def test_the_best_follows_the_direction_and_is_the_first_of_equals() -> None:
    values = [0.3, None, 0.1, math.nan, 0.1, 0.4]
    assert EER.best(values) == 2
    assert ROC_AUC.best(values) == 5
    assert LOSS.best([None, math.nan]) is None


def test_directions_are_spelled_as_optuna_spells_them() -> None:
    assert (ROC_AUC.direction, EER.direction) == ("maximize", "minimize")


def test_an_unknown_metric_is_answered_with_the_nearest() -> None:
    with pytest.raises(FacesimError, match=r"no metric 'acuracy' \(did you mean 'accuracy'"):
        metric_named("acuracy")
