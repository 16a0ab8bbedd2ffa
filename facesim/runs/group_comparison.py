"""Comparison of two systems that were each trained several times, with other seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facesim.errors import FacesimError
from facesim.evaluation.differences import ScoredRun
from facesim.evaluation.seed_differences import SeedDifference, differences_over_seeds
from facesim.experiment.differences import differing_values
from facesim.interfaces.metric import Metric
from facesim.interfaces.scores import LabelledScores
from facesim.runs.comparison import result_of, scored_pairs_of
from facesim.runs.evaluation_plan import OWN
from facesim.runs.presentation import NOT_IMPORTED, DescribedMetric
from facesim.runs.run import Run
from facesim.runs.run_files import RunFiles


@dataclass(frozen=True)
class Side:
    """The runs of one system.

    Attributes:
        label: what it is called on the page.
        files: the run directories, read, in ascending order of their seeds.
        differing: keys of the experiments, other than the seed, in which its own runs differ.
    """

    label: str
    files: tuple[RunFiles, ...]
    differing: tuple[str, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each run."""
        return tuple(files.experiment.seed for files in self.files)


@dataclass(frozen=True)
class GroupComparison:
    """Two systems, each with one run or more.

    Attributes:
        name: of the evaluation.
        first: the reference.
        second: what is compared with it.
        metrics: those that every run measured, by name.
        differences: second minus first, by metric.
        paired: whether both have the same seeds and were compared seed by seed.
        configuration: each key of the experiments that differs between the sides' first runs,
            but for the seed; None where an experiment has no such key.
    """

    name: str
    first: Side
    second: Side
    metrics: dict[str, Metric]
    differences: dict[str, SeedDifference]
    paired: bool
    configuration: dict[str, tuple[str | None, ...]]


def compare_groups(
    first: Sequence[Run], second: Sequence[Run], *, name: str = OWN, metric: str | None = None
) -> GroupComparison:
    """Compare the runs of one system with those of another, over people and seeds together.

    Runs are paired by seed if both sides have the same seeds, each once. They may be evaluated on
    other pairs, which shows fewer differences.

    Args:
        first: runs of the reference, one or more.
        second: runs of the other system.
        name: of the evaluation.
        metric: the only one that is compared; None for all that every run measured.

    Raises:
        FacesimError: a side has no run, a run stands twice, or one has no such evaluation, does not
            load or has no scores of single pairs.
    """
    if not first or not second:
        raise FacesimError("each side of a comparison needs a run directory or more")
    paths = [run.path.resolve() for run in (*first, *second)]
    twice = [path for at, path in enumerate(paths) if path in paths[:at]]
    if twice:
        raise FacesimError(f"{twice[0]} is named twice; each run is on one side, and once")
    sides = [sorted((run.read(name) for run in runs), key=_seed) for runs in (first, second)]
    reference, other = (_side(read) for read in sides)
    if reference.label == other.label:
        labels = (f"{reference.label} (reference)", f"{other.label} (compared)")
    else:
        labels = (reference.label, other.label)
    every = [*reference.files, *other.files]
    metrics = {
        key: found
        for key, found in every[0].metrics.items()
        if (metric is None or key == metric)
        and all(key in result_of(files).metrics for files in every)
    }
    scored = _scored_runs(every)
    paired = reference.seeds == other.seeds and len(set(reference.seeds)) == len(reference.seeds)
    differences = differences_over_seeds(
        scored[: len(reference.files)],
        scored[len(reference.files) :],
        {n: each for n, each in metrics.items() if not isinstance(each, DescribedMetric)},
        paired=paired,
        seed=result_of(every[0]).seed,
    ) | {
        name: SeedDifference(metric=name, difference=None, reason=NOT_IMPORTED)
        for name, metric in metrics.items()
        if isinstance(metric, DescribedMetric)
    }
    return GroupComparison(
        name,
        Side(labels[0], reference.files, reference.differing),
        Side(labels[1], other.files, other.differing),
        metrics,
        differences,
        paired,
        _differing([reference.files[0], other.files[0]]),
    )


def _seed(files: RunFiles) -> int:
    return files.experiment.seed


def _side(read: Sequence[RunFiles]) -> Side:
    return Side(read[0].experiment.name, tuple(read), tuple(_differing(read)))


def _differing(read: Sequence[RunFiles]) -> dict[str, tuple[str | None, ...]]:
    """The keys in which experiments differ, but for the seed."""
    found = differing_values([files.experiment.as_data() for files in read])
    return {key: values for key, values in found.items() if key != "seed"}


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
        scored.append(ScoredRun(labelled, result_of(files).threshold))
    return scored
