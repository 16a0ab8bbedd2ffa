import json
from typing import Any

import numpy as np
import pytest

from facesim.discovery import load_installed_plugins
from facesim.errors import FacesimError
from facesim.evaluation.calibration import OperatingPoint, choose_operating_points
from facesim.evaluation.evaluate import (
    SAMPLED_INTERVAL_NAME,
    Resampling,
    Thresholds,
    estimate_metrics,
    evaluate_scores,
)
from facesim.evaluation.identity_jackknife import INTERVAL_NAME
from facesim.evaluation.pooling import MetricQuery
from facesim.evaluation.threshold_spread import ThresholdSpread
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.interfaces.metric import Metric
from facesim.interfaces.result import Estimate, EvaluationResult
from facesim.interfaces.roc import Roc
from facesim.interfaces.scores import LabelledScores

load_installed_plugins()
METRICS = built_metrics(standard_metrics())


def draw(pairs: int = 600, identities: int = 20, seed: int = 0) -> LabelledScores:
    """Pairs, half of them genuine, whose scores tell the kinds apart a little."""
    random = np.random.default_rng(seed)
    same = np.arange(pairs) % 2 == 0
    first = random.integers(identities, size=pairs)
    second = np.where(same, first, (first + random.integers(1, identities, pairs)) % identities)
    return LabelledScores.of(random.normal(size=pairs) + 1.5 * same, same, first, second)


