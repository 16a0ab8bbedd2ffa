"""Comparison of runs: groups of one experiment with several seeds, each with the reference."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from facesim.errors import FacesimError
from facesim.evaluation.differences import MetricDifference
from facesim.experiment.differences import differing_leaves, differing_values
from facesim.interfaces.metric import Metric
from facesim.interfaces.result import EvaluationResult
from facesim.runs.compared_runs import by_experiment, configuration_of, labels_of
from facesim.runs.evaluation_plan import OWN
from facesim.runs.group_comparison import Compared, compare_over_seeds, compare_two, result_of
from facesim.runs.run import Run
from facesim.runs.run_files import RunFiles

TELLING = 5
"""Metrics that are shown where all are not asked for."""


@dataclass(frozen=True)
class ComparedRun:
    """One of the runs.

    Attributes:
        label: what it is called everywhere.
        files: the run directory, read.
    """

    label: str
    files: RunFiles

    @property
    def result(self) -> EvaluationResult:
        """Its evaluation."""
        return result_of(self.files)


@dataclass(frozen=True)
class ComparedGroup:
    """The runs of one experiment, each with another seed; often one.

    Attributes:
        label: what it is called everywhere.
        runs: one or more, in ascending order of their seeds.
        differences: to the reference, by metric; empty for the reference itself.
        why_unpaired: why the differences are not paired, if they are not.
        shared_pairs: of how many pairs the differences are, where the runs share a part only.
        differing: keys of the experiments, other than the seed, in which its own runs differ.
    """

    label: str
    runs: tuple[ComparedRun, ...]
    differences: dict[str, MetricDifference]
    why_unpaired: str | None = None
    shared_pairs: int | None = None
    differing: tuple[str, ...] = ()

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each run."""
        return tuple(run.files.experiment.seed for run in self.runs)

    @property
    def results(self) -> tuple[EvaluationResult, ...]:
        """The evaluation of each run."""
        return tuple(run.result for run in self.runs)

    def values(self, metric: Metric) -> tuple[float, ...]:
        """The metric of each run; nothing if one of them has none."""
        found = [result.metrics[metric.name].value for result in self.results]
        there = [value for value in found if value is not None]
        return tuple(there) if len(there) == len(found) else ()

    def mean(self, metric: Metric) -> float | None:
        """Over the seeds."""
        values = self.values(metric)
        return statistics.fmean(values) if values else None

    def deviation(self, metric: Metric) -> float | None:
        """The standard deviation over the seeds, with K - 1; None of one seed."""
        values = self.values(metric)
        return statistics.stdev(values) if len(values) > 1 else None


@dataclass(frozen=True)
class Comparison:
    """Two runs or more.

    Attributes:
        name: of the evaluation.
        groups: the first is the reference, with which the others are compared.
        metrics: those that every run measured, by name; what heads the result is the first.
        configuration: each key of the experiments that differs, with one value per group; None
            where an experiment has no such key.
        sides: whether the groups are two sides that somebody named, and not of one experiment each.
    """

    name: str
    groups: tuple[ComparedGroup, ...]
    metrics: dict[str, Metric]
    configuration: dict[str, tuple[str | None, ...]]
    sides: bool = False

    @property
    def reference(self) -> ComparedGroup:
        """The group that the others are compared with."""
        return self.groups[0]

    @property
    def ordered_metrics(self) -> tuple[Metric, ...]:
        """Those that head results, then the others as ``evaluate.metrics`` lists them."""
        return tuple(sorted(self.metrics.values(), key=lambda metric: not metric.headline))

    @property
    def ranked(self) -> tuple[ComparedGroup, ...]:
        """The groups by the first of the metrics, the best first."""
        if not self.metrics:
            return self.groups
        metric = self.ordered_metrics[0]
        sign = -1.0 if metric.higher_is_better else 1.0

        def place(group: ComparedGroup) -> tuple[bool, float]:
            mean = group.mean(metric)
            return (mean is None, 0.0 if mean is None else sign * mean)

        return tuple(sorted(self.groups, key=place))

    @property
    def has_seeds(self) -> bool:
        """Whether a group has runs with several seeds, so that differences are over seeds, too."""
        return self.sides or any(len(group.runs) > 1 for group in self.groups)


