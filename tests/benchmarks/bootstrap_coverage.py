"""How often do the intervals hold the truth? A simulation with few, unequal people.

Every person has an ease of being recognised (added to the scores of their genuine pairs) and a
commonness (added to the scores of impostor pairs with them), both normal, and far more photographs
of some people are in the pairs than of others; a goat is a person who is hard to recognise. So the
truth of every metric is known in closed form. Each repeat draws new people and new pairs, and asks
for 95% intervals; of the procedure, too, with a threshold from val; and of the difference of two
systems on the same pairs.

    python tests/benchmarks/bootstrap_coverage.py [--repeats 300]

``covers`` is the share of repeats whose interval holds the truth, and ``width`` that interval's
mean width in units of what would have sufficed, 3.92 standard deviations of the metric over the
repeats: above 1 is conservative, and the quantile of Student's t alone makes it 1.16 for eight
people. Exits with 1 if intervals cover less than 93% of the repeats, beyond what so many repeats
can tell, in a scenario that is not marked as beyond them.

Seen with 200 repeats of the bootstrap over identities that the jackknife replaced, and 150 of the
jackknife, from the least to the most over the metrics: covers, width (without TAR at FAR, whose
deviation vanishes where there are few errors), and how many repeats have an interval:

    20 unequal people
        bootstrap   99.0 - 100.0%, 1.48 - 1.68, 100%
        jackknife   94.0 -  97.3%, 1.11 - 1.25, 100%
    20 unequal people, few errors
        bootstrap   98.5 - 100.0%, 1.71 - 2.51, 100%
        jackknife   96.0 -  98.7%, 1.30 - 1.59, 100%
    40 unequal people, 3,000 pairs
        bootstrap   94.5 -  97.0%, 1.13 - 1.17, 100%
        jackknife   94.0 -  96.7%, 1.10 - 1.16, 100%
    40 unequal people who are all alike
        bootstrap   98.0 - 100.0%, 1.26 - 2.19, 100%
        jackknife  100.0 - 100.0%, 1.43 - 1.72, 100%
    8 unequal people
        bootstrap   98.2 - 100.0%, 1.56 - 1.94,  28%
        jackknife   94.3 -  98.4%, 1.04 - 1.20,  82%
    10 unequal people
        bootstrap   99.1 - 100.0%, 1.38 - 1.72,  55%
        jackknife   91.5 -  97.9%, 0.99 - 1.16,  94%
    12 unequal people
        bootstrap   99.3 - 100.0%, 1.68 - 2.10,  70%
        jackknife   95.2 - 100.0%, 1.14 - 1.36,  98%
    15 unequal people, errors of 2%
        bootstrap   99.5 - 100.0%, 1.76 - 2.30,  93%
        jackknife   96.0 -  98.0%, 1.32 - 1.51, 100%
    12 unequal people, errors of 1%
        bootstrap   99.3 - 100.0%, 2.35 - 4.90,  74%
        jackknife   98.6 - 100.0%, 2.21 - 3.23,  97%
    20 people as different as pairs are
        bootstrap   98.5 -  99.5%, 1.19 - 1.49, 100%
        jackknife   92.0 -  97.3%, 1.00 - 1.15, 100%
    100 people, few pairs of each
        bootstrap   96.0 -  99.5%, 1.08 - 1.46, 100%
        jackknife   92.0 -  98.0%, 1.02 - 1.34, 100%
    10 people, one in ten a goat
        bootstrap   99.1 - 100.0%, 1.22 - 2.20,  55%
        jackknife   91.5 -  98.6%, 0.92 - 1.32,  94%
    20 people, one in ten a goat
        bootstrap   93.0 - 100.0%, 1.14 - 1.75, 100%
        jackknife   93.3 -  99.3%, 1.11 - 1.29, 100%
    40 people, one in ten a goat
        bootstrap   88.5 -  98.5%, 0.97 - 1.30, 100%
        jackknife   90.7 -  96.7%, 0.93 - 1.21, 100%
    40 people, a few of whom make all errors
        bootstrap   83.0 -  98.5%, 0.98 - 1.75, 100%
        jackknife   87.3 -  99.3%, 1.08 - 1.60, 100%

What they cannot do: where one error in a hundred is made by two or three people, other people may
well make more, and nothing in the pairs tells so.

Of the procedure, TAR and FMR: with the threshold held fixed 84 to 94%, with val drawn again 96 to
99%. Of the difference of two equal systems 97 to 100%; where the second separates better by 0.15,
the ROC AUC shows it in 26% of the repeats and the accuracy in 13% (the bootstrap: 2% and 1%).
"""

