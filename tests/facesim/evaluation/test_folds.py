import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pytest

from facesim.discovery import load_installed_plugins
from facesim.errors import FacesimError
from facesim.evaluation.calibration import OperatingPoint
from facesim.evaluation.folds import MeasuredFold, evaluate_folds, pooled_scores
from facesim.interfaces import EvaluationResult, FmrStatus, FmrSupport
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.interfaces.roc import Roc
from facesim.interfaces.scores import LabelledScores

load_installed_plugins()
METRICS = built_metrics(standard_metrics())
NORMAL = NormalDist()
SEPARATION, EASE, COMMONNESS = 2.0, 0.4, 0.3


def points(threshold: float | None, support: FmrSupport | None = None) -> list[OperatingPoint]:
    reason = None if threshold is not None else "too few"
    return [
        OperatingPoint(name=name, threshold=threshold, reason=reason, support=support)
        for name in ("best_accuracy", "far_1e-1")
    ]


def fold(
    number: int,
    *,
    scale: float = 1.0,
    shift: float = 0.0,
    separation: float = SEPARATION,
    seed: int = 0,
    pairs: int = 120,
) -> MeasuredFold:
    """A fold of six people, scored by a network with a scale of its own."""
    generator = np.random.default_rng((seed, number))
    ease, commonness = generator.normal(0, (EASE, COMMONNESS), (6, 2)).T
    same = np.arange(pairs) % 2 == 0
    first = generator.integers(6, size=pairs)
    second = np.where(same, first, (first + generator.integers(1, 6, size=pairs)) % 6)
    impostor = commonness[first] + commonness[second]
    scores = np.where(same, separation + ease[first], impostor) + generator.normal(size=pairs)
    scored = LabelledScores.of(
        scale * scores + shift, same, first + 6 * number, second + 6 * number
    )
    return MeasuredFold(scored, points(scale * separation / 2 + shift), loss=1.0)


def evaluated(folds: list[MeasuredFold], resamples: int = 1000) -> EvaluationResult:
    return evaluate_folds(folds, METRICS, seed=0, resamples=resamples)


def five(seed: int = 0, separations: Sequence[float] = 5 * (SEPARATION,)) -> list[MeasuredFold]:
    """Networks whose scores are on quite different scales."""
    scales = ((1.0, 0.0), (0.2, 9.0), (5.0, -3.0), (2.0, 40.0), (0.5, -8.0))
    return [
        fold(at, scale=a, shift=b, separation=separation, seed=seed)
        for at, ((a, b), separation) in enumerate(zip(scales, separations, strict=True))
    ]


def value(result: EvaluationResult, name: str) -> float:
    found = result.metrics[name].value
    assert found is not None
    return found


def test_each_pair_is_decided_by_the_threshold_of_its_own_fold() -> None:
    folds = five()
    result = evaluated(folds, resamples=0)
    right = [
        np.mean((each.scored.scores >= (each.points[0].threshold or 0)) == each.scored.same)
        for each in folds
    ]
    assert value(result, "accuracy") == pytest.approx(np.mean(right))
    assert result.threshold == 0
    assert (result.pairs, result.identities) == (600, 30)


@pytest.mark.parametrize("name", ["roc_auc", "eer", "tar_at_far_1e-1"])
def test_metrics_that_rank_are_means_over_the_folds_whatever_the_scales(name: str) -> None:
    folds = five()
    each = [METRICS[name].value(fold.scored.roc(), math.nan) for fold in folds]
    assert value(evaluated(folds, resamples=0), name) == pytest.approx(np.mean(each))


def test_folds_count_as_many_as_their_pairs() -> None:
    folds = [fold(0, pairs=40), fold(1, pairs=200)]
    areas = [each.scored.roc().area for each in folds]
    mean = (40 * areas[0] + 200 * areas[1]) / 240
    assert value(evaluated(folds, resamples=0), "roc_auc") == pytest.approx(mean)


