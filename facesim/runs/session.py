"""A session of a run: the directory locked, the last checkpoint restored, log and trackers open."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from facesim.interfaces import Tracker
from facesim.processes import Processes
from facesim.runs.directory import RunDirectory
from facesim.runs.environment import record_environment
from facesim.runs.files import RunFile
from facesim.runs.log import RunLog
from facesim.training.build import RunComponents
from facesim.training.checkpoint import Progress, restore_checkpoint
from facesim.training.determinism import deterministic
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
        progress: where its last checkpoint left it.
        log: where it is logged.
        processes: report the progress, and stop at a signal.
    """

    progress: Progress
    log: RunLog
    processes: Processes


@contextmanager
def run_session(
    directory: RunDirectory, components: RunComponents, processes: Processes
) -> Iterator[Session]:
    """Lock a run and restore its last checkpoint; the way the block ends is logged as status.

    Raises:
        FacesimError: another process holds the run, or the checkpoint does not fit.
    """
    experiment, reporter = components.experiment, processes.reporter
    reporter.say(f"run directory: {directory.path}")
    deterministically = deterministic(experiment.train.deterministic)
    with directory.locked(), deterministically, stop_on_signals() as stop:
        for split in components.splits:
            table = split.table
            reporter.say(f"{split.name}: {len(table)} images of {len(table.labels)} identities")
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
        device = components.network.device
        record_environment(directory.path / RunFile.ENVIRONMENT, experiment, device)
        trackers = _started(components, directory)
        log = RunLog(directory.path / RunFile.LOG, trackers, progress.log_bytes)
        interruptible = InterruptibleReporter(reporter, stop)
        try:
            yield Session(progress, log, replace(processes, reporter=interruptible))
        except Stopped:
            log.finish("interrupted")
            raise
        except TrainingCancelled:
            log.finish("pruned")
            raise
        except BaseException:
            log.finish("failed")
            raise
        log.finish("finished")


def _started(components: RunComponents, directory: RunDirectory) -> tuple[Tracker, ...]:
    """Start all trackers; if one fails, those before it are told that the run has failed."""
    experiment = components.experiment
    with ExitStack() as undoing:
        for tracker in components.trackers:
            tracker.start(directory.path, experiment.name, experiment.as_data())
            undoing.callback(tracker.finish, "failed")
        undoing.pop_all()
    return components.trackers