import argparse
import math
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from facesim.discovery import load_installed_plugins
from facesim.evaluation.calibration import points_with_spread
from facesim.evaluation.differences import ScoredRun, paired_differences
from facesim.evaluation.evaluate import Thresholds, evaluate_scores
from facesim.evaluation.identity_jackknife import IdentityJackknife
from facesim.evaluation.pooling import MetricQuery, measure_metrics
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.interfaces.roc_block import PairWeights
from facesim.interfaces.scores import LabelledScores

load_installed_plugins()
METRICS = built_metrics(standard_metrics())
NORMAL = NormalDist()
ENOUGH = 0.93
"""Coverage that is enough; less two standard errors of so many repeats."""


@dataclass(frozen=True)
class Scenario:
    """A world to draw people and pairs from.

    Attributes:
        name: what is special about it.
        people: how many are drawn.
        pairs: half of them genuine.
        separation: mean genuine score minus mean impostor score; a pair's own noise has variance 1.
        ease: standard deviation of a person's effect on their genuine pairs.
        commonness: standard deviation of a person's effect on impostor pairs with them.
        goats: the chance of a person to be hard to recognise.
        drop: by how much a goat's genuine scores are lower.
        beyond: whether it is known to be more than the intervals can do.
    """

    name: str
    people: int
    pairs: int
    separation: float
    ease: float
    commonness: float
    goats: float = 0.0
    drop: float = 2.0
    beyond: bool = False

    @property
    def threshold(self) -> float:
        """Fixed beforehand, as one that was chosen on other people is."""
        return self.separation / 2

    @property
    def queries(self) -> list[MetricQuery]:
        """The metrics of the table."""
        at = [(METRICS[name], self.threshold) for name in ("accuracy", "tar", "fmr")]
        return [*at, *((METRICS[name], None) for name in ("roc_auc", "eer", "tar_at_far_1e-1"))]

    def tar(self, threshold: float) -> float:
        """Over all people that could be drawn."""
        spread = math.hypot(self.ease, 1)
        usual = 1 - NORMAL.cdf((threshold - self.separation) / spread)
        of_goats = 1 - NORMAL.cdf((threshold - self.separation + self.drop) / spread)
        return (1 - self.goats) * usual + self.goats * of_goats

    def fmr(self, threshold: float) -> float:
        """Over all people that could be drawn."""
        return 1 - NORMAL.cdf(threshold / math.hypot(self.commonness, self.commonness, 1))

    @property
    def truth(self) -> list[float]:
        """Each metric over all people that could be drawn."""
        tar, fmr = self.tar(self.threshold), self.fmr(self.threshold)
        impostor = math.hypot(self.commonness, self.commonness, 1)
        spread = math.hypot(self.ease, 1, impostor)
        area = (1 - self.goats) * NORMAL.cdf(self.separation / spread)
        area += self.goats * NORMAL.cdf((self.separation - self.drop) / spread)
        low, high = -10.0, 10.0
        while high - low > 1e-9:  # where both error rates are equal
            middle = (low + high) / 2
            low, high = (middle, high) if self.fmr(middle) > 1 - self.tar(middle) else (low, middle)
        at_far = NORMAL.inv_cdf(1 - 0.1) * impostor
        return [(tar + 1 - fmr) / 2, tar, fmr, area, self.fmr(low), self.tar(at_far)]


SCENARIOS = (
    Scenario("20 unequal people", 20, 800, 2.5, 0.7, 0.4),
    Scenario("20 unequal people, few errors", 20, 800, 4.0, 0.5, 0.4),
    Scenario("40 unequal people, 3,000 pairs", 40, 3000, 2.5, 0.7, 0.4),
    Scenario("40 unequal people who are all alike", 40, 1500, 2.5, 0.0, 0.0),
    Scenario("8 unequal people", 8, 320, 2.5, 0.7, 0.4),
    Scenario("10 unequal people", 10, 500, 2.5, 0.7, 0.4),
    Scenario("12 unequal people", 12, 480, 2.5, 0.7, 0.4),
    Scenario("15 unequal people, errors of 2%", 15, 1500, 4.1, 0.5, 0.4),
    Scenario("12 unequal people, errors of 1%", 12, 1500, 4.6, 0.3, 0.2),
    Scenario("20 people as different as pairs are", 20, 800, 2.5, 1.0, 0.7),
    Scenario("100 people, few pairs of each", 100, 2000, 2.5, 0.3, 0.2),
    Scenario("10 people, one in ten a goat", 10, 500, 3.0, 0.3, 0.3, goats=0.1, beyond=True),
    Scenario("20 people, one in ten a goat", 20, 800, 3.0, 0.3, 0.3, goats=0.1, beyond=True),
    Scenario("40 people, one in ten a goat", 40, 3000, 3.0, 0.3, 0.3, goats=0.1, beyond=True),
    Scenario("40 people, a few of whom make all errors", 40, 3000, 7.0, 1.2, 0.8, beyond=True),
)