def strict(text: str) -> Any:
    """Parse JSON as the standard has it."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)


def evaluated(**others: Any) -> EvaluationResult:
    return evaluate_scores(draw(), METRICS, **others)


def test_it_counts_the_pairs_and_identities() -> None:
    result = evaluated()
    assert (result.pairs, result.genuine, result.impostor, result.identities) == (600, 300, 300, 20)


def test_thresholds_from_elsewhere_are_applied_and_not_chosen_again() -> None:
    scored = draw()
    val = choose_operating_points(draw(seed=1).roc())
    result = evaluated(thresholds=Thresholds(val, "val"))
    assert result.threshold == val[0].threshold
    assert result.threshold_source == "val"
    assert result.threshold is not None
    correct = ((scored.scores >= result.threshold) == scored.same).mean()
    assert result.metrics["accuracy"].value == correct
    for point, chosen in zip(result.operating_points, val, strict=True):
        kept = (point.name, point.threshold, point.reason, point.support)
        assert kept == (chosen.name, chosen.threshold, chosen.reason, chosen.support)
        if chosen.threshold is not None:
            accepted = scored.scores >= chosen.threshold
            assert point.fmr.value == accepted[~scored.same].mean()
            assert point.tar.value == accepted[scored.same].mean()


def test_every_metric_has_a_value_by_name_and_so_has_the_loss() -> None:
    assert set(evaluated().values()) == {"loss", *METRICS}


def test_the_result_survives_strict_json() -> None:
    result = evaluated(loss=float("nan"))
    document = strict(result.model_dump_json())
    assert document["metrics"]["accuracy"].keys() >= {"value", "low", "high", "interval"}
    assert document["metrics"]["tar_at_far_1e-1"]["point"].keys() == {
        "target",
        "threshold",
        "achieved_fmr",
        "tar",
        "false_matches_allowed",
        "support",
    }
    assert document["loss"] is None
    assert document["reasons"]["loss"] == "the loss is nan"
    assert EvaluationResult.model_validate_json(result.model_dump_json()) == result


@pytest.mark.parametrize("pairs", [0, 1, 2])
def test_tiny_sets_have_no_invented_number(pairs: int) -> None:
    whole = draw()
    scored = LabelledScores.of(
        whole.scores[:pairs], whole.same[:pairs], whole.first[:pairs], whole.second[:pairs]
    )
    result = evaluate_scores(scored, METRICS)
    strict(result.model_dump_json())
    accuracy, area = result.metrics["accuracy"], result.metrics["roc_auc"]
    assert (area.value is None) == (pairs < 2)
    if pairs == 0:
        assert accuracy.reason == "there is no threshold"
        assert result.reasons["threshold"] == "there are no pairs"
    if pairs == 1:
        assert accuracy.value == 1
        assert area.reason == "there is no impostor pair"


def test_an_fmr_beyond_the_impostors_is_null_with_a_reason() -> None:
    last = evaluated().at_targets["tar_at_far_1e-6"]
    assert last.value is None
    assert last.point is not None
    assert (last.point.target, last.point.false_matches_allowed) == (1e-6, 0)
    assert "not measurable with 300 impostors" in (last.reason or "")


def test_points_without_the_headline_are_refused() -> None:
    points = [OperatingPoint(name="eer", threshold=0.1)]
    with pytest.raises(FacesimError, match="lack 'best_accuracy'"):
        evaluated(thresholds=Thresholds(points, "val"))


def test_intervals_come_with_resamples_and_hold_the_values() -> None:
    result = evaluated(seed=3, resamples=50)
    found = result.metrics["accuracy"]
    assert found.low is not None
    assert found.value is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    assert (result.seed, result.resamples) == (3, 50)
    assert result.metrics["tar_at_far_1e-1"].low is not None
    assert result.operating_points[0].accuracy == found
    assert evaluated().metrics["accuracy"].low is None


def test_an_interval_over_identities_is_wider_than_one_over_pairs_where_people_differ() -> None:
    scored = draw()
    easy = np.random.default_rng(5).normal(size=20)
    eased = LabelledScores.of(
        scored.scores + easy[scored.first], scored.same, scored.first, scored.second
    )
    result = evaluate_scores(eased, METRICS, resamples=200)
    by_identity, by_pair = result.metrics["tar"], result.wilson["tar"]
    assert None not in (by_identity.low, by_pair.low)
    assert (by_identity.low or 1) < (by_pair.low or 0)


def test_wilsons_interval_stands_beside_the_metrics_that_are_proportions() -> None:
    assert set(evaluated().wilson) == {"accuracy", "fmr", "fnmr", "tar"}


QUERIES: list[MetricQuery] = [
    (METRICS["accuracy"], 0.7),
    (METRICS["fmr"], None),
    (METRICS["roc_auc"], None),
    (METRICS["eer"], None),
]
AREA, EER, D_PRIME = ((METRICS[name], None) for name in ("roc_auc", "eer", "d_prime"))


def ask(
    queries: list[MetricQuery], *, genuine_share: float = 0.5, seed: int = 0, resamples: int = 60
) -> dict[MetricQuery, Estimate]:
    generator = np.random.default_rng(0)
    same = generator.random(400) < genuine_share
    first = generator.integers(15, size=400)
    second = np.where(same, first, (first + 3) % 15)
    scored = LabelledScores.of(generator.normal(size=400) + same, same, first, second)
    resampling = Resampling(scored, seed, resamples)
    return resampling.with_intervals(estimate_metrics(queries, scored.roc()))


def test_every_value_lies_in_its_interval() -> None:
    answers = ask([*QUERIES, D_PRIME])
    for query in (QUERIES[0], AREA, EER, D_PRIME):
        found = answers[query]
        assert found.value is not None
        assert found.low is not None
        assert found.high is not None
        assert found.low < found.value < found.high
        assert found.interval == INTERVAL_NAME


def test_intervals_repeat_for_a_seed_and_change_with_it() -> None:
    assert ask(QUERIES) == ask(QUERIES)
    assert ask(QUERIES) != ask(QUERIES, seed=1)


def test_values_do_not_depend_on_resamples() -> None:
    without, with_ = ask(QUERIES, resamples=0), ask(QUERIES)
    assert [found.value for found in without.values()] == [f.value for f in with_.values()]
    assert {found.interval for found in without.values()} == {None}


def test_a_threshold_that_is_missing_is_a_reason() -> None:
    found = ask(QUERIES)[QUERIES[1]]
    assert found == Estimate(value=None, reason="there is no threshold")


@pytest.mark.parametrize("genuine_share", [0.0, 1.0])
def test_one_kind_of_pairs_has_an_accuracy_and_no_area(genuine_share: float) -> None:
    answers = ask(QUERIES, genuine_share=genuine_share)
    assert answers[QUERIES[0]].low is not None
    assert answers[AREA].value is None
    assert "there is no" in (answers[AREA].reason or "")


class MeanScore(Metric):
    """A metric of the single comparisons with their weights."""

    label = "Mean score"
    unit = "number"
    range = (-float("inf"), float("inf"))

    def value(self, roc: Roc, threshold: float) -> float:
        assert roc.labelled is not None
        weights = np.ones(len(roc.labelled)) if roc.weights is None else roc.weights
        return float(np.average(roc.labelled.scores, weights=weights))


def test_a_metric_may_read_the_single_comparisons_and_their_weights() -> None:
    scored = draw()
    found = evaluate_scores(scored, {"mean": MeanScore()}, resamples=50).metrics["mean"]
    assert found.value == pytest.approx(scored.scores.mean())
    assert found.low is not None
    assert found.high is not None
    assert found.low < scored.scores.mean() < found.high


class Counting(MeanScore):
    """Notes how many comparisons it is measured on, at which threshold."""

    at_threshold = True

    def __init__(self) -> None:
        self.seen: list[tuple[float, int]] = []

    def value(self, roc: Roc, threshold: float) -> float:
        self.seen.append((threshold, roc.genuine + roc.impostor))
        return float(roc.genuine)


def test_a_sampled_pair_counts_for_all_that_it_stands_for() -> None:
    scored, metric = draw(), Counting()
    stands_for = np.where(scored.same, 1, 5)
    spread = ThresholdSpread(thresholds=(0.1, 0.2), effective_identities=20.0)
    points = [OperatingPoint(name="best_accuracy", threshold=0.5, spread=spread)]
    resampling = Resampling(scored, 0, 50, stands_for, points)
    (found,) = resampling.with_intervals({(metric, 0.5): Estimate(value=300.0)}).values()
    assert found.interval == SAMPLED_INTERVAL_NAME
    assert [seen for seen in metric.seen if seen[0] != 0.5] == [(0.1, 1800), (0.2, 1800)]
    assert max(count for threshold, count in metric.seen if threshold == 0.5) == 1800


class Undefined(MeanScore):
    """A metric that is not a number, and does not say so."""

    def value(self, roc: Roc, threshold: float) -> float:
        return float("nan")


def test_a_metric_that_is_not_a_number_has_a_reason() -> None:
    found = evaluate_scores(draw(), {"broken": Undefined()}).metrics["broken"]
    assert (found.value, found.reason) == (None, "it is nan on these pairs")


def test_results_of_the_first_format_read_as_the_present_ones() -> None:
    old = {
        "pairs": 2,
        "genuine": 1,
        "impostor": 1,
        "identities": 2,
        "threshold": 0.5,
        "threshold_source": "val",
        "loss": None,
        **{
            name: {"value": 0.25}
            for name in ("accuracy", "balanced_accuracy", "far", "tar", "fnmr", "roc_auc", "eer")
        },
        "d_prime": {"value": None, "reason": "the scores of neither kind of pair vary"},
        "eer_threshold": 0.4,
        "tar_at_far": [
            {"far": 0.1, "tar": 0.5, "achieved_far": 0.1, "false_accepts_allowed": 3,
             "threshold": 0.3, "low": 0.4, "high": 0.6, "interval": "identity_bootstrap_95"}
        ],
        "fnmr_at_fmr": [
            {"fmr": 0.1, "fnmr": 0.5, "achieved_fmr": 0.1, "false_matches_allowed": 3,
             "threshold": 0.3}
        ],
        "operating_points": [
            {"name": "eer", "threshold": 0.4, "far": {"value": 0.2}, "tar": {"value": 0.8},
             "accuracy": {"value": 0.8}}
        ],
        "wilson": {"far": {"value": 0.25, "low": 0.1, "high": 0.5}},
        "seed": 0,
        "resamples": 0,
        "reasons": {"loss": "not measured", "eer_threshold": "x"},
        "protocol": "k_fold",
        "k_fold": {"folds": [], "mean_accuracy": 0.5, "standard_error": 0.1},
    }  # fmt: skip
    result = EvaluationResult.model_validate(old)
    assert (result.protocol, result.details["mean_accuracy"]) == ("k_fold", 0.5)
    assert result.metrics["fmr"].value == result.wilson["fmr"].value == 0.25
    assert result.metrics["eer"].point is not None
    assert result.metrics["eer"].point.threshold == 0.4
    at = result.at_targets["tar_at_far_1e-1"]
    assert (at.value, at.low, at.high) == (0.5, 0.4, 0.6)
    assert at.point is not None
    assert (at.point.achieved_fmr, at.point.false_matches_allowed) == (0.1, 3)
    assert result.metrics["fnmr_at_fmr_1e-1"].value == 0.5
    assert result.operating_points[0].fmr.value == 0.2
    assert EvaluationResult.model_validate_json(result.model_dump_json()) == result
    del old["protocol"], old["k_fold"]
    assert EvaluationResult.model_validate(old).protocol == "pairs"
