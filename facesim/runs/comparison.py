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
from facesim.runs.run import Run
from facesim.runs.run_files import RunFiles
from facesim.runs.scored_pairs import NamedPairs


@dataclass(frozen=True)
class ComparedRun:
    """One of the runs.

    Attributes:
        label: what it is called on the page.
        files: the run directory, read.
        result: its evaluation.
        differences: to the first run, by metric; empty for the first run itself.
        why_unpaired: why the differences are not paired, if they are not.
    """

    label: str
    files: RunFiles
    result: EvaluationResult
    differences: dict[str, MetricDifference]
    why_unpaired: str | None = None


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

    Runs on the same pairs are compared on the same resamples of the identities; other runs as if
    independent, which shows fewer differences.

    Args:
        runs: two or more.
        name: of the evaluation.

    Raises:
        FacesimError: fewer than two runs, or one that has no such evaluation or does not load.
    """
    if len(runs) < 2:
        raise FacesimError("a comparison needs two run directories or more")
    read = [run.read(name) for run in runs]
    results = [_result(files) for files in read]
    labels = _labels(read)
    metrics = {
        name: metric
        for name, metric in read[0].metrics.items()
        if all(name in result.metrics for result in results)
    }
    compared = [ComparedRun(labels[0], read[0], results[0], {})]
    for label, files, result in zip(labels[1:], read[1:], results[1:], strict=True):
        why_unpaired = None
        try:
            differences = _paired(read[0], files, metrics)
        except FacesimError as error:
            why_unpaired = str(error)
            differences = {
                name: independent_difference(metric, results[0].metrics[name], result.metrics[name])
                for name, metric in metrics.items()
            }
        compared.append(ComparedRun(label, files, result, differences, why_unpaired))
    configuration = differing_values([files.experiment.as_data() for files in read])
    return Comparison(name, tuple(compared), metrics, configuration)


def _labels(read: Sequence[RunFiles]) -> list[str]:
    """The shortest of experiment, run id and both together that tells the runs apart."""
    names = [files.experiment.name for files in read]
    run_ids = [files.path.absolute().name for files in read]
    if len(set(names)) == len(names):
        return names
    if len(set(run_ids)) == len(run_ids):
        return run_ids
    return [files.title for files in read]


def _result(files: RunFiles) -> EvaluationResult:
    if files.result is None:
        raise FacesimError(
            f"{files.path} has no evaluation {files.name!r}; `facesim eval` makes one"
        )
    return files.result


def _paired(
    first: RunFiles, second: RunFiles, metrics: Mapping[str, Metric]
) -> dict[str, MetricDifference]:
    """Raises a FacesimError that says why the runs cannot be paired."""
    before, after = _scored(first), _scored(second)
    if not before.same_pairs_as(after):
        raise FacesimError("it was evaluated on other pairs")
    identities = first.identities(before)
    found = paired_differences(
        ScoredRun(before.labelled(identities), _result(first).threshold),
        ScoredRun(after.labelled(identities), _result(second).threshold),
        metrics,
        seed=_result(first).seed,
    )
    return {each.metric: each for each in found}


def _scored(files: RunFiles) -> NamedPairs:
    if files.pairs is None:
        raise FacesimError(f"the scores of single pairs of {files.title} were not kept")
    return files.pairs