def draw(scenario: Scenario, seed: int, effect: float | None = None) -> list[LabelledScores]:
    """Scored pairs of new people; with an effect, of a second system on the same pairs as well.

    Args:
        scenario: of the people.
        seed: of everything.
        effect: by how much the second system separates better; three quarters of the noise are
            the same for both.
    """
    generator = np.random.default_rng(seed)
    presence = np.minimum(generator.pareto(1.5, scenario.people) + 0.3, 10)
    presence /= presence.sum()

    def pick(number: int) -> npt.NDArray[np.int64]:
        return np.asarray(generator.choice(scenario.people, number, p=presence))

    ease = scenario.ease * generator.normal(size=scenario.people)
    commonness = scenario.commonness * generator.normal(size=scenario.people)
    half = scenario.pairs // 2
    shown = pick(half)
    first, second = pick(20 * half), pick(20 * half)
    differ = np.flatnonzero(first != second)[:half]
    first, second = first[differ], second[differ]
    noise = generator.normal(size=half + len(differ))
    ease -= scenario.drop * (generator.random(scenario.people) < scenario.goats)
    same = np.arange(len(noise)) < half
    people = np.append(ease[shown], commonness[first] + commonness[second])
    sides = np.append(shown, first), np.append(shown, second)
    scores = [noise + people + scenario.separation * same]
    if effect is not None:
        own = math.sqrt(0.75) * noise + 0.5 * generator.normal(size=len(noise))
        scores.append(own + people + (scenario.separation + effect) * same)
    return [LabelledScores.of(each, same, *sides) for each in scores]


def repeat(scenario: Scenario, seed: int) -> npt.NDArray[np.float64]:
    """Value, low and high, float64 [K metrics, 3], of one repeat."""
    (scored,) = draw(scenario, seed)

    def measure(weights: PairWeights) -> npt.NDArray[np.float64]:
        return measure_metrics(scenario.queries, scored.rocs(weights))

    roc = scored.roc()
    values = [metric.value(roc, at or math.nan) for metric, at in scenario.queries]
    spread = IdentityJackknife.of(scored).uncertainties(measure, seed)
    intervals = [
        uncertainty.interval(value, is_rate=metric.is_rate)
        for value, uncertainty, (metric, _) in zip(values, spread, scenario.queries, strict=True)
    ]
    ends = [(at.low, at.high) for at in intervals]
    return np.column_stack([values, np.array(ends, np.float64)])


def enough(covers: npt.NDArray[np.float64], repeats: int) -> bool:
    """Whether every coverage is enough, as far as so many repeats can tell."""
    return bool((covers >= ENOUGH - 2 * math.sqrt(ENOUGH * (1 - ENOUGH) / repeats)).all())


def report(scenario: Scenario, found: npt.NDArray[np.float64]) -> bool:
    """Print a scenario's table from float64 [repeats, K, 3]; whether it covers enough."""
    value, low, high = np.moveaxis(found, -1, 0)
    truth = np.array(scenario.truth)
    # Too few people for an interval: nothing is claimed, and nothing can be wrong.
    claimed = np.isfinite(low)
    covers = np.nansum((low <= truth) & (truth <= high) & claimed, axis=0) / claimed.sum(axis=0)
    width = np.nanmean(high - low, axis=0) / (3.92 * value.std(axis=0))
    beyond = " (known to be beyond the intervals)" if scenario.beyond else ""
    print(f"\n{scenario.name}{beyond}; {claimed[:, 0].mean():.0%} of repeats have an interval")
    for index, (metric, _) in enumerate(scenario.queries):
        cell = f"covers {covers[index]:6.1%}, width {width[index]:5.2f}"
        print(f"{metric.name:18s}{truth[index]:8.3f}  {cell}", flush=True)
    return scenario.beyond or enough(covers, len(found))


PROCEDURES = (
    Scenario("30 people in val, 40 in test", 40, 3000, 2.5, 0.7, 0.4),
    Scenario("20 people in val, 20 in test", 20, 800, 2.5, 0.7, 0.4),
    Scenario("20 people in val, 20 in test, few errors", 20, 800, 4.0, 0.5, 0.4),
)
"""Worlds in which the threshold is chosen on val; val has three quarters of the people of 40."""


