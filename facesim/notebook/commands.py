"""The commands as functions: load, check, run, evaluate, open and compare."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facesim.experiment import loading
from facesim.experiment.schema import Experiment
from facesim.notebook.display import Shown
from facesim.notebook.opened_run import OpenedRun
from facesim.notebook.progress import notebook_reporter
from facesim.page import Table, Text
from facesim.processes import Processes
from facesim.report.comparison_files import write_comparison
from facesim.report.comparison_report import comparison_blocks
from facesim.report.run_report import write_report
from facesim.runs.compared_runs import open_runs
from facesim.runs.comparison import Comparison, compare_groups, compare_runs
from facesim.runs.dry_run import CheckReport, check_experiment
from facesim.runs.evaluation_plan import OWN
from facesim.runs.run import Run
from facesim.training.checkpoint import BEST
from facesim.training.stop import Stopped

_NOTHING: Mapping[str, Any] = {}


class Check(Shown):
    """What a dry run found.

    Attributes:
        report: sizes, the first loss, and warnings.
    """

    def __init__(self, name: str, report: CheckReport) -> None:
        self._name = name
        self.report = report

    def blocks(self) -> list[Table | Text]:
        """A table of sizes, then the warnings."""
        table = Table(f"{self._name}: ready to run", ("Check", ""), self.report.lines, False)
        return [table, *(Text(note) for note in self.report.notes)]


class RunComparison(Shown):
    """Runs, compared with the first of them or with those of another system.

    Attributes:
        comparison: differences of experiments and metrics.
        passed_over: what was passed over in folders of runs, a line per reason.
    """

    def __init__(self, comparison: Comparison, passed_over: Sequence[str] = ()) -> None:
        self.comparison = comparison
        self.passed_over = tuple(passed_over)

    def blocks(self) -> Sequence[Table | Text]:
        """The differences of the experiments, those of the metrics, and what they show."""
        return [*map(Text, self.passed_over), *comparison_blocks(self.comparison)]

    def save(self, out: str | Path) -> Path:
        """Write the comparison to a file: .html, .csv, .md or .tex, with all metrics.

        Raises:
            FacesimError: it cannot be written, or its suffix is another one.
        """
        return write_comparison(self.comparison, Path(out), every=True)


def load_experiment(
    file: str | Path, overrides: Mapping[str, Any] = _NOTHING, *, trust: bool = False
) -> Experiment:
    """Load an experiment file.

    Example:
        >>> experiment = load_experiment("experiments/quickstart.yaml", {"train.epochs": 1})
        >>> experiment.train.epochs
        1

    Args:
        file: YAML, or the name of an experiment that comes with facesim: ``"quickstart"``.
        overrides: values by their place in the file: ``{"loss": {"name": "triplet"}}``.
        trust: whether to import the plugins that the file of a run names, although your own
            experiment did not name them when the run began. Plugins are code.

    Raises:
        ExperimentError: with every problem that was found, each with file, line and column.
        UntrustedPluginsError: the file of a run names plugins that need ``trust``.
    """
    return loading.load_experiment(Path(file), _assignments(overrides), trust=trust)


def check(experiment: Experiment) -> Check:
    """Build an experiment and rehearse one training step; writes nothing.

    Example:
        >>> check(experiment).report.lines[0]
        ('train', '48 images of 8 identities')

    Raises:
        FacesimError: something cannot be built or read, or the first loss is not finite.
        ProtocolError: the linter found an error.
    """
    return Check(experiment.name, check_experiment(experiment, Path("runs"), Processes()))


def run(
    experiment: Experiment,
    out: str | Path = "runs",
    *,
    resume: bool = False,
    progress: bool = True,
) -> OpenedRun:
    """Train and evaluate an experiment; leaves a run directory with its report.

    Interrupting it (the stop button of a notebook) finishes the step and writes a checkpoint.

    Example:
        >>> trained = run(experiment, progress=False)
        >>> sorted(trained.metrics)[:2]
        ['accuracy', 'balanced_accuracy']

    Args:
        experiment: what is trained.
        out: the folder for run directories.
        resume: whether to go on with the newest unfinished run of this experiment, if there is one.
        progress: whether to show it.

    Raises:
        FacesimError: something cannot be built or read.
        ProtocolError: the linter found what would make the results worthless.
        Stopped: it was interrupted.
    """
    processes = _processes(progress)
    unfinished = Run.latest_unfinished(experiment, Path(out), processes) if resume else None
    running = unfinished or Run.begin(experiment, Path(out), processes)
    try:
        running.complete()
    except Stopped:
        processes.reporter.say("stopped; run(experiment, resume=True) goes on")
        raise
    opened = OpenedRun(running)
    processes.reporter.say(f"report: {write_report(opened.files)}")
    return opened


def open_run(
    path: str | Path, evaluation: str = OWN, *, progress: bool = True, trust: bool = False
) -> OpenedRun:
    """Open a run directory. Metrics and scores import none of its plugins, its network does.

    Example:
        >>> trained = open_run(trained.path)
        >>> len(trained.scores)
        16

    Args:
        path: the run directory.
        evaluation: whose metrics and scores are shown.
        progress: whether later evaluations show it.
        trust: whether to import the plugins that the run names, once they are needed, although your
            own experiment did not name them when the run began. Plugins are code.

    Raises:
        FacesimError: it is not a run directory.
    """
    return OpenedRun(Run.open(Path(path), _processes(progress), trust=trust), evaluation)


def evaluate(
    trained: OpenedRun,
    overrides: Mapping[str, Any] = _NOTHING,
    *,
    name: str | None = None,
    checkpoint: str = BEST,
    recalibrate: bool = False,
) -> OpenedRun:
    """Evaluate a trained run again, or on other data.

    Example:
        >>> exhaustive = evaluate(trained, {"evaluate.protocol": "exhaustive"}, name="all_pairs")
        >>> exhaustive.metrics.result.pairs
        120

    Args:
        trained: the run.
        overrides: values by their place in the file, of data, image, evaluate, lint or device.
        name: of the evaluation; needed where ``overrides`` change what is measured.
        checkpoint: ``best``, ``last`` or the name of a periodic one.
        recalibrate: whether to choose thresholds on val anew, rather than the run's own.

    Returns:
        The run, open at this evaluation.

    Raises:
        FacesimError: this cannot be evaluated under this name, something cannot be read, or no
            thresholds apply.
        ProtocolError: the linter found what would make the results worthless.
    """
    plan, _ = trained.run.evaluate(
        overrides=_assignments(overrides), name=name, checkpoint=checkpoint, recalibrate=recalibrate
    )
    return OpenedRun(trained.run, plan.name)


def compare(
    *runs: OpenedRun | str | Path,
    against: Sequence[OpenedRun | str | Path] = (),
    evaluation: str = OWN,
) -> RunComparison:
    """Compare runs with the first of them, or with those of another system.

    Runs of one experiment with several seeds are one group: what other people and other seeds would
    change is in the intervals then.

    Example:
        >>> other = run(load_experiment("experiments/quickstart.yaml", {"seed": 1}), progress=False)
        >>> compare(trained, other).comparison.configuration
        {'seed': ('0', '1'), 'train.epochs': ('1', '3')}

    Args:
        runs: two or more, opened or as run directories; a folder means the finished runs in it.
        against: runs of another system, with the same seeds or others; the first ones are then
            those of one system, too.
        evaluation: the name of the evaluation that is compared.

    Raises:
        FacesimError: fewer than two runs, or one that has no such evaluation.
    """
    ours, theirs = (_opened(side, evaluation) for side in (runs, against))
    passed = (*ours[1], *theirs[1])
    if theirs[0]:
        return RunComparison(compare_groups(theirs[0], ours[0], name=evaluation), passed)
    return RunComparison(compare_runs(ours[0], name=evaluation), passed)


def _opened(
    runs: Sequence[OpenedRun | str | Path], evaluation: str
) -> tuple[list[Run], tuple[str, ...]]:
    opened: list[Run] = []
    passed: tuple[str, ...] = ()
    for each in runs:
        if isinstance(each, OpenedRun):
            opened.append(each.run)
            continue
        found, over = open_runs([Path(each)], evaluation)
        opened += found
        passed += over
    return opened, passed


def _assignments(overrides: Mapping[str, Any]) -> list[str]:
    """As ``--set`` takes them: JSON is YAML."""
    return [f"{key}={json.dumps(value, default=str)}" for key, value in overrides.items()]


def _processes(progress: bool) -> Processes:
    return Processes(notebook_reporter()) if progress else Processes()
