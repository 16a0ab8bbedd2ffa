"""Every pair of CelebA's test partition, against listing and scoring the pairs all at once.

Run: ``python tests/benchmarks/exhaustive_evaluation.py``. Random embeddings of 19,962 images.
"""

import json
import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
from torch import Tensor

from facesim.arrays import Int64Array
from facesim.interfaces.roc import Roc
from facesim_plugins.losses.contrastive import Contrastive
from facesim_plugins.protocols._exhaustive_roc import exhaustive_roc

IMAGES = 19_962
IDENTITIES = 1_000
DIMENSIONS = 128
LISTED_IMAGES = 2_000

Evaluate = Callable[[Tensor, Int64Array], Roc]


def measure() -> dict[str, float]:
    """Seconds and peak memory; the list of pairs is made of 2,000 images and extrapolated."""
    streamed, listed = (
        _in_its_own_process("streamed", IMAGES),
        _in_its_own_process("listed", LISTED_IMAGES),
    )
    more_pairs = (IMAGES * (IMAGES - 1)) / (LISTED_IMAGES * (LISTED_IMAGES - 1))
    return {
        "pairs": streamed["pairs"],
        "streamed_s": streamed["seconds"],
        "streamed_cpu_s": streamed["cpu_seconds"],
        "streamed_peak_mb": streamed["peak_mb"],
        "streamed_peak_mb_over_the_embeddings": streamed["peak_mb"] - streamed["before_mb"],
        "listed_extrapolated_s": listed["seconds"] * more_pairs,
        "listed_extrapolated_peak_mb": (listed["peak_mb"] - listed["before_mb"]) * more_pairs,
        "ratio": listed["seconds"] * more_pairs / streamed["seconds"],
    }


def _in_its_own_process(way: str, images: int) -> dict[str, float]:
    """A process of its own for each way: the peak of one must not hide that of the other."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(_evaluate, way, images).result()


def _evaluate(way: str, images: int) -> dict[str, float]:
    identities = np.random.default_rng(0).integers(IDENTITIES, size=images)
    embeddings = torch.randn(images, DIMENSIONS, generator=torch.Generator().manual_seed(0))
    before = _peak_mb()
    begin, cpu_begin = time.perf_counter(), time.process_time()
    roc = WAYS[way](embeddings, identities)
    return {
        "pairs": roc.genuine + roc.impostor,
        "seconds": time.perf_counter() - begin,
        "cpu_seconds": time.process_time() - cpu_begin,
        "before_mb": before,
        "peak_mb": _peak_mb(),
    }


def _streamed(embeddings: Tensor, identities: Int64Array) -> Roc:
    return exhaustive_roc(embeddings, identities, _loss().score)


def _listed(embeddings: Tensor, identities: Int64Array) -> Roc:
    """The obvious way: all pairs of rows, both sides gathered, one call, one sort."""
    first, second = np.triu_indices(len(identities), 1)
    scores = _loss().score(embeddings[first], embeddings[second]).numpy()
    return Roc.of_scores(scores, identities[first] == identities[second])


WAYS: dict[str, Evaluate] = {"streamed": _streamed, "listed": _listed}


def _loss() -> Contrastive:
    return Contrastive(DIMENSIONS, IDENTITIES)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the figures as JSON."""
    print(json.dumps({name: round(value, 3) for name, value in measure().items()}, indent=2))


if __name__ == "__main__":
    main()
