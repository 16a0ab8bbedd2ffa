"""Drawing an epoch of pairs, against one scan of the table for each pair.

Run: ``python tests/benchmarks/pair_drawing.py``. Takes the identities of CelebA from
``FACESIM_CELEBA``, or as many drawn ones; and ten million images.
"""

import json
import multiprocessing
import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from facesim.arrays import Int64Array
from facesim_plugins.samplers.random_pairs import RandomPairs

SCANNED_PAIRS = 100
ROUNDS = 3


def measure() -> dict[str, float]:
    """Seconds an epoch of one pair an image; the scan is timed on 100 pairs and extrapolated."""
    figures: dict[str, float] = {}
    for name in TABLES:
        # a process of its own for each: the peak of one must not hide that of another
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            measured = process.submit(_measure_table, name).result()
        figures |= {f"{name}_{figure}": value for figure, value in measured.items()}
    return figures


def _celeba() -> Int64Array:
    folder = os.environ.get("FACESIM_CELEBA")
    if not folder:
        return np.random.default_rng(0).integers(10_177, size=202_599)
    lines = (Path(folder) / "identity_CelebA.txt").read_text().splitlines()
    labels = [line.split()[1] for line in lines if line.split()[0].endswith(".jpg")]
    return np.unique(labels, return_inverse=True)[1]


def _ten_million() -> Int64Array:
    return np.random.default_rng(0).integers(500_000, size=10_000_000)


TABLES = {"celeba": _celeba, "ten_million": _ten_million}


def _measure_table(name: str) -> dict[str, float]:
    identities = TABLES[name]()
    before = _peak_mb()
    draws, epochs = zip(*(_draw_and_iterate(identities) for _ in range(ROUNDS)), strict=True)
    peak = _peak_mb()
    scan = _seconds_of_scans(identities) / SCANNED_PAIRS * len(identities)
    return {
        "images": len(identities),
        "draw_s": median(draws),
        "draw_and_make_batches_s": median(epochs),
        "table_scans_extrapolated_s": scan,
        "draw_ratio": scan / median(draws),
        "peak_mb": peak,
        "peak_mb_over_the_table": peak - before,
    }


def _draw_and_iterate(identities: Int64Array) -> tuple[float, float]:
    """Seconds until the first batch, when all pairs are drawn, and until the last one."""
    begin = time.perf_counter()
    sampler = RandomPairs(identities, 648, 0, pairs_per_image=1.0, same_fraction=0.5)
    batches = sampler.batches(0)
    next(batches)
    drawn = time.perf_counter()
    for _ in batches:
        pass
    return drawn - begin, time.perf_counter() - begin


def _seconds_of_scans(identities: Int64Array) -> float:
    """The obvious way: for each pair a random row, then a random row of those that fit to it."""
    table = pd.DataFrame({"ids": identities})
    generator = np.random.default_rng(0)
    begin = time.perf_counter()
    for pair in range(SCANNED_PAIRS):
        row = generator.integers(len(table))
        same = table.ids == table.ids[row]
        fitting = table[same if pair % 2 else ~same]
        fitting.sample(1, random_state=generator)
    return time.perf_counter() - begin


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the figures as JSON."""
    print(json.dumps({name: round(value, 3) for name, value in measure().items()}, indent=2))


if __name__ == "__main__":
    main()
