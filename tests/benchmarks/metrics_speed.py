"""Evaluating 6,000 pairs of 877 images from their embeddings: scores, thresholds, metrics.

Run: ``python tests/benchmarks/metrics_speed.py``. The baseline is scikit-learn's ROC curve and its
area of the same scores, a fraction of what is asked here.

Intervals are timed apart, and as a run asks for them: a trained system and three baselines on
17,540 pairs of 40 people, their differences, and thresholds with their spread from 13,860 pairs.
Their baseline is the loop that blocks of curves replaced: one curve at a time, all metrics of it by
`Metric.value`, and what an interval needs measured for it alone. Both give the same bits.
"""

import json
import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import roc_auc_score, roc_curve

from facesim.arrays import Int64Array
from facesim.discovery import load_installed_plugins
from facesim.evaluation import calibration, differences, evaluate
from facesim.evaluation.calibration import choose_operating_points, points_with_spread
from facesim.evaluation.differences import MetricDifference, ScoredRun, paired_differences
from facesim.evaluation.evaluate import Thresholds, evaluate_scores
from facesim.evaluation.identity_jackknife import IdentityJackknife
from facesim.evaluation.pooling import MetricQuery
from facesim.evaluation.threshold_spread import Rule, ThresholdSpread, threshold_spreads
from facesim.evaluation.uncertainty import Deletions
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.interfaces.metric import Metric
from facesim.interfaces.result import EvaluationResult, rate_name
from facesim.interfaces.roc import Roc
from facesim.interfaces.roc_block import PairWeights
from facesim.interfaces.roc_points import FMR_TARGETS, equal_error_rate, tar_at_fmr
from facesim.interfaces.scores import LabelledScores
from facesim_plugins.losses.contrastive import Contrastive

FloatArray = npt.NDArray[np.floating]

RESAMPLES = 1000
PAIRS, IMAGES, IDENTITIES, DIM = 6_000, 877, 40, 16
ROUNDS = 5


def measure() -> dict[str, float]:
    """Medians over rounds in turn."""
    generator = np.random.default_rng(0)
    identities = np.sort(generator.integers(IDENTITIES, size=IMAGES))
    embeddings = torch.from_numpy(_embeddings(generator, identities))
    rows = _pairs(generator, identities)
    first, second = identities[rows].T
    same = first == second
    loss = Contrastive(DIM, IDENTITIES)

    def scores() -> FloatArray:
        with torch.inference_mode():
            sides = (embeddings.index_select(0, torch.from_numpy(side)) for side in rows.T)
            return np.asarray(loss.score(*sides), np.float64)

    scored = scores()
    load_installed_plugins()
    metrics = built_metrics(standard_metrics())

    def labelled(values: FloatArray) -> LabelledScores:
        return LabelledScores.of(values, same, first, second)

    val = _drawn(1, STAGE_VAL_PAIRS, 2.0)
    systems = [_drawn(0, STAGE_PAIRS, separation) for separation in (2.0, 0.1, 0.5, 1.0)]

    def stage() -> object:
        return _stage(metrics, val, systems)

    tasks: dict[str, Callable[[], object]] = {
        "sklearn_roc_s": lambda: (roc_curve(same, scored), roc_auc_score(same, scored)),
        "from_embeddings_s": lambda: evaluate_scores(labelled(scores()), metrics),
        "with_intervals_s": lambda: evaluate_scores(labelled(scored), metrics, resamples=RESAMPLES),
        "with_intervals_by_curve_s": lambda: _by_curve(
            lambda: evaluate_scores(labelled(scored), metrics, resamples=RESAMPLES)
        ),
        "stage_s": stage,
        "stage_by_curve_s": lambda: _by_curve(stage),
    }
    if stage() != _by_curve(stage):
        raise SystemExit("blocks of curves and single curves give different numbers")
    timings: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(ROUNDS):
        for name, task in tasks.items():
            timings[name].append(_seconds(task))
    figures = {name: statistics.median(seconds) for name, seconds in timings.items()}
    figures["from_embeddings_to_sklearn_ratio"] = (
        figures["from_embeddings_s"] / figures["sklearn_roc_s"]
    )
    for name in ("with_intervals", "stage"):
        figures[f"{name}_speedup_ratio"] = figures[f"{name}_by_curve_s"] / figures[f"{name}_s"]
    return figures


STAGE_PAIRS, STAGE_VAL_PAIRS = 17_540, 13_860


