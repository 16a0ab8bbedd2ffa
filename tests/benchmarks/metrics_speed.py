"""Evaluating 6,000 scored pairs: with thresholds and metrics alone, and with intervals.

Run: ``python tests/benchmarks/metrics_speed.py``. The baseline is scikit-learn's ROC curve and its
area on the same pairs, a fraction of what is asked here.
"""

import json
import resource
import statistics
import time
from collections.abc import Callable

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from facesim.evaluation.evaluate_scores import RESAMPLES, evaluate_scores

PAIRS = 6_000
IDENTITIES = 40
ROUNDS = 5


def measure() -> dict[str, float]:
    """Medians over rounds in turn."""
    generator = np.random.default_rng(0)
    same = np.arange(PAIRS) % 2 == 0
    first = generator.integers(IDENTITIES, size=PAIRS)
    second = np.where(same, first, (first + generator.integers(1, IDENTITIES, PAIRS)) % IDENTITIES)
    scores = generator.normal(size=PAIRS) + 1.5 * same
    tasks: dict[str, Callable[[], object]] = {
        "sklearn_roc_s": lambda: (roc_curve(same, scores), roc_auc_score(same, scores)),
        "without_intervals_s": lambda: evaluate_scores(scores, same, first, second),
        "with_intervals_s": lambda: evaluate_scores(
            scores, same, first, second, resamples=RESAMPLES
        ),
    }
    timings: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(ROUNDS):
        for name, task in tasks.items():
            timings[name].append(_seconds(task))
    figures = {name: statistics.median(seconds) for name, seconds in timings.items()}
    figures["without_intervals_to_sklearn_ratio"] = (
        figures["without_intervals_s"] / figures["sklearn_roc_s"]
    )
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


def _seconds(task: Callable[[], object]) -> float:
    begin = time.perf_counter()
    task()
    return time.perf_counter() - begin


def main() -> None:
    """Print the figures as JSON."""
    print(json.dumps({name: round(value, 4) for name, value in measure().items()}, indent=2))


if __name__ == "__main__":
    main()
