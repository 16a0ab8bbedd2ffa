"""Evaluating 6,000 pairs of 877 images from their embeddings: scores, thresholds, metrics.

Run: ``python tests/benchmarks/metrics_speed.py``. The baseline is scikit-learn's ROC curve and its
area of the same scores, a fraction of what is asked here. Intervals are timed apart.
"""

import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import roc_auc_score, roc_curve

from facesim.arrays import Int64Array
from facesim.discovery import load_installed_plugins
from facesim.evaluation.evaluate import evaluate_scores
from facesim.interfaces.kinds import built_metrics, standard_metrics
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

    tasks: dict[str, Callable[[], object]] = {
        "sklearn_roc_s": lambda: (roc_curve(same, scored), roc_auc_score(same, scored)),
        "from_embeddings_s": lambda: evaluate_scores(labelled(scores()), metrics),
        "with_intervals_s": lambda: evaluate_scores(labelled(scored), metrics, resamples=RESAMPLES),
    }
    timings: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(ROUNDS):
        for name, task in tasks.items():
            timings[name].append(_seconds(task))
    figures = {name: statistics.median(seconds) for name, seconds in timings.items()}
    figures["from_embeddings_to_sklearn_ratio"] = (
        figures["from_embeddings_s"] / figures["sklearn_roc_s"]
    )
    return figures


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