def test_scales_of_folds_change_nothing() -> None:
    alike = [fold(at) for at in range(5)]
    same, other = evaluated(alike), evaluated(five())
    for name, estimate in same.metrics.items():
        assert estimate.value == pytest.approx(other.metrics[name].value), name
        assert estimate.low == pytest.approx(other.metrics[name].low), name
    merged = np.concatenate([each.scored.scores for each in five()])
    labels = np.concatenate([each.scored.same for each in five()])
    assert Roc.of_scores(merged, labels).area < value(same, "roc_auc") - 0.2


def test_every_operating_point_has_the_thresholds_of_the_folds() -> None:
    folds = five()
    stricter = [
        MeasuredFold(
            each.scored,
            [each.points[0], each.points[1].model_copy(update={"threshold": threshold})],
        )
        for each, threshold in zip(folds, (1.5, 9.3, 4.5, 43.0, -7.25), strict=True)
    ]
    second = evaluated(stricter, resamples=0).operating_points[1]
    accepted = [
        each.scored.scores[~each.scored.same] >= (each.points[1].threshold or 0)
        for each in stricter
    ]
    assert second.name == "far_1e-1"
    assert second.fmr.value == pytest.approx(np.mean(np.concatenate(accepted)))


def test_a_point_without_threshold_in_a_fold_says_which() -> None:
    folds = [fold(0), fold(1)]
    missing = OperatingPoint(name="far_1e-1", threshold=None, reason="too few impostors")
    folds[1] = MeasuredFold(folds[1].scored, [folds[1].points[0], missing])
    assert evaluated(folds).operating_points[1].reason == "fold 2: too few impostors"


def test_support_is_that_of_the_weakest_fold() -> None:
    weak, strong = (
        FmrSupport(status=status, false_matches=count)
        for status, count in ((FmrStatus.UNSTABLE, 4), (FmrStatus.MEASURED, 50))
    )
    folds = [
        MeasuredFold(fold(at).scored, points(1.0, support))
        for at, support in enumerate((strong, weak, strong))
    ]
    assert evaluated(folds).operating_points[1].support == weak
    at_target = evaluated([fold(0, pairs=400), fold(1, pairs=100)], 0).metrics["tar_at_far_1e-1"]
    assert at_target.support is not None
    assert at_target.support.status is FmrStatus.UNSTABLE


def test_a_rate_that_one_fold_cannot_measure_is_undefined_and_says_where() -> None:
    result = evaluated([fold(0, pairs=4000), fold(1, pairs=100)], resamples=0)
    assert result.metrics["tar_at_far_1e-2"].value is None
    assert (result.metrics["tar_at_far_1e-2"].reason or "").startswith("in fold 2: not measurable")


def test_a_person_in_two_folds_is_an_error() -> None:
    with pytest.raises(FacesimError, match="each person is in one"):
        pooled_scores([fold(0), fold(0)])


def of_all_people(name: str, separation: float) -> float:
    """A metric of one network over all people that could be drawn."""
    genuine, impostor = math.hypot(EASE, 1), math.hypot(COMMONNESS, COMMONNESS, 1)
    tar = 1 - NORMAL.cdf((separation / 2 - separation) / genuine)
    fmr = 1 - NORMAL.cdf(separation / 2 / impostor)
    area = NORMAL.cdf(separation / math.hypot(genuine, impostor))
    error = NORMAL.cdf(-separation / (genuine + impostor))
    return {"accuracy": (tar + 1 - fmr) / 2, "roc_auc": area, "eer": error}[name]


def test_intervals_over_people_cover_what_the_networks_do_on_all_people() -> None:
    metrics = {name: METRICS[name] for name in ("accuracy", "roc_auc", "eer")}
    separations = (1.6, 2.4, 2.0, 1.8, 2.2)
    truth = {name: np.mean([of_all_people(name, d) for d in separations]) for name in metrics}
    held = dict.fromkeys(metrics, 0)
    widths = []
    for seed in range(60):
        result = evaluate_folds(five(seed, separations), metrics, seed=0, resamples=1000)
        for name in metrics:
            found = result.metrics[name]
            assert found.low is not None
            assert found.high is not None
            held[name] += int(found.low <= truth[name] <= found.high)
            widths.append(found.high - found.low)
    # 0.95 less two standard errors of sixty repeats; far wider ones would hold it, too.
    assert min(held.values()) >= 54, held
    assert max(widths) < 0.25
