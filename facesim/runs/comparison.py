"""Comparison of runs with the first of them: differences of experiments and of metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facesim.errors import FacesimError
from facesim.evaluation.differences import (
    MetricDifference,
    ScoredRun,
    independent_difference,
    paired_differences,
)
from facesim.experiment.differences import differing_values
from facesim.interfaces.metric import Metric
from facesim.interfaces.result import EvaluationResult
from facesim.runs.evaluation_plan import OWN
from facesim.runs.presentation import DescribedMetric
from facesim.runs.run import Run
from facesim.runs.run_files import RunFiles
from facesim.runs.scored_pairs import NamedPairs, shared_pairs

_ENOUGH_SHARED = 0.5
"""Runs are compared on the pairs that they share if these are such a share of the genuine and of
the impostor pairs of the run that has fewer: a few pairs show less than all, as independent."""


@dataclass(frozen=True)
class ComparedRun:
    """One of the runs.

    Attributes:
        label: what it is called on the page.
        files: the run directory, read.
        result: its evaluation.
        differences: to the first run, by metric; empty for the first run itself.
        why_unpaired: why the differences are not paired, if they are not.
        shared_pairs: of how many pairs the differences are, where the runs share a part only.
    """

    label: str
    files: RunFiles
    result: EvaluationResult
    differences: dict[str, MetricDifference]
    why_unpaired: str | None = None
    shared_pairs: int | None = None


@dataclass(frozen=True)
class Comparison:
    """Two runs or more.

    Attributes:
        name: of the evaluation.
        runs: the first is what the others are compared with.
        metrics: those that every run measured, by name.
        configuration: each key of the experiments that differs, with one value per run; None
            where a run's experiment has no such key.
    """

    name: str
    runs: tuple[ComparedRun, ...]
    metrics: dict[str, Metric]
    configuration: dict[str, tuple[str | None, ...]]


def compare_runs(runs: Sequence[Run], *, name: str = OWN) -> Comparison:
    """Compare runs with the first of them.

    Runs on the same pairs are compared on the same resamples of the identities; runs on other pairs
    on those that they share, if that is at least half of the genuine and of the impostor pairs of
    the run that has fewer; all others as if independent, which shows fewer differences. So is a
    metric whose plugin file is not imported.

    Args:
        runs: two or more.
        name: of the evaluation.

    Raises:
        FacesimError: fewer than two runs, or one that has no such evaluation or does not load.
    """
    if len(runs) < 2:
        raise FacesimError("a comparison needs two run directories or more")
    read = [run.read(name) for run in runs]
    results = [result_of(files) for files in read]
    labels = _labels(read)
    metrics = {
        name: metric
        for name, metric in read[0].metrics.items()
        if all(name in result.metrics for result in results)
    }
    compared = [ComparedRun(labels[0], read[0], results[0], {})]
    for label, files, result in zip(labels[1:], read[1:], results[1:], strict=True):
        why_unpaired = shared = None
        try:
            differences, shared = _paired(read[0], files, metrics)
        except FacesimError as error:
            why_unpaired = str(error)
            differences = {
                name: _independent(metric, read[0], files) for name, metric in metrics.items()
            }
        compared.append(ComparedRun(label, files, result, differences, why_unpaired, shared))
    configuration = differing_values([files.experiment.as_data() for files in read])
    return Comparison(name, tuple(compared), metrics, configuration)


def _independent(metric: Metric, first: RunFiles, second: RunFiles) -> MetricDifference:
    results = result_of(first), result_of(second)
    return independent_difference(metric, *(each.metrics[metric.name] for each in results))


def _labels(read: Sequence[RunFiles]) -> list[str]:
    """The shortest of experiment, run id and both together that tells the runs apart."""
    names = [files.experiment.name for files in read]
    run_ids = [files.path.absolute().name for files in read]
    if len(set(names)) == len(names):
        return names
    if len(set(run_ids)) == len(run_ids):
        return run_ids
    return [files.title for files in read]


def result_of(files: RunFiles) -> EvaluationResult:
    """The evaluation of a run; raises a FacesimError if there is none."""
    if files.result is None:
        raise FacesimError(
            f"{files.path} has no evaluation {files.name!r}; `facesim eval` makes one"
        )
    return files.result


def _paired(
    first: RunFiles, second: RunFiles, metrics: Mapping[str, Metric]
) -> tuple[dict[str, MetricDifference], int | None]:
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
    measurable = {n: each for n, each in metrics.items() if not isinstance(each, DescribedMetric)}
    found = paired_differences(
        ScoredRun(before.labelled(identities), result_of(first).threshold),
        ScoredRun(after.labelled(identities), result_of(second).threshold),
        measurable,
        seed=result_of(first).seed,
    )
    return {each.metric: each for each in found} | {
        name: _independent(metric, first, second)
        for name, metric in metrics.items()
        if name not in measurable
    }, shared


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