def _drawn(seed: int, pairs: int, separation: float) -> LabelledScores:
    """The same comparisons of unequal people for each separation, scored as float32."""
    random = np.random.default_rng(seed)
    same = np.arange(pairs) % 2 == 0
    first = random.integers(IDENTITIES, size=pairs)
    second = np.where(same, first, (first + random.integers(1, IDENTITIES, pairs)) % IDENTITIES)
    ease = random.normal(size=IDENTITIES)[first]
    scores = random.normal(size=pairs) + separation * same + 0.5 * ease
    return LabelledScores.of(scores.astype(np.float32), same, first, second)


def _stage(
    metrics: dict[str, Metric], val: LabelledScores, systems: Sequence[LabelledScores]
) -> tuple[list[EvaluationResult], list[tuple[MetricDifference, ...]]]:
    """What the evaluation of a run makes of scores."""
    trained, *baselines = map(replace, systems)  # of which nothing is measured yet
    chosen = Thresholds(points_with_spread(replace(val)), "val")
    of_trained = evaluate_scores(trained, metrics, thresholds=chosen, resamples=RESAMPLES)
    results, gains = [of_trained], []
    for scored in baselines:
        chosen = Thresholds(choose_operating_points(scored.roc()), "val")
        result = evaluate_scores(scored, metrics, thresholds=chosen, resamples=RESAMPLES)
        runs = ScoredRun(scored, result.threshold), ScoredRun(trained, of_trained.threshold)
        results.append(result)
        gains.append(paired_differences(*runs, metrics, seed=0))
    return results, gains


def _by_curve(task: Callable[[], object]) -> object:
    """A task with each curve made and measured by itself."""
    # A difference needs no deletions of one kind alone.
    of_differences = partial(_deletions_by_curve, by_kind=False)
    with (
        patch.object(evaluate, "metric_deletions", _deletions_by_curve),
        patch.object(differences, "metric_deletions", of_differences),
        patch.object(calibration, "threshold_spreads", _spreads_by_curve),
    ):
        return task()


def _curves(scored: LabelledScores, weights: PairWeights) -> Iterator[Roc]:
    for at in range(len(weights)):
        yield scored.roc(weights.of_curve(at, scored.same))


def _deletions_by_curve(
    scored: LabelledScores, queries: Sequence[MetricQuery], seed: int, *, by_kind: bool = True
) -> Deletions:
    def measure(weights: PairWeights) -> npt.NDArray[np.float64]:
        return np.array(
            [
                [metric.value(roc, math.nan if at is None else at) for metric, at in queries]
                for roc in _curves(scored, weights)
            ]
        )

    return IdentityJackknife.of(scored).deletions(measure, seed, by_kind=by_kind)


def _threshold_at(target: float, roc: Roc) -> float:
    return tar_at_fmr(roc, target).threshold


_RULES: dict[str, Callable[[Roc], float]] = {
    "best_accuracy": lambda roc: roc.threshold_at(roc.best_accuracy_point()),
    "eer": lambda roc: equal_error_rate(roc).threshold,
    **{f"far_{rate_name(target)}": partial(_threshold_at, target) for target in FMR_TARGETS},
}


def _spreads_by_curve(
    scored: LabelledScores, rules: Mapping[str, Rule]
) -> dict[str, ThresholdSpread | None]:
    def each(rule: Callable[[Roc], float], curves: Iterable[Roc]) -> npt.NDArray[np.float64]:
        return np.array([rule(roc) for roc in curves])

    with patch.object(LabelledScores, "rocs", lambda *block: list(_curves(*block))):
        return threshold_spreads(scored, {name: partial(each, _RULES[name]) for name in rules})


def _embeddings(generator: np.random.Generator, identities: Int64Array) -> FloatArray:
    """Around a centre for each identity."""
    centres = generator.normal(size=(IDENTITIES, DIM))
    return (centres[identities] + generator.normal(size=(IMAGES, DIM))).astype(np.float32)


def _pairs(generator: np.random.Generator, identities: Int64Array) -> Int64Array:
    """Rows of as many genuine as impostor pairs, int64 [PAIRS, 2]."""
    drawn = generator.integers(IMAGES, size=(200 * PAIRS, 2))
    drawn = drawn[drawn[:, 0] != drawn[:, 1]]
    same = identities[drawn[:, 0]] == identities[drawn[:, 1]]
    return np.concatenate([drawn[same][: PAIRS // 2], drawn[~same][: PAIRS // 2]])


def _seconds(task: Callable[[], object]) -> float:
    begin = time.perf_counter()
    task()
    return time.perf_counter() - begin


def main() -> None:
    """Print the figures as JSON."""
    print(json.dumps({name: round(value, 4) for name, value in measure().items()}, indent=2))


if __name__ == "__main__":
    main()
