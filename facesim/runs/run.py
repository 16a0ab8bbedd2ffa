"""One run from its first step, or from where it was left, to its figures on test."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from facesim.atomic import write_text
from facesim.errors import FacesimError
from facesim.experiment.differences import differences
from facesim.experiment.schema import Experiment
from facesim.interfaces import FaceTable, Tracker
from facesim.interfaces.result import EvaluationResult
from facesim.processes import Processes
from facesim.reporter import Reporter
from facesim.runs.directory import RunDirectory
from facesim.runs.environment import describe_environment
from facesim.runs.evaluation import evaluate_run
from facesim.runs.log import RunLog
from facesim.training.build import RunComponents, prepare
from facesim.training.checkpoint import BEST, LAST, Progress, restore_checkpoint
from facesim.training.determinism import deterministic
from facesim.training.evaluation_pairs import choose_all_pairs, evaluation_pairs
from facesim.training.lint import lint_protocol
from facesim.training.stop import (
    InterruptibleReporter,
    Stopped,
    TrainingCancelled,
    stop_on_signals,
)
from facesim.training.trainer import OnEpoch, Trainer, ignore_epoch
from facesim.training.trunk_file import save_trunk


def start_run(
    experiment: Experiment, out: Path, processes: Processes, on_epoch: OnEpoch = ignore_epoch
) -> tuple[RunDirectory, EvaluationResult]:
    """Train an experiment in a new run directory and evaluate it.

    Raises:
        FacesimError: something in the experiment cannot be built or read; nothing is written then.
        ProtocolError: the linter found what would make the figures worthless.
        Stopped: a signal came; the run can be resumed.
    """
    run, prepared = begin_run(experiment, out, processes)
    return run, train_and_evaluate(run, prepared, processes, on_epoch)


def begin_run(
    experiment: Experiment, out: Path, processes: Processes
) -> tuple[RunDirectory, RunComponents]:
    """Build an experiment's parts, lint it, and make its run directory; trains nothing yet.

    Raises:
        FacesimError: something in the experiment cannot be built or read; nothing is written then.
        ProtocolError: the linter found what would make the figures worthless.
    """
    prepared = prepare(experiment)
    pairs = choose_all_pairs(experiment, prepared.splits[1:])
    lint = lint_protocol(experiment, prepared.splits, pairs, processes)
    lint.require_no_errors()
    for warning in lint.findings:
        processes.reporter.say(str(warning))
    run = RunDirectory.create(out, experiment)
    write_text(run.lint_file, lint.model_dump_json(indent=2) + "\n")
    return run, prepared


def resume_run(
    run: RunDirectory,
    experiment: Experiment,
    processes: Processes,
    on_epoch: OnEpoch = ignore_epoch,
) -> EvaluationResult:
    """Go on with a run from its last checkpoint, to the same result as if it had never stopped.

    Args:
        run: the run's directory.
        experiment: must be the one that the run was started with.
        processes: show the progress.
        on_epoch: hears of every epoch from here on.

    Raises:
        FacesimError: the experiment differs from the run's, with the differences.
        Stopped: a signal came again.
    """
    changed = differences(run.experiment().as_data(), experiment.as_data())
    if changed:
        listed = "\n".join(f"  {key}: {change}" for key, change in changed.items())
        raise FacesimError(
            f"{run.path} was started with another experiment; start a new run, or undo:\n{listed}"
        )
    return train_and_evaluate(run, rebuild(run, experiment), processes, on_epoch)


def rebuild(run: RunDirectory, experiment: Experiment) -> RunComponents:
    """Build the parts of a run that was begun before, on the trunk that it began with.

    Raises:
        FacesimError: a table cannot be read or a part cannot be built.
    """
    return prepare(experiment, run.trunk_file if run.trunk_file.exists() else None)


def train_run(
    run: RunDirectory, prepared: RunComponents, processes: Processes, on_epoch: OnEpoch
) -> None:
    """Train a run to its last epoch, from where it stands, and leave test alone.

    Raises:
        Stopped: a signal came; the run can be resumed.
        TrainingCancelled: ``on_epoch`` gave the run up.
    """
    with _opened(run, prepared, processes) as opened:
        _train(opened, on_epoch)


def train_and_evaluate(
    run: RunDirectory,
    prepared: RunComponents,
    processes: Processes,
    on_epoch: OnEpoch = ignore_epoch,
) -> EvaluationResult:
    """Train a run to its last epoch, from where it stands, and measure it on test.

    Raises:
        Stopped: a signal came; the run can be resumed.
        TrainingCancelled: ``on_epoch`` gave the run up.
    """
    with _opened(run, prepared, processes) as opened:
        _train(opened, on_epoch)
        result = evaluate_run(run, checkpoint=BEST, processes=opened.processes)
        opened.log.write("test", opened.progress.step, result.values())
        return result


@dataclass(frozen=True)
class _OpenedRun:
    """A run that this process holds, standing where its last checkpoint left it."""

    run: RunDirectory
    prepared: RunComponents
    progress: Progress
    log: RunLog
    processes: Processes


@contextmanager
def _opened(
    run: RunDirectory, prepared: RunComponents, processes: Processes
) -> Iterator[_OpenedRun]:
    """Hold a run, and log at the end how it ended."""
    experiment = prepared.experiment
    reporter = processes.reporter
    reporter.say(f"run directory: {run.path}")
    with run.locked(), deterministic(experiment.train.deterministic), stop_on_signals() as stop:
        for split in prepared.splits:
            _report_table_notes(reporter, split.name, split.table)
        progress = Progress()
        if run.checkpoints.file(LAST).exists():
            progress = restore_checkpoint(run.checkpoints.file(LAST), prepared.trained)
            where = f"epoch {progress.epoch + 1}, batch {progress.batch + 1}"
            reporter.say(f"resuming at {where} (step {progress.step})")
        if not run.trunk_file.exists():
            save_trunk(run.trunk_file, prepared.network)
        _record_environment(run, prepared)
        log = RunLog(run.metrics_log, _started(run, prepared), progress.log_bytes)
        try:
            interruptible = replace(processes, reporter=InterruptibleReporter(reporter, stop))
            yield _OpenedRun(run, prepared, progress, log, interruptible)
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


def _train(opened: _OpenedRun, on_epoch: OnEpoch) -> None:
    run, prepared = opened.run, opened.prepared
    trainer = Trainer(
        prepared,
        opened.progress,
        checkpoints=run.checkpoints,
        log=opened.log,
        val_pairs=evaluation_pairs(run.pairs_file("val"), prepared.experiment, prepared.val),
        processes=opened.processes,
        on_epoch=on_epoch,
    )
    trainer.train()


def _started(run: RunDirectory, prepared: RunComponents) -> tuple[Tracker, ...]:
    """All trackers, started; if one cannot be, those before it are told that the run has failed."""
    experiment = prepared.experiment
    with ExitStack() as undoing:
        for tracker in prepared.trackers:
            tracker.start(run.path, experiment.name, experiment.as_data())
            undoing.callback(tracker.finish, "failed")
        undoing.pop_all()
    return prepared.trackers


def _record_environment(run: RunDirectory, prepared: RunComponents) -> None:
    """Append this start's surroundings: a resumed run may go on with other versions."""
    path = run.environment_file
    starts = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    device = prepared.network.device
    starts.append(describe_environment(prepared.experiment, device))
    write_text(path, json.dumps(starts, indent=2) + "\n")


def _report_table_notes(reporter: Reporter, split: str, table: FaceTable) -> None:
    reporter.say(f"{split}: {len(table)} images of {len(table.labels)} identities")
    for note in table.notes:
        reporter.say(f"{split}: {note}")
