"""Run: lint, train, evaluate, and resume where it stopped."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TypedDict, Unpack

from facesim.data.linter.findings import LintReport
from facesim.data.linter.protocol import lint_protocol
from facesim.discovery import record_consent
from facesim.errors import FacesimError
from facesim.experiment.decisions import Decision, decided
from facesim.experiment.differences import differences, with_values_of
from facesim.experiment.loading import (
    as_before,
    keys_left_out,
    load_run_experiment,
    read_run_experiment,
)
from facesim.experiment.nodes import KeyPath
from facesim.experiment.schema import Experiment
from facesim.interfaces.result import EvaluationResult
from facesim.json_files import write_json
from facesim.processes import Processes
from facesim.reporters import Reporter, TitledReporter
from facesim.runs.directory import EvaluationFile, RunDirectory, RunFile
from facesim.runs.environment import read_decisions
from facesim.runs.evaluation import evaluate
from facesim.runs.evaluation_plan import OWN, EvaluationPlan, plan_evaluation
from facesim.runs.folds import evaluate_together
from facesim.runs.follower import share_experiment, share_start
from facesim.runs.log import TrainingLog, read_log
from facesim.runs.presentation import Presentation
from facesim.runs.run_files import RunFiles, read_run
from facesim.runs.session import Session, Stage, own_result, run_session, stages_of
from facesim.training.build import RunComponents, Tables, prepare
from facesim.training.checkpoint import BEST, CheckpointFolder
from facesim.training.determinism import deterministic
from facesim.training.evaluation_pairs import choose_all_pairs, evaluation_pairs
from facesim.training.lint import lint_experiment
from facesim.training.stop import stop_on_signals, stoppable
from facesim.training.trainer import OnEpoch, Trainer, ignore_epoch


class EvaluationChoices(TypedDict, total=False):
    """What an evaluation may choose: see :meth:`Run.plan_evaluation`."""

    overrides: Sequence[str]
    plugins: Sequence[str]
    name: str | None
    checkpoint: str
    recalibrate: bool


_MAY_CHANGE = ("train.threads",)
"""What a resumed run may have otherwise than it began with, because it was asked for."""


class Run:
    """A run: its directory and its life cycle.

    Experiment, tables and components are read and built when they are first used, and once. To read
    a run imports none of its plugins; to build its components does.

    Args:
        directory: where everything of the run is kept.
        processes: work on it, and report the progress; one that is silent by default.
        experiment: the resolved experiment, where it has been read; from the directory otherwise.
        trust: whether to import its plugins also if this user's own experiment did not name them
            when the run began.

    Attributes:
        decisions: what was decided for it elsewhere, by a search; the rest it decides when it
            begins.
    """

    def __init__(
        self,
        directory: RunDirectory,
        processes: Processes | None = None,
        experiment: Experiment | None = None,
        *,
        trust: bool = False,
    ) -> None:
        self.trust = trust
        self.directory = directory
        self.processes = processes or Processes()
        self.tables = Tables(self.processes.reporter)
        self.decisions: Mapping[str, Decision] = {}
        if experiment is not None:
            self.experiment = experiment

    @classmethod
    def begin(
        cls,
        experiment: Experiment,
        out: Path,
        processes: Processes | None = None,
        on_created: Callable[[Path], None] | None = None,
    ) -> "Run":
        """Build an experiment's components, lint it, and make its run directory; trains nothing.

        Args:
            experiment: resolved.
            out: the folder of its run directories' folder.
            processes: work on it, and report the progress.
            on_created: called with the directory as soon as there is one.

        Raises:
            FacesimError: something cannot be built or read; nothing is written then.
            ProtocolError: the linter found what would make the results worthless.
        """
        processes = processes or Processes()
        tables = Tables(processes.reporter)
        one = experiment if experiment.folds is None else experiment.of_fold(1)
        components = prepare(one, tables=tables)
        lint = _lint_folds(experiment, tables, processes) if experiment.folds else None
        lint = lint or _lint(components, processes)
        run = cls(RunDirectory.create(out, experiment), processes, experiment)
        if on_created is not None:
            on_created(run.path)
        run.tables = tables
        if not experiment.folds:
            run.components = components
        run.record_consent()
        write_json(run.path / RunFile.LINT, lint)
        return run

    @classmethod
    def open(cls, path: Path, processes: Processes | None = None, *, trust: bool = False) -> "Run":
        """The run that a directory holds, finished or not.

        Args:
            path: the directory.
            processes: work on it, and report the progress.
            trust: whether to import its plugins without consent, once they are needed.

        Raises:
            FacesimError: it is not a run directory.
        """
        return cls(RunDirectory(path), processes, trust=trust)

    @classmethod
    def latest_unfinished(
        cls, experiment: Experiment, out: Path, processes: Processes | None = None
    ) -> "Run | None":
        """The newest unfinished run of the same resolved experiment in ``out``.

        Other evaluations than its own are not looked at. A run that cannot be read, or that another
        user or program left, is named and passed over.
        """
        processes = processes or Processes()
        made = (out / experiment.name).glob(f"[!.]*/{RunFile.EXPERIMENT}")
        for file in sorted(made, reverse=True):
            try:
                run = cls.open(file.parent, processes)
                if run.missing_stages and not run.changes(experiment):
                    run.take_experiment(experiment)
                    return run
            except (FacesimError, OSError) as error:
                processes.reporter.say(f"{file.parent} is passed over, it cannot be read: {error}")
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
        """The resolved experiment, with its plugins imported.

        Raises:
            UntrustedPluginsError: this user's own experiment did not name them.
        """
        file = self.path / RunFile.EXPERIMENT
        return as_before(load_run_experiment(file, trust=self.trust))

    @property
    def recorded(self) -> Experiment:
        """The resolved experiment, to be shown and compared: no plugin file is imported for it."""
        return self.experiment if "experiment" in vars(self) else self._recorded

    @cached_property
    def components(self) -> RunComponents:
        """The components for training, with the frozen trunk that the run began with.

        Raises:
            FacesimError: a table cannot be read or a component cannot be built.
        """
        trunk = self.path / RunFile.TRUNK
        experiment = self._as_decided(self.experiment)
        return prepare(experiment, trunk if trunk.exists() else None, self.tables)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of the run in order, each done or not."""
        if self.recorded.folds:
            return self._stages_of_folds(self.recorded.folds)
        return stages_of(self.directory, self.recorded.train.epochs)

    @property
    def missing_stages(self) -> tuple[str, ...]:
        """The stages that ``facesim run`` still has to do; without named evaluations."""
        own = ("lint", "train", f"evaluate {OWN}", "report")
        return tuple(
            stage.name
            for stage in self.stages
            if not stage.is_done and (stage.name in own or stage.name.startswith("fold "))
        )

    @property
    def folds(self) -> "tuple[Run, ...]":
        """The runs of its folds that have begun, in order; none where there are no folds."""
        begun = self.directory.begun_folds(self.recorded.folds)
        runs = [Run(each, self.processes, trust=self.trust) for each in begun]
        for run in runs:
            run.tables = self.tables
        return tuple(run for run in runs if run.recorded.folds is None)

    def require_one_network(self, instead: str) -> None:
        """Raise if the run has a network per fold, none of which is the run's.

        Args:
            instead: what to do with the run of one fold, for the message.

        Raises:
            FacesimError: it has.
        """
        if self.recorded.folds:
            raise FacesimError(
                f"{self.path} holds {self.recorded.folds} networks, one per fold, and none of them "
                f"is the network of this run; {instead}, or train one on all of the people with "
                "`evaluate: {protocol: pairs}` and `data: {split: {ratios: ...}}`"
            )

    @property
    def log(self) -> TrainingLog | None:
        """Its log so far; None before the first start."""
        return read_log(self.path / RunFile.LOG)

    def changes(self, experiment: Experiment, moved: Sequence[KeyPath] = ()) -> dict[str, str]:
        """What an experiment changes of the run's, ``old -> new`` by dotted key.

        A run of before ``evaluate.seed`` and ``image.fit`` existed keeps its pairs and pixels under
        a file that leaves them out.
        """
        now = self._meant(experiment).as_data()
        changed = differences(with_values_of(now, moved, self.recorded.as_data()), now)
        return {key: change for key, change in changed.items() if key not in _MAY_CHANGE}

    def take_experiment(self, experiment: Experiment, moved: Sequence[KeyPath] = ()) -> None:
        """Go on with this user's own experiment, whose plugins are imported, instead of the run's.

        Args:
            experiment: the user's.
            moved: keys of paths that are known to lead to the same as the run's, from another
                machine; the run's own record becomes this machine's.

        Raises:
            FacesimError: it is not the one that the run was started with; with the differences.
        """
        changed = self.changes(experiment, moved)
        if changed:
            listed = "\n".join(f"  {key}: {change}" for key, change in changed.items())
            raise FacesimError(
                f"{self.path} was started with another experiment; start a new run, or undo:\n"
                f"{listed}"
            )
        meant = self._meant(experiment)
        if moved and self.changes(experiment):
            meant.save(self.path / RunFile.EXPERIMENT)
        self.experiment = meant
        self.record_consent()

    def record_consent(self) -> None:
        """Record outside of the directory that this user's experiment names the run's plugins."""
        content = (self.path / RunFile.EXPERIMENT).read_bytes()
        lost = record_consent(content, self.experiment.plugins)
        if lost is not None:
            self.processes.reporter.say(lost)

    def train(self, on_epoch: OnEpoch = ignore_epoch) -> None:
        """Train the remaining epochs; does not evaluate the test split.

        Raises:
            Stopped: a signal came; the run can be resumed.
            TrainingCancelled: ``on_epoch`` ended the training.
        """
        self.require_one_network("train the folds with `facesim run`")
        with (
            self.directory.keeping_traceback(),
            self._session() as session,
        ):
            share_start(session.processes, self.components, self.tables, session.progress)
            self._train(session, on_epoch)

    def complete(self, on_epoch: OnEpoch = ignore_epoch) -> EvaluationResult:
        """Train the remaining epochs, and evaluate the best checkpoint on test if not done yet.

        A run that was stopped comes to the same result as if it had never been.

        Raises:
            Stopped: a signal came; the run can be resumed.
            TrainingCancelled: ``on_epoch`` ended the training.
        """
        if self.experiment.folds:
            return self._complete_folds(self.experiment.folds, on_epoch)
        with (
            self.directory.keeping_traceback(),
            self._session() as session,
        ):
            if not (self.path / RunFile.LINT).exists():  # a kill came before it was written
                write_json(self.path / RunFile.LINT, _lint(self.components, session.processes))
            share_start(session.processes, self.components, self.tables, session.progress)
            self._train(session, on_epoch)
            result = own_result(self.directory)
            if result is None:
                plan = plan_evaluation(self.directory, self.experiment, checkpoint=BEST)
                result = evaluate(plan, self.tables, session.processes)
            session.log.write("test", session.progress.step, result.values())
            return result

    def evaluate(
        self, **choices: Unpack[EvaluationChoices]
    ) -> tuple[EvaluationPlan, EvaluationResult]:
        """Evaluate the trained run again, or on other data.

        Args:
            choices: as :meth:`plan_evaluation` takes them.

        Raises:
            FacesimError: this cannot be evaluated under this name, the checkpoint or the data
                cannot be read, no thresholds apply, or another process holds the run.
            UntrustedPluginsError: this user's own experiment did not name the run's plugins.
            ProtocolError: the linter found what would make the results worthless.
            Stopped: a signal came to one of several processes.
        """
        self._require_one_evaluated()
        with (
            self.directory.locked(),
            self.directory.keeping_traceback(),
            stoppable(self.processes) as processes,
        ):
            plan = self.plan_evaluation(**choices)
            experiment = plan.experiment
            with deterministic(experiment.train.deterministic):
                share_experiment(processes, self._as_decided(experiment), self.tables)
                return plan, evaluate(plan, self.tables, processes)

    def plan_evaluation(
        self,
        *,
        overrides: Sequence[str] = (),
        plugins: Sequence[str] = (),
        name: str | None = None,
        checkpoint: str = BEST,
        recalibrate: bool = False,
    ) -> EvaluationPlan:
        """Plan an evaluation of the trained run; writes nothing.

        Args:
            overrides: assignments as ``--set`` takes them; of data, image, evaluate, lint, device.
            plugins: files or modules whose plugins it uses besides the run's.
            name: of the evaluation; None for the run's own, ``test``.
            checkpoint: ``best``, ``last`` or the name of a periodic one.
            recalibrate: whether to choose new thresholds on val, instead of the run's.

        Raises:
            FacesimError: this cannot be evaluated under this name.
            UntrustedPluginsError: this user's own experiment did not name the run's plugins.
        """
        self._require_one_evaluated()
        if plugins:
            every = json.dumps([*self.experiment.plugins, *plugins])
            overrides = (f"plugins={every}", *overrides)
        return plan_evaluation(
            self.directory,
            self.experiment,
            overrides=overrides,
            name=name,
            checkpoint=checkpoint,
            recalibrate=recalibrate,
            trust=self.trust,
        )

    def read(self, name: str = OWN) -> RunFiles:
        """Read the run and one of its evaluations from the directory.

        Raises:
            DataError: a file is damaged; the message names it.
            FacesimError: there is no evaluation of that name, or an experiment does not load, for
                instance without one of its plugins.
        """
        return read_run(self.directory, self.recorded, name, self.tables)

    def _complete_folds(self, folds: int, on_epoch: OnEpoch) -> EvaluationResult:
        """Complete the run of one fold after another, and evaluate them together.

        What is done already is left as it is; together they are evaluated anew each time, which
        gives the same and takes seconds.
        """
        reporter = self.processes.reporter
        reporter.say(f"run directory: {self.path}")
        with (
            self.directory.locked(),
            self.directory.keeping_traceback(),
            stop_on_signals(self.processes) as stop,
        ):
            self.directory.remove_leftovers()
            if not (self.path / RunFile.LINT).exists():  # a kill came before it was written
                lint = _lint_folds(self.experiment, self.tables, self.processes)
                write_json(self.path / RunFile.LINT, lint)
            presentation = self.path / RunFile.PRESENTATION
            if not presentation.exists():
                write_json(presentation, Presentation.of(self.experiment))
            done = {stage.name for stage in self.stages if stage.is_done}
            for number in range(1, folds + 1):
                stop.check()
                title = f"fold {number} of {folds}"
                reporter.say(f"{title}: done already" if f"fold {number}" in done else title)
                fold = self._fold(number, TitledReporter(reporter, title))
                if not (fold.path / RunFile.LINT).exists():  # what is in it was said of all folds
                    found = lint_experiment(fold.experiment, Processes(), self.tables)
                    write_json(fold.path / RunFile.LINT, found.report)
                if set(fold.missing_stages) - {"report"}:
                    fold.complete(on_epoch)
            stop.check()
            tested = [fold.read() for fold in self.folds]
            return evaluate_together(self.directory, self.experiment, tested, self.tables)

    def _fold(self, number: int, reporter: Reporter) -> "Run":
        """The run of a fold, which begins if it has not."""
        experiment = self.experiment.of_fold(number)
        if self.directory.fold(number).exists():
            directory = RunDirectory(self.directory.fold(number))
        else:
            directory = self.directory.create_fold(number, experiment)
        run = Run(directory, replace(self.processes, reporter=reporter), experiment)
        run.tables = self.tables
        run.record_consent()
        return run

    def _stages_of_folds(self, folds: int) -> tuple[Stage, ...]:
        begun = {int(each.path.name): each for each in self.folds}
        done = {
            number: number in begun and not set(begun[number].missing_stages) - {"report"}
            for number in range(1, folds + 1)
        }
        evaluated = (self.directory.evaluation(OWN) / EvaluationFile.METRICS).is_file()
        return (
            Stage("lint", (self.path / RunFile.LINT).is_file()),
            *(Stage(f"fold {number}", is_done) for number, is_done in done.items()),
            Stage(f"evaluate {OWN}", evaluated and all(done.values())),
            Stage("report", (self.path / RunFile.REPORT).is_file()),
        )

    def _require_one_evaluated(self) -> None:
        self.require_one_network(f"evaluate one of them, as in `facesim eval {self.path}/folds/1`")

    @cached_property
    def _recorded(self) -> Experiment:
        return as_before(self._written)

    @cached_property
    def _written(self) -> Experiment:
        return read_run_experiment(self.path / RunFile.EXPERIMENT)

    def _meant(self, experiment: Experiment) -> Experiment:
        return as_before(experiment, keys_left_out(self._written) & keys_left_out(experiment))

    @contextmanager
    def _session(self) -> Iterator[Session]:
        components = replace(self.components, decisions=self.decisions)
        with run_session(self.directory, components, self.tables, self.processes) as session:
            self.components = session.components
            yield session

    def _as_decided(self, experiment: Experiment) -> Experiment:
        """This experiment with what was decided when the run began."""
        return decided(experiment, read_decisions(self.path))

    def _train(self, session: Session, on_epoch: OnEpoch) -> None:
        presentation = self.path / RunFile.PRESENTATION
        if not presentation.exists():
            unit = self.components.state.network.loss.score_unit
            told = Presentation.of(self.experiment).model_copy(update={"score_unit": unit})
            write_json(presentation, told)
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


def _lint_folds(experiment: Experiment, tables: Tables, processes: Processes) -> LintReport:
    """Lint every fold before the first is trained, and report the warnings.

    Raises:
        ProtocolError: an error was found.
    """
    lint = lint_experiment(experiment, processes, tables).report
    lint.require_no_errors()
    for warning in lint.findings:
        processes.reporter.say(str(warning))
    return lint


def _lint(components: RunComponents, processes: Processes) -> LintReport:
    """Lint a run's splits and pairs, and report the warnings.

    Raises:
        ProtocolError: an error was found.
    """
    experiment, splits = components.experiment, components.splits
    pairs = choose_all_pairs(experiment, splits[1:])
    lint = lint_protocol(experiment, splits, pairs, processes)
    lint.require_no_errors()
    for warning in lint.findings:
        processes.reporter.say(str(warning))
    return lint
