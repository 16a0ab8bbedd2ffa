"""Differences of two groups of runs: of one run each, or over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from facesim.errors import FacesimError
from facesim.evaluation.differences import (
    MetricDifference,
    ScoredRun,
    independent_difference,
    paired_differences,
)
from facesim.evaluation.seed_differences import SeedDifference, differences_over_seeds, judged
from facesim.interfaces.metric import Metric
from facesim.interfaces.result import EvaluationResult
from facesim.interfaces.scores import LabelledScores
from facesim.runs.presentation import NOT_IMPORTED, DescribedMetric
from facesim.runs.run_files import RunFiles
from facesim.runs.scored_pairs import NamedPairs, shared_pairs

_ENOUGH_SHARED = 0.5
"""Runs are compared on the pairs that they share if these are such a share of the genuine and of
the impostor pairs of the run that has fewer: a few pairs show less than all, as independent."""


@dataclass(frozen=True)
class Compared:
    """What a group and the reference differ by.

    Attributes:
        differences: group minus reference, by metric.
        why_unpaired: why the differences are not paired, if they are not.
        shared_pairs: of how many pairs the differences are, where the runs share a part only.
    """

    differences: dict[str, MetricDifference]
    why_unpaired: str | None = None
    shared_pairs: int | None = None


def result_of(files: RunFiles) -> EvaluationResult:
    """The evaluation of a run; raises a FacesimError if there is none."""
    if files.result is None:
        raise FacesimError(
            f"{files.path} has no evaluation {files.name!r}; `facesim eval` makes one"
        )
    return files.result


def compare_two(
    first: Sequence[RunFiles],
    second: Sequence[RunFiles],
    metrics: Mapping[str, Metric],
    comparisons: int = 1,
) -> Compared:
    """Compare a run with the reference; the networks are held fixed, people are not.

    Args:
        first: the reference, one run.
        second: one other run.
        metrics: those to compare, by name.
        comparisons: with the reference, for which the intervals hold together.
    """
    (before,), (after,) = first, second
    try:
        return _paired(before, after, metrics, comparisons)
    except FacesimError as error:
        differences = {
            name: _independent(metric, before, after, comparisons)
            for name, metric in metrics.items()
        }
        return Compared(differences, str(error))


def _independent(
    metric: Metric, first: RunFiles, second: RunFiles, comparisons: int
) -> MetricDifference:
    results = result_of(first), result_of(second)
    before, after = (each.metrics[metric.name] for each in results)
    degrees = max(min(each.identities for each in results) - 1, 1)
    return independent_difference(metric, before, after, comparisons=comparisons, degrees=degrees)


def _paired(
    first: RunFiles, second: RunFiles, metrics: Mapping[str, Metric], comparisons: int
) -> Compared:
    """The differences, and of how many pairs they are if not of all.

    Raises a FacesimError that says why the runs cannot be paired.
    """
    before, after = scored_pairs_of(first), scored_pairs_of(second)
    shared = None
    if not before.same_pairs_as(after):
        every = max(len(before), len(after))
        before, after = _shared(before, after)
        shared = len(before) if len(before) < every else None
    identities = first.identities(before)
    found = paired_differences(
        ScoredRun(before.labelled(identities), result_of(first).threshold),
        ScoredRun(after.labelled(identities), result_of(second).threshold),
        _measurable(metrics),
        seed=result_of(first).seed,
        comparisons=comparisons,
    )
    differences = {each.metric: each for each in found} | {
        name: _independent(metric, first, second, comparisons)
        for name, metric in metrics.items()
        if isinstance(metric, DescribedMetric)
    }
    return Compared(differences, None, shared)


def _measurable(metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    return {n: each for n, each in metrics.items() if not isinstance(each, DescribedMetric)}


def _shared(before: NamedPairs, after: NamedPairs) -> tuple[NamedPairs, NamedPairs]:
    """The pairs of both, which must be enough to stand for those of either run."""
    shared = shared_pairs(before, after)
    for same, kind in ((True, "genuine"), (False, "impostor")):
        in_both, *in_each = (int((each.same == same).sum()) for each in (shared[0], before, after))
        if in_both < _ENOUGH_SHARED * min(in_each) or not in_both:
            raise FacesimError(
                f"it was evaluated on other pairs: the two runs share {in_both:,} of their "
                f"{in_each[0]:,} and {in_each[1]:,} {kind} pairs"
            )
    return shared


def scored_pairs_of(files: RunFiles) -> NamedPairs:
    """The scores of single pairs; raises a FacesimError if they were not kept."""
    if files.pairs is None:
        raise FacesimError(f"the scores of single pairs of {files.title} were not kept")
    return files.pairs


def compare_over_seeds(
    first: Sequence[RunFiles],
    second: Sequence[RunFiles],
    metrics: Mapping[str, Metric],
    comparisons: int = 1,
    *,
    strict: bool = False,
) -> Compared:
    """Compare two groups over people and seeds together, by seed if both have the same seeds.

    Args:
        first: the runs of the reference.
        second: the runs of the other group.
        metrics: those to compare, by name.
        comparisons: with the reference, for which the intervals hold together.
        strict: whether scores that were not kept are an error, and not a missing interval.

    Raises:
        FacesimError: the scores of a run's single pairs were not kept, if ``strict``.
    """
    seeds = [[files.experiment.seed for files in side] for side in (first, second)]
    paired = seeds[0] == seeds[1] and len(set(seeds[0])) == len(seeds[0])
    measurable = _measurable(metrics)
    try:
        scored = _scored_runs([*first, *second])
    except FacesimError as error:
        if strict:
            raise
        return Compared(
            {name: _of_values(each, first, second, paired) for name, each in metrics.items()},
            str(error),
        )
    differences: dict[str, MetricDifference] = dict(
        differences_over_seeds(
            scored[: len(first)],
            scored[len(first) :],
            measurable,
            paired=paired,
            seed=result_of(first[0]).seed,
            comparisons=comparisons,
        )
    )
    differences |= {
        name: SeedDifference(metric=name, difference=None, reason=NOT_IMPORTED)
        for name in metrics
        if name not in measurable
    }
    return Compared(differences)


def _of_values(
    metric: Metric, first: Sequence[RunFiles], second: Sequence[RunFiles], paired: bool
) -> SeedDifference:
    """The difference of means alone, without an interval."""
    sides = [
        [value for it in side if (value := result_of(it).metrics[metric.name].value) is not None]
        for side in (first, second)
    ]
    if [len(side) for side in sides] != [len(first), len(second)]:
        reason = "a run has no value"
        return SeedDifference(metric=metric.name, difference=None, reason=reason)
    return judged(metric, *sides, paired=paired, people=None)


def _scored_runs(read: Sequence[RunFiles]) -> list[ScoredRun]:
    """The scores of each run, with one number for one identity in all of them."""
    numbers: dict[str, int] = {}
    scored = []
    for files in read:
        pairs = scored_pairs_of(files)
        identities = files.identities(pairs)
        # Where a list of pairs contradicts the table, identities beyond the table's stand in it.
        beyond = range(len(identities.labels), int(identities.codes.max(initial=-1)) + 1)
        names = [*identities.labels, *(f"\0{number}" for number in beyond)]
        own = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
        labelled = LabelledScores.of(pairs.scores, pairs.same, *own[identities.codes].T)
        labelled = replace(labelled, network=pairs.network)
        scored.append(ScoredRun(labelled, result_of(files).threshold))
    return scored
