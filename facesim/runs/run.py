"""One run, from the protocol linter to the results on test, and on from where it was left."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from facesim.data.linter.protocol import lint_protocol
from facesim.errors import FacesimError
from facesim.experiment.differences import differences
from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.interfaces import Tracker
from facesim.interfaces.result import EvaluationResult
from facesim.json_files import write_json
from facesim.processes import Processes
from facesim.runs.directory import RunDirectory
from facesim.runs.environment import record_environment
from facesim.runs.evaluation import evaluate
from facesim.runs.evaluation_plan import OWN, EvaluationPlan, plan_evaluation
from facesim.runs.files import RunFile
from facesim.runs.log import RunLog
from facesim.runs.run_files import RunFiles, read_run
from facesim.training.build import RunComponents, Tables, prepare
from facesim.training.checkpoint import BEST, CheckpointFolder, Progress, restore_checkpoint
from facesim.training.determinism import deterministic
from facesim.training.evaluation_pairs import choose_all_pairs, evaluation_pairs
from facesim.training.stop import (
    InterruptibleReporter,
    Stopped,
    TrainingCancelled,
    stop_on_signals,
)
from facesim.training.trainer import OnEpoch, Trainer, ignore_epoch
from facesim.training.trunk_file import save_trunk


class Run:
    """A run: its directory, and what is done with it.

    Experiment, tables and components are read and built when they are first used, and once.

    Args:
        directory: where everything of the run is kept.
        processes: work on it, and report the progress; one that is silent by default.
        experiment: the resolved experiment, where it has been read; from the directory otherwise.
    """

    def __init__(
        self,
        directory: RunDirectory,
        processes: Processes | None = None,
        experiment: Experiment | None = None,
    ) -> None:
        self.directory = directory
        self.processes = processes or Processes()
        self.tables = Tables()
        if experiment is not None:
            self.experiment = experiment

    @classmethod
    def begin(cls, experiment: Experiment, out: Path, processes: Processes | None = None) -> "Run":
        """Build an experiment's components, lint it, and make its run directory; trains nothing.

        Raises:
            FacesimError: something cannot be built or read; nothing is written then.
            ProtocolError: the linter found what would make the results worthless.
        """
        tables, processes = Tables(), processes or Processes()
        components = prepare(experiment, tables=tables)
        pairs = choose_all_pairs(experiment, components.splits[1:])
        lint = lint_protocol(experiment, components.splits, pairs, processes)
        lint.require_no_errors()
        for warning in lint.findings:
            processes.reporter.say(str(warning))
        run = cls(RunDirectory.create(out, experiment), processes, experiment)
        run.tables, run.components = tables, components
        write_json(run.path / RunFile.LINT, lint)
        return run

    @classmethod
    def open(cls, path: Path, processes: Processes | None = None) -> "Run":
        """The run that a directory holds, finished or not.

        Raises:
            FacesimError: it is not a run directory.
        """
        return cls(RunDirectory(path), processes)

    @classmethod
    def latest_unfinished(
        cls, experiment: Experiment, out: Path, processes: Processes | None = None
    ) -> "Run | None":
        """The newest run of the same resolved experiment in ``out`` that has not finished."""
        made = (out / experiment.name).glob(f"[!.]*/{RunFile.EXPERIMENT}")
        for file in sorted(made, reverse=True):
            run = cls.open(file.parent, processes)
            if not run.directory.finished and run.experiment.as_data() == experiment.as_data():
                return run
        return None

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.directory.path

    @property
    def checkpoints(self) -> CheckpointFolder:
        """Its checkpoints: ``last``, ``best`` and the periodic ones."""
        return self.directory.checkpoints

    @cached_property
    def experiment(self) -> Experiment:
        """The resolved experiment."""
        return load_experiment(self.path / RunFile.EXPERIMENT)

    @cached_property
    def components(self) -> RunComponents:
        """What training needs, on the frozen trunk that the run began with.

        Raises:
            FacesimError: a table cannot be read or a component cannot be built.
        """
        trunk = self.path / RunFile.TRUNK
        return prepare(self.experiment, trunk if trunk.exists() else None, self.tables)

    def require_experiment(self, experiment: Experiment) -> None:
        """Refuse to go on with another experiment than the one that the run was started with.

        Raises:
            FacesimError: with the differences.
        """
        changed = differences(self.experiment.as_data(), experiment.as_data())
        if changed:
            listed = "\n".join(f"  {key}: {change}" for key, change in changed.items())
            raise FacesimError(
                f"{self.path} was started with another experiment; start a new run, or undo:\n"
                f"{listed}"
            )

    def train(self, on_epoch: OnEpoch = ignore_epoch) -> None:
        """Train the remaining epochs; does not evaluate the test split.

        Raises:
            Stopped: a signal came; the run can be resumed.
            TrainingCancelled: ``on_epoch`` ended the training.
        """
        with self._held() as session:
            self._train(session, on_epoch)

    def complete(self, on_epoch: OnEpoch = ignore_epoch) -> EvaluationResult:
        """Train the remaining epochs, and evaluate the best checkpoint on test.

        A run that was stopped comes to the same result as if it had never been.

        Raises:
            Stopped: a signal came; the run can be resumed.
            TrainingCancelled: ``on_epoch`` ended the training.
        """
        with self._held() as session:
            self._train(session, on_epoch)
            plan = plan_evaluation(self.directory, self.experiment, checkpoint=BEST)
            result = evaluate(plan, self.tables, session.processes)
            session.log.write("test", session.progress.step, result.values())
            return result

    def evaluate(
        self,
        *,
        overrides: Sequence[str] = (),
        plugins: Sequence[str] = (),
        name: str | None = None,
        checkpoint: str = BEST,
        recalibrate: bool = False,
    ) -> tuple[EvaluationPlan, EvaluationResult]:
        """Evaluate the trained run again, or on other data.

        Args:
            overrides: assignments as ``--set`` takes them; of data, image, evaluate, lint, device.
            plugins: files or modules whose plugins it uses besides the run's.
            name: of the evaluation; None for the run's own, ``test``.
            checkpoint: ``best``, ``last`` or the name of a periodic one.
            recalibrate: whether to choose new thresholds on val, instead of the run's.

        Raises:
            FacesimError: this cannot be evaluated under this name, the checkpoint or the data
                cannot be read, no thresholds apply, or another process holds the run.
            ProtocolError: the linter found what would make the results worthless.
        """
        if plugins:
            named = [
                str(Path(each).absolute()) if each.endswith(".py") else each for each in plugins
            ]
            every = [*self.experiment.plugins, *named]
            overrides = (f"plugins={json.dumps(every)}", *overrides)
        with self.directory.locked():
            plan = plan_evaluation(
                self.directory,
                self.experiment,
                overrides=overrides,
                name=name,
                checkpoint=checkpoint,
                recalibrate=recalibrate,
            )
            return plan, evaluate(plan, self.tables, self.processes)

    def read(self, name: str = OWN) -> RunFiles:
        """All that the directory holds about the run and one of its evaluations.

        Raises:
            DataError: a file is damaged; the message names it.
            FacesimError: there is no evaluation of that name, or an experiment does not load, for
                instance without one of its plugins.
        """
        return read_run(self.directory, self.experiment, name, self.tables)

    @contextmanager
    def _held(self) -> Iterator["_Session"]:
        """Lock the run directory, take up the last checkpoint, and log the final status on exit."""
        directory, experiment, components = self.directory, self.experiment, self.components
        last, reporter = self.checkpoints.last, self.processes.reporter
        reporter.say(f"run directory: {self.path}")
        deterministically = deterministic(experiment.train.deterministic)
        with directory.locked(), deterministically, stop_on_signals() as stop:
            for split in components.splits:
                table = split.table
                reporter.say(f"{split.name}: {len(table)} images of {len(table.labels)} identities")
                for note in table.notes:
                    reporter.say(f"{split.name}: {note}")
            progress = Progress()
            if last.exists():
                progress = restore_checkpoint(last, components.state)
                where = f"epoch {progress.epoch + 1}, batch {progress.batch + 1}"
                reporter.say(f"resuming at {where} (step {progress.step})")
            if not (self.path / RunFile.TRUNK).exists():
                save_trunk(self.path / RunFile.TRUNK, components.network)
            device = components.network.device
            record_environment(self.path / RunFile.ENVIRONMENT, experiment, device)
            log = RunLog(self.path / RunFile.LOG, self._started_trackers(), progress.log_bytes)
            interruptible = InterruptibleReporter(reporter, stop)
            try:
                yield _Session(progress, log, replace(self.processes, reporter=interruptible))
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

    def _train(self, session: "_Session", on_epoch: OnEpoch) -> None:
        val_pairs = self.directory.pairs_file("val")
        trainer = Trainer(
            self.components,
            session.progress,
            checkpoints=self.checkpoints,
            log=session.log,
            val_pairs=evaluation_pairs(val_pairs, self.experiment, self.components.val),
            processes=session.processes,
        )
        trainer.train(on_epoch)

    def _started_trackers(self) -> tuple[Tracker, ...]:
        """All trackers, started; if one cannot be, those before it are told that the run failed."""
        trackers = self.components.trackers
        with ExitStack() as undoing:
            for tracker in trackers:
                tracker.start(self.path, self.experiment.name, self.experiment.as_data())
                undoing.callback(tracker.finish, "failed")
            undoing.pop_all()
        return trackers


@dataclass(frozen=True)
class _Session:
    """A run that this process holds.

    Attributes:
        progress: where its last checkpoint left it.
        log: where it is logged.
        processes: report the progress, and stop at a signal.
    """

    progress: Progress
    log: RunLog
    processes: Processes