def procedure(scenario: Scenario, seed: int) -> npt.NDArray[np.float64]:
    """Of each metric at a threshold that val chose, float64 [K, 6].

    The value, the metric over all people at that threshold, the interval that holds the threshold
    fixed, and that with val drawn again.
    """
    val = replace(scenario, people=min(scenario.people, 30))
    (on_val,), (on_test,) = draw(val, seed + 1_000_000), draw(scenario, seed)
    points = points_with_spread(on_val)
    names = ("accuracy", "tar", "fmr")
    metrics = {name: METRICS[name] for name in names}
    thresholds = Thresholds(points, "val")
    found = evaluate_scores(on_test, metrics, thresholds=thresholds, seed=seed, resamples=1000)
    at = found.threshold or 0.0
    tar, fmr = scenario.tar(at), scenario.fmr(at)
    of_all = dict(zip(names, ((tar + 1 - fmr) / 2, tar, fmr), strict=True))
    rows = []
    for name in names:
        measured = found.metrics[name]
        again = measured.procedure
        ends = (again.low, again.high) if again else (None, None)
        rows.append((measured.value, of_all[name], measured.low, measured.high, *ends))
    return np.array(rows, np.float64)


def report_procedure(scenario: Scenario, found: npt.NDArray[np.float64]) -> bool:
    """Print the table of a procedure from float64 [repeats, K, 6]."""
    print(f"\n{scenario.name}; the threshold of best accuracy on val")
    value, of_all, *ends = np.moveaxis(found, -1, 0)
    truth = of_all.mean(axis=0)
    sound = True
    for index, name in enumerate(("accuracy", "tar", "fmr")):
        cells = []
        for low, high in (ends[:2], ends[2:]):
            claimed = np.isfinite(low[:, index])
            inside = (low[:, index] <= truth[index]) & (truth[index] <= high[:, index])
            covers = inside[claimed].mean()
            width = np.nanmean(high[:, index] - low[:, index]) / (3.92 * value[:, index].std())
            cells.append(f"covers {covers:6.1%}, width {width:4.2f}")
        sound &= enough(np.array([covers]), len(found))
        print(f"{name:18s}{truth[index]:8.3f}  fixed: {cells[0]}  val drawn again: {cells[1]}")
    return sound


EFFECTS = (0.0, 0.15)
"""By how much the second of two systems separates better."""


def claim(effect: float, seed: int) -> list[tuple[float, bool, bool]]:
    """Of each metric: the difference, whether its interval holds the truth, and whether not 0."""
    scenario = Scenario("", 20, 800, 2.5, 0.7, 0.4)
    better = replace(scenario, separation=scenario.separation + effect)
    scored = draw(scenario, seed, effect)
    metrics = {metric.name: metric for metric, _ in scenario.queries}
    found = paired_differences(
        ScoredRun(scored[0], scenario.threshold),
        ScoredRun(scored[1], better.threshold),
        metrics,
        seed=seed,
    )
    truth = np.subtract(better.truth, scenario.truth)
    return [
        (
            each.difference or 0.0,
            (each.low or 0.0) <= true <= (each.high or 0.0),
            each.better is not None,
        )
        for each, true in zip(found, truth, strict=True)
    ]


def report_pairs(effect: float, found: npt.NDArray[np.float64]) -> bool:
    """Print the table of paired comparisons from float64 [repeats, K, 3]."""
    difference, covers, claims = np.moveaxis(found, -1, 0)
    print(f"\nTwo systems on the same pairs of 20 people, separations differ by {effect}")
    scenario = SCENARIOS[0]
    for index, (metric, _) in enumerate(scenario.queries):
        print(
            f"{metric.name:18s} difference {difference[:, index].mean():+.4f}, covers "
            f"{covers[:, index].mean():6.1%}, shown in {claims[:, index].mean():6.1%}"
        )
    return enough(covers.mean(axis=0), len(found))


def main() -> int:
    """Run every scenario."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=300)
    arguments = parser.parse_args()
    sound = True
    with ProcessPoolExecutor() as pool:
        for scenario in SCENARIOS:
            one = partial(repeat, scenario)
            found = np.array(list(pool.map(one, range(arguments.repeats), chunksize=5)))
            sound &= report(scenario, found)
        for scenario in PROCEDURES:
            of_procedure = partial(procedure, scenario)
            found = np.array(list(pool.map(of_procedure, range(arguments.repeats), chunksize=5)))
            sound &= report_procedure(scenario, found)
        for effect in EFFECTS:
            of_effect = partial(claim, effect)
            claims = np.array(list(pool.map(of_effect, range(arguments.repeats), chunksize=5)))
            sound &= report_pairs(effect, claims)
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
