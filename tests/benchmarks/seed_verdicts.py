"""How often is one of two equal systems called better? A simulation with several seeds a system.

Both systems are equally good on people at large. On the people of one test split one of them fits
better by chance (the spread over people), and each training comes out a little better or worse (the
spread over seeds); both spreads are those measured on real faces, about 0.0053 and 0.00085 of the
accuracy's difference. A verdict is false whichever system it names. The verdict over people and
seeds together (`facesim.evaluation.seed_differences`) stands beside that of an interval over the
paired seeds alone, which takes the people for given.

    python tests/benchmarks/seed_verdicts.py [--repeats 400]

Seen with 200 repeats, paired and not:

    seeds    people and seeds    seeds alone
        1         0.0%              0.0%
        2    1.0 -  2.0%          39.5%
        3    4.0 -  4.5%          77.5%
        5         2.5%             88.0%
       10         5.0%             91.0%

Exits with 1 if the verdicts over both are false in more than 5% of the repeats, beyond what so many
repeats can tell.
"""

import argparse
import math
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import numpy.typing as npt

from facesim.discovery import load_installed_plugins
from facesim.evaluation.differences import ScoredRun
from facesim.evaluation.intervals import student_t_quantile
from facesim.evaluation.seed_differences import differences_over_seeds
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.interfaces.scores import LabelledScores

load_installed_plugins()
METRICS = {"accuracy": built_metrics(standard_metrics())["accuracy"]}
SEEDS = (1, 2, 3, 5, 10)
PEOPLE, PAIRS = 40, 3000
SEPARATION, EASE = 2.5, 0.5
OF_PEOPLE, OF_TRAINING = 0.127, 0.003
"""Standard deviations of a system's own effect on a person, and of a training's on separation."""


def trainings(seeds: int, repeat: int) -> tuple[list[ScoredRun], list[ScoredRun]]:
    """Runs of two systems with the same seeds, on the same pairs of new people."""
    random = np.random.default_rng(repeat)
    half = PAIRS // 2
    shown, first = random.integers(PEOPLE, size=half), random.integers(PEOPLE, size=half)
    second = (first + random.integers(1, PEOPLE, size=half)) % PEOPLE
    sides = np.append(shown, first), np.append(shown, second)
    same = np.arange(PAIRS) < half
    noise = random.normal(size=PAIRS) + np.where(
        same, SEPARATION / 2 + EASE * random.normal(size=PEOPLE)[sides[0]], -SEPARATION / 2
    )

    def system() -> list[ScoredRun]:
        own = OF_PEOPLE * random.normal(size=PEOPLE)[sides[0]] * np.where(same, 1, -1)
        runs = []
        for _ in range(seeds):
            training = OF_TRAINING * random.normal() * np.where(same, 1, -1)
            scores = noise + own + training
            runs.append(ScoredRun(LabelledScores.of(scores, same, *sides), 0.0))
        return runs

    return system(), system()


def verdicts(seeds: int, paired: bool, repeat: int) -> tuple[float, bool, bool]:
    """The first seed's difference, and whether either interval names a better system."""
    first, second = trainings(seeds, repeat)
    found = differences_over_seeds(first, second, METRICS, paired=paired, seed=repeat)["accuracy"]
    differences = np.subtract(found.second, found.first).tolist()
    over_seeds = False
    if seeds > 1:
        error = statistics.stdev(differences) / math.sqrt(seeds)
        over_seeds = abs(statistics.fmean(differences)) > (
            student_t_quantile(0.975, seeds - 1) * error
        )
    return differences[0], found.better is not None, over_seeds


def spreads(repeats: int) -> tuple[float, float]:
    """Standard deviations of the difference over people and over seeds, as simulated."""
    means, within = [], []
    for repeat in range(repeats):
        first, second = trainings(5, repeat)
        metric = METRICS["accuracy"]
        differences = [
            two.value(metric, two.scored.roc()) - one.value(metric, one.scored.roc())
            for one, two in zip(first, second, strict=True)
        ]
        means.append(statistics.fmean(differences))
        within.append(statistics.variance(differences))
    of_seeds = statistics.fmean(within)
    return math.sqrt(max(statistics.variance(means) - of_seeds / 5, 0)), math.sqrt(of_seeds)


def main() -> int:
    """Print the share of false verdicts for each number of seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=400)
    repeats = parser.parse_args().repeats
    of_people, of_seeds = spreads(min(repeats, 200))
    print(f"spread of the difference over people {of_people:.5f}, over seeds {of_seeds:.5f}")
    print(f"{'seeds':>6s}{'paired':>8s}{'people and seeds':>18s}{'seeds alone':>13s}")
    most = 0.05 + 3 * math.sqrt(0.05 * 0.95 / repeats)
    sound = True
    with ProcessPoolExecutor() as pool:
        for seeds in SEEDS:
            for paired in (True, False):
                one = partial(verdicts, seeds, paired)
                found: npt.NDArray[np.float64] = np.array(
                    list(pool.map(one, range(repeats), chunksize=20))
                )
                of_both, alone = found[:, 1:].mean(axis=0)
                print(f"{seeds:6d}{paired!s:>8s}{of_both:18.1%}{alone:13.1%}", flush=True)
                sound &= bool(of_both <= most)
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
