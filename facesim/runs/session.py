"""A session of a run: the directory locked, its stages known, the last checkpoint restored."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace

import torch

from facesim.errors import FacesimError, count
from facesim.evaluation.calibration import Calibration
from facesim.experiment.sections import Train
from facesim.interfaces import Tracker
from facesim.interfaces.result import EvaluationResult
from facesim.json_files import read_json
from facesim.processes import Processes
from facesim.reporters import Reporter
from facesim.runs.directory import EVALUATE_AGAIN, EvaluationFile, RunDirectory, RunFile
from facesim.runs.environment import read_decisions, record_environment, set_threads
from facesim.runs.evaluation_plan import OWN
from facesim.runs.log import RunLog, loss_of_entries, read_log
from facesim.training.build import RunComponents, Tables, decide
from facesim.training.checkpoint import (
    Progress,
    read_checkpoint,
    restore_checkpoint,
    trained_digest,
)
from facesim.training.determinism import deterministic
from facesim.training.engines import changed_versions
from facesim.training.stop import (
    InterruptibleReporter,
    Stopped,
    TrainingCancelled,
    stop_on_signals,
)
from facesim.training.trunk_file import save_trunk


@dataclass(frozen=True)
class Session:
    """A run locked by this process.

    Attributes:
        components: of the run, with everything decided.
        progress: where its last checkpoint left it.
        log: where it is logged.
        processes: report the progress, and stop at a signal.
    """

    components: RunComponents
    progress: Progress
    log: RunLog
    processes: Processes


@contextmanager
def run_session(
    directory: RunDirectory, components: RunComponents, tables: Tables, processes: Processes
) -> Iterator[Session]:
    """Lock a run and restore its last checkpoint; the way the block ends is logged as status.

    A run that begins decides what its experiment leaves to the machine, and keeps that.

    Args:
        directory: of the run.
        components: built from what is known of the run.
        tables: where the tables are kept that were read.
        processes: work on it.

    Raises:
        FacesimError: another process holds the run, or the checkpoint does not fit.
    """
    experiment, reporter = components.experiment, processes.reporter
    reporter.say(f"run directory: {directory.path}")
    deterministically = deterministic(experiment.train.deterministic)
    with directory.locked(), deterministically, stop_on_signals(processes) as stop:
        directory.remove_leftovers()
        environment = directory.path / RunFile.ENVIRONMENT
        set_threads(environment, experiment)
        if experiment.train.shards > 1:
            reporter.say(_how_shared(experiment.train, processes))
        for split in components.splits:
            table = split.table
            reporter.say(
                f"{split.name}: {count(len(table), 'image')} of "
                f"{count(len(table.labels), 'identity')}"
            )
            for note in table.notes:
                reporter.say(f"{split.name}: {note}")
        progress, last = Progress(), directory.checkpoints.last
        if last.exists():
            progress = restore_checkpoint(last, components.state)
            where = f"epoch {progress.epoch + 1}, batch {progress.batch + 1}"
            reporter.say(f"resuming at {where} (step {progress.step})")
        trunk = directory.path / RunFile.TRUNK
        if not trunk.exists():
            save_trunk(trunk, components.network)
        components = _decided(directory, components, tables, reporter)
        decisions, device = components.decisions, components.network.device
        record_environment(environment, experiment, device, processes.size, decisions)
        trackers = _started(components, directory)
        log = RunLog(
            directory.path / RunFile.LOG, trackers, progress.log_bytes, progress.log_sha256
        )
        if log.lost_bytes:
            reporter.say(loss_of_entries(log.lost_bytes))
        interruptible = InterruptibleReporter(reporter, stop)
        try:
            yield Session(components, progress, log, replace(processes, reporter=interruptible))
        except Stopped:
            log.finish("interrupted")
            raise
        except TrainingCancelled:
            log.finish("pruned")
            raise
        except BaseException:
            with suppress(FacesimError, OSError):  # the log itself may be what failed
                log.finish("failed")
            raise
        log.finish("finished")


def _decided(
    directory: RunDirectory, components: RunComponents, tables: Tables, reporter: Reporter
) -> RunComponents:
    """The components with what was decided when the run began, which may be now."""
    recorded = read_decisions(directory.path)
    if recorded:
        for change in changed_versions(components.network, recorded):
            reporter.say(change)
        return replace(components, decisions=recorded)
    if (directory.path / RunFile.ENVIRONMENT).exists():  # begun by a facesim that decided nothing
        if components.experiment.train.compile is True:
            components.network.compile_by_parts()
        return components
    known, components = components.decisions, decide(components, tables)
    for key, decision in components.decisions.items():
        if key not in known:
            reporter.say(f"{key}: {decision}")
    return components


def _how_shared(train: Train, processes: Processes) -> str:
    """How the shards of a batch are shared, and what that promises."""
    order = "in shard order: the same bits on any number of processes"
    if train.reduce == "fast":
        order = "by all_reduce: equal on other numbers of processes within rounding"
    return (
        f"{count(train.shards, 'shard')} on {count(processes.size, 'process')}, "
        f"{count(torch.get_num_threads(), 'thread')} "
        f"per process; gradients are added up {order}"
    )


def _started(components: RunComponents, directory: RunDirectory) -> tuple[Tracker, ...]:
    """Start all trackers; if one fails, those before it are told that the run has failed."""
    experiment = components.experiment
    with ExitStack() as undoing:
        for tracker in components.trackers:
            tracker.start(directory.path, experiment.name, experiment.as_data())
            undoing.callback(tracker.finish, "failed")
        undoing.pop_all()
    return components.trackers


@dataclass(frozen=True)
class Stage:
    """One stage of a run.

    Attributes:
        name: ``lint``, ``train``, ``evaluate NAME`` or ``report``.
        is_done: whether it has come to its end.
    """

    name: str
    is_done: bool


def stages_of(directory: RunDirectory, epochs: int) -> tuple[Stage, ...]:
    """The stages of a run in order, with their state in its directory.

    Raises:
        FacesimError: the log or the last checkpoint is damaged.
    """
    path, last = directory.path, directory.checkpoints.last
    log = read_log(path / RunFile.LOG)
    finished = log is not None and log.status == "finished"
    trained = finished or (
        last.exists() and Progress.of(read_checkpoint(last)["progress"]).is_trained(epochs)
    )
    evaluated = {
        folder.name: (folder / EvaluationFile.METRICS).is_file()
        for folder in sorted((path / "eval").glob("*"))
    }
    own = evaluated.pop(OWN, False)
    return (
        Stage("lint", (path / RunFile.LINT).is_file()),
        Stage("train", trained),
        Stage(f"evaluate {OWN}", own and finished),
        *(Stage(f"evaluate {name}", is_done) for name, is_done in evaluated.items()),
        Stage("report", (path / RunFile.REPORT).is_file()),
    )


def own_result(directory: RunDirectory) -> EvaluationResult | None:
    """What test's own evaluation found with the best checkpoint; None if that is not there.

    Raises:
        DataError: a file is damaged.
    """
    best = directory.checkpoints.best
    file = directory.evaluation(OWN) / EvaluationFile.METRICS
    calibration = directory.path / RunFile.CALIBRATION
    result = read_json(file, EvaluationResult, remedy=EVALUATE_AGAIN)
    chosen = read_json(calibration, Calibration, remedy=EVALUATE_AGAIN)
    if result is None or chosen is None or not best.exists():
        return None
    made_by = chosen.provenance.checkpoint
    return result if made_by == trained_digest(best, like=made_by) else None