def compare_runs(runs: Sequence[Run], *, name: str = OWN) -> Comparison:
    """Compare runs with the first of them, those of one experiment with several seeds together.

    Where each group has one run, runs on the same pairs are compared without the same identities in
    turn; runs on other pairs on those that they share, if that is at least half of the genuine and
    of the impostor pairs of the run that has fewer; all others as if independent, which shows fewer
    differences. So is a metric whose plugin file is not imported. The networks are held fixed.

    Where a group has several, means over seeds are compared, with intervals over people and seeds
    together. The intervals of all differences to the reference hold together (Bonferroni), metric
    by metric.

    Args:
        runs: two or more.
        name: of the evaluation.

    Raises:
        FacesimError: fewer than two runs, or one that has no such evaluation or does not load.
    """
    if len(runs) < 2:
        raise FacesimError("a comparison needs two run directories or more")
    groups = by_experiment([run.read(name) for run in runs])
    metrics = _metrics_of([files for group in groups for files in group])
    first, *others = groups
    compare = compare_two if all(len(group) == 1 for group in groups) else compare_over_seeds
    differences = [Compared({}), *(compare(first, each, metrics, len(others)) for each in others)]
    configuration = configuration_of(groups)
    labels = labels_of(groups, configuration)
    compared = [_group(*each) for each in zip(labels, groups, differences, strict=True)]
    return Comparison(name, tuple(compared), metrics, configuration)


def compare_groups(
    first: Sequence[Run], second: Sequence[Run], *, name: str = OWN, metric: str | None = None
) -> Comparison:
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
    sides = [
        sorted((run.read(name) for run in runs), key=lambda files: files.experiment.seed)
        for runs in (first, second)
    ]
    metrics = _metrics_of([files for side in sides for files in side])
    metrics = {key: each for key, each in metrics.items() if metric in (None, key)}
    configuration = configuration_of(sides)
    labels = labels_of(sides, configuration)
    reference, other = sides
    found = compare_over_seeds(reference, other, metrics, strict=True)
    compared = [_group(*each) for each in zip(labels, sides, (Compared({}), found), strict=True)]
    return Comparison(name, tuple(compared), metrics, configuration, sides=True)


def _metrics_of(read: Sequence[RunFiles]) -> dict[str, Metric]:
    """Those that every run measured."""
    return {
        name: metric
        for name, metric in read[0].metrics.items()
        if all(name in result_of(files).metrics for files in read)
    }


def _group(label: str, read: Sequence[RunFiles], found: Compared) -> ComparedGroup:
    named = [label] if len(read) == 1 else _runs_of(label, read)
    runs = tuple(ComparedRun(*each) for each in zip(named, read, strict=True))
    keys = differing_values([files.experiment.as_data() for files in read])
    differing = tuple(key for key in keys if key not in ("seed", "evaluate.seed"))
    return ComparedGroup(
        label, runs, found.differences, found.why_unpaired, found.shared_pairs, differing
    )


def _runs_of(label: str, read: Sequence[RunFiles]) -> list[str]:
    seeds = [files.experiment.seed for files in read]
    return [
        f"{label}, seed={seed}"
        if seeds.count(seed) == 1
        else f"{label}, seed={seed}, {files.path.absolute().name}"
        for seed, files in zip(seeds, read, strict=True)
    ]


def comparison_data(comparison: Comparison) -> dict[str, Any]:
    """A comparison as plain JSON data, the best group first.

    A value of ``configuration`` is as the experiment has it, null where it has no such key, and for
    ``seed`` a list.
    """
    groups = comparison.groups
    values = differing_leaves([group.runs[0].files.experiment.as_data() for group in groups])
    values["seed"] = {at: group.seeds for at, group in enumerate(groups)}
    return {
        "evaluation": comparison.name,
        "reference": comparison.reference.label,
        "sorted_by": next((metric.name for metric in comparison.ordered_metrics), None),
        "comparisons_corrected_for": len(comparison.groups) - 1,
        "configuration": {
            key: {group.label: values[key].get(at) for at, group in enumerate(groups)}
            for key in comparison.configuration
        },
        "groups": [_group_data(comparison, group) for group in comparison.ranked],
    }


def _group_data(comparison: Comparison, group: ComparedGroup) -> dict[str, Any]:
    metrics = {}
    for metric in comparison.ordered_metrics:
        found = group.differences.get(metric.name)
        metrics[metric.name] = {
            "mean": group.mean(metric),
            "standard_deviation": group.deviation(metric),
            "difference": None if found is None else _difference_data(found),
        }
    return {
        "label": group.label,
        "is_reference": group is comparison.reference,
        "seeds": list(group.seeds),
        "why_unpaired": group.why_unpaired,
        "shared_pairs": group.shared_pairs,
        "metrics": metrics,
        "runs": [
            {
                "label": run.label,
                "seed": run.files.experiment.seed,
                "directory": str(run.files.path.absolute()),
                "pairs": run.result.pairs,
                "metrics": {
                    metric.name: run.result.metrics[metric.name].model_dump(
                        mode="json", include={"value", "low", "high", "interval", "reason"}
                    )
                    for metric in comparison.ordered_metrics
                },
            }
            for run in group.runs
        ],
    }


def _difference_data(found: MetricDifference) -> dict[str, Any]:
    data = found.model_dump(mode="json", exclude={"metric", "better", "first", "second"})
    verdict = {"first": "worse", "second": "better", None: None}[found.better]
    return {**data, "verdict": verdict}
