"""Every pair of CelebA's test partition, against listing and scoring the pairs all at once.

Run: ``python tests/benchmarks/exhaustive_evaluation.py [--images 44722]``. Random embeddings of
19,962 images, in rounds in turn, and of as many images once as make a billion pairs.
"""

import argparse
import json
import multiprocessing
import resource
import statistics
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
BILLION_IMAGES = 44_722
"""They have 1,000,006,281 pairs."""

ROUNDS = 5

Evaluate = Callable[[Tensor, Int64Array], Roc]


def measure(images: int = BILLION_IMAGES) -> dict[str, float]:
    """Seconds and peak memory; the list of pairs is made of 2,000 images and extrapolated.

    Args:
        images: of the largest table, which is evaluated once.
    """
    sizes = {"streamed": IMAGES, "listed": LISTED_IMAGES}
    rounds = [
        {way: _in_its_own_process(way, size) for way, size in sizes.items()} for _ in range(ROUNDS)
    ]
    streamed, listed = (
        {name: statistics.median(each[way][name] for each in rounds) for name in rounds[0][way]}
        for way in sizes
    )
    more_pairs = streamed["pairs"] / listed["pairs"]
    largest = _in_its_own_process("streamed", images)
    return {
        "pairs": streamed["pairs"],
        "streamed_s": streamed["seconds"],
        "streamed_cpu_s": streamed["cpu_seconds"],
        "streamed_s_per_100_million": _per_100_million(streamed, "seconds"),
        "streamed_peak_mb": streamed["peak_mb"],
        "streamed_peak_mb_over_the_embeddings": streamed["peak_mb"] - streamed["before_mb"],
        "listed_extrapolated_s": listed["seconds"] * more_pairs,
        "listed_extrapolated_peak_mb": (listed["peak_mb"] - listed["before_mb"]) * more_pairs,
        "ratio": listed["seconds"] * more_pairs / streamed["seconds"],
        "largest_pairs": largest["pairs"],
        "largest_s_per_100_million": _per_100_million(largest, "seconds"),
        "largest_cpu_s_per_100_million": _per_100_million(largest, "cpu_seconds"),
        "largest_peak_mb": largest["peak_mb"],
        "largest_peak_mb_over_the_embeddings": largest["peak_mb"] - largest["before_mb"],
    }


def _per_100_million(found: dict[str, float], seconds: str) -> float:
    return found[seconds] / found["pairs"] * 1e8


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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=BILLION_IMAGES, help="of the largest table")
    figures = measure(parser.parse_args().images)
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}, indent=2))


if __name__ == "__main__":
    main()
