"""Differences of metrics between two systems that were each trained with several seeds."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import FiniteFloat

from facesim.arrays import FloatArray
from facesim.errors import FacesimError
from facesim.evaluation.differences import MetricDifference, ScoredRun
from facesim.evaluation.identity_jackknife import INTERVAL_NAME, IdentityJackknife
from facesim.evaluation.intervals import level_of_each, name_together, student_t_quantile
from facesim.evaluation.uncertainty import Uncertainty
from facesim.interfaces.metric import Metric, Quantity
from facesim.interfaces.roc_block import PairWeights
from facesim.interfaces.scores import LabelledScores

SEEDS_INTERVAL = "identities_and_seeds_95"
"""The name of an interval over people and trainings together."""

ONE_SEED = "one seed says nothing of how much other seeds would differ, so there is no verdict"


class SeedDifference(MetricDifference):
    """By how much the second system's mean over its seeds exceeds the first's.

    Attributes:
        first: the metric with each of the first system's seeds.
        second: with each of the second's; in the same order where they are paired.
        paired: whether the two were compared seed by seed.
        identities_error: standard error over people; None where it is not known.
        seeds_error: standard error over seeds; None of one seed.
    """

    first: tuple[FiniteFloat, ...] = ()
    second: tuple[FiniteFloat, ...] = ()
    paired: bool = False
    identities_error: FiniteFloat | None = None
    seeds_error: FiniteFloat | None = None


@dataclass(frozen=True)
class SeedVariance:
    """The variance of a mean over seeds, from one of the sides or from paired differences.

    Attributes:
        variance: of the mean; ``nan`` of one seed.
        degrees: seeds less one.
    """

    variance: float
    degrees: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "SeedVariance":
        """Of the values with each seed."""
        if len(values) < 2:
            return cls(math.nan, 0)
        return cls(statistics.variance(values) / len(values), len(values) - 1)


def differences_over_seeds(
    first: Sequence[ScoredRun],
    second: Sequence[ScoredRun],
    metrics: Mapping[str, Metric],
    *,
    paired: bool,
    seed: int,
    comparisons: int = 1,
) -> dict[str, SeedDifference]:
    """The difference of the means over seeds, with an interval over people and seeds together.

    Other people would give other values, and so would other seeds of the same training; a system
    is better only if neither explains the difference. The variance over people is that of the
    difference of means, by the jackknife of the same identities in all runs at once; that over
    seeds is of the paired differences, or else of either side. Each has its own few degrees of
    freedom and so its own quantile of Student's t, and the squares are added, which covers at
    least as often as stated whatever the true variances are: Banerjee, "Approximate confidence
    interval for linear functions of means of k populations when the population variances are not
    equal", 1960. What people and seeds share is in both, which errs on the same side.

    Args:
        first: runs of a system, one or more; one number is one identity in all runs.
        second: runs of another system.
        metrics: those to compare, by name.
        paired: whether run i of both has the same seed.
        seed: of random groups of pairs.
        comparisons: for which the intervals of a metric hold together.

    Raises:
        FacesimError: a side has no run, or runs cannot be paired.
    """
    if not first or not second or (paired and len(first) != len(second)):
        raise FacesimError(
            f"{len(first)} and {len(second)} runs cannot be compared"
            + (" seed by seed" if paired else "")
        )
    runs = [*first, *second]
    reasons = {
        name: next(filter(None, (run.undefined_reason(metric) for run in runs)), None)
        for name, metric in metrics.items()
    }
    measured = [metrics[name] for name, reason in reasons.items() if reason is None]
    lists = _PairLists.of([run.scored for run in runs])

    def difference_of_means(weights: PairWeights) -> FloatArray:
        values = np.stack(
            [
                run.values(measured, weights.of_pairs(pairs))
                for run, pairs in zip(runs, lists.slices, strict=True)
            ]
        )
        found: FloatArray = values[len(first) :].mean(axis=0) - values[: len(first)].mean(axis=0)
        return found

    spread = (
        lists.jackknife.uncertainties(difference_of_means, seed, of_differences=True)
        if measured
        else []
    )
    of_runs = [[run.value(metric, run.scored.roc()) for run in runs] for metric in measured]
    found = iter(zip(of_runs, spread, strict=True))
    differences = {}
    for name, metric in metrics.items():
        if reasons[name] is not None:
            differences[name] = SeedDifference(
                metric=name, difference=None, reason=reasons[name], paired=paired
            )
            continue
        each, uncertainty = next(found)
        sides = each[: len(first)], each[len(first) :]
        differences[name] = judged(
            metric, *sides, paired=paired, people=uncertainty, comparisons=comparisons
        )
    return differences


def judged(
    metric: Quantity,
    first: Sequence[float],
    second: Sequence[float],
    *,
    paired: bool,
    people: Uncertainty | None,
    comparisons: int = 1,
) -> SeedDifference:
    """A difference of means over seeds with its interval and verdict.

    Args:
        metric: with its direction.
        first: its values with each seed of the first system.
        second: of the second.
        paired: whether value i of both is with the same seed.
        people: of the difference over identities; None if it is not known, and nothing is shown.
        comparisons: for which the intervals of a metric hold together.
    """
    difference = statistics.fmean(second) - statistics.fmean(first)
    over_seeds = (
        [SeedVariance.of(np.subtract(second, first).tolist())]
        if paired
        else [SeedVariance.of(first), SeedVariance.of(second)]
    )
    several = all(each.degrees for each in over_seeds)
    found = SeedDifference(
        metric=metric.name,
        difference=difference,
        first=tuple(first),
        second=tuple(second),
        paired=paired,
        identities_error=math.sqrt(people.variance) if people is not None else None,
        seeds_error=math.sqrt(sum(each.variance for each in over_seeds)) if several else None,
    )
    reason = "the scores of single pairs are not known" if people is None else people.reason
    if reason is not None or people is None:
        return found.model_copy(update={"reason": reason})

    level = level_of_each(comparisons)

    def reach(degrees: float, variance: float) -> float:
        return student_t_quantile(0.5 + level / 2, degrees) * math.sqrt(variance)

    reaches = [reach(people.degrees, people.variance)]
    if several:
        reaches += [reach(each.degrees, each.variance) for each in over_seeds]
    low, high = difference - math.hypot(*reaches), difference + math.hypot(*reaches)
    return found.model_copy(
        update={
            "low": low,
            "high": high,
            "interval": name_together(SEEDS_INTERVAL if several else INTERVAL_NAME, comparisons),
            "better": metric.better_side(low, high) if several else None,
            "reason": None if several else ONE_SEED,
        }
    )


@dataclass(frozen=True, eq=False)
class _PairLists:
    """The distinct lists of pairs that runs scored, one after the other.

    Most often there is one. Each pair stands once, however many runs scored it, so that it is left
    out of all of them together.

    Attributes:
        jackknife: over the identities of all lists.
        slices: where each run's list is.
    """

    jackknife: IdentityJackknife
    slices: tuple[slice, ...]

    @classmethod
    def of(cls, runs: Sequence[LabelledScores]) -> "_PairLists":
        distinct: list[LabelledScores] = []
        numbers = []
        for run in runs:
            known = (at for at, each in enumerate(distinct) if each.has_same_comparisons_as(run))
            number = next(known, len(distinct))
            numbers.append(number)
            if number == len(distinct):
                distinct.append(run)
        ends = np.cumsum([0, *(len(each) for each in distinct)])
        together = LabelledScores(
            *(
                np.concatenate([getattr(each, column) for each in distinct])
                for column in ("scores", "same", "first", "second")
            )
        )
        slices = tuple(slice(int(ends[at]), int(ends[at + 1])) for at in numbers)
        return cls(IdentityJackknife.of(together), slices)
