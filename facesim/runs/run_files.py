"""Reading a run directory for reports; missing parts are None or empty."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from facesim.console import warn_once
from facesim.data.linter.findings import LintReport
from facesim.errors import FacesimError, did_you_mean
from facesim.evaluation.baselines import Baseline
from facesim.evaluation.calibration import Calibration
from facesim.evaluation.headline import metrics_of_result
from facesim.evaluation.slices import Slices
from facesim.experiment.loading import as_before, read_run_experiment
from facesim.experiment.schema import Experiment
from facesim.interfaces.metric import Metric, Quantity
from facesim.interfaces.protocol import ProtocolReport
from facesim.interfaces.result import EvaluationResult
from facesim.json_files import read_json
from facesim.runs.directory import (
    EVALUATE_AGAIN,
    EVALUATION_NAME,
    FOLDS,
    EvaluationFile,
    RunDirectory,
    RunFile,
)
from facesim.runs.environment import Start, read_starts
from facesim.runs.evaluation_plan import OWN
from facesim.runs.log import TrainingLog, loss_of_entries, lost_bytes, read_log
from facesim.runs.presentation import Presentation, best_of_training, shown_metrics
from facesim.runs.scored_pairs import (
    NamedPairs,
    PairIdentities,
    ScoredImages,
    read_scored_pairs,
)
from facesim.training.build import Tables
from facesim.training.checkpoint import read_checkpoint

T = TypeVar("T")


@dataclass(frozen=True)
class RunFiles:
    """A run directory, read.

    Attributes:
        path: the run directory.
        name: of the evaluation.
        experiment: as it was resolved.
        evaluated: the same with what the evaluation changed, such as other data.
        starts: one entry per start of the run.
        log: what training logged.
        result: the evaluation's metrics.
        pairs: the evaluation's scored pairs.
        baselines: on the same pairs.
        slices: by attribute.
        calibration: thresholds and probabilities from val.
        lint: what the linter found of the run and of the evaluation; None if it did not run.
        training_presentation: describes what training measured.
        presentation: describes what the evaluation measured.
        tables: where the tables are kept that are read.
        folds: the runs of its folds that have begun, in order; none where there are no folds.
    """

    path: Path
    name: str
    experiment: Experiment
    evaluated: Experiment
    starts: tuple[Start, ...]
    log: TrainingLog | None
    result: EvaluationResult | None
    pairs: NamedPairs | None
    baselines: tuple[Baseline, ...]
    slices: Slices | None
    calibration: Calibration | None
    lint: LintReport | None
    training_presentation: Presentation
    presentation: Presentation
    tables: Tables
    folds: "tuple[RunFiles, ...]" = ()

    def images(self, pairs: NamedPairs) -> ScoredImages:
        """The images of the evaluation's pairs, which may have moved since.

        Raises:
            FacesimError: the table cannot be read, or is not the one that was evaluated.
        """
        try:
            table = self.tables.read("test", self.evaluated).table
        except OSError as error:
            raise FacesimError(f"{error.filename}: {error.strerror}") from error
        return ScoredImages.find(pairs, table)

    def identities(self, pairs: NamedPairs) -> PairIdentities:
        """The identities of the evaluation's pairs.

        Raises:
            FacesimError: the run is of format 1, which leaves them to the table, and that cannot
                be read.
        """
        return pairs.identities or self.images(pairs).identities(pairs.same)

    @property
    def metrics(self) -> dict[str, Metric]:
        """The metrics that the evaluation measured, by name, that of the headline first."""
        metrics = shown_metrics(self.evaluated, self.presentation)
        return metrics if self.result is None else metrics_of_result(self.result, metrics)

    @property
    def training_metrics(self) -> dict[str, Metric]:
        """The metrics that training measured on val, by name."""
        return shown_metrics(self.experiment, self.training_presentation)

    @property
    def score_unit(self) -> str:
        """What a score of the run is, such as ``cosine``; empty where nothing says so."""
        return self.training_presentation.score_unit

    @property
    def best_of_training(self) -> Quantity | None:
        """The quantity that the best checkpoint is kept by; None where nothing describes it."""
        return best_of_training(self.experiment, self.training_presentation)

    @property
    def protocol_report(self) -> ProtocolReport:
        """What the evaluation's protocol adds to the report."""
        if self.result is None:
            return ProtocolReport()
        if self.evaluated.evaluate.protocol.plugin.is_stand_in:
            return self.presentation.protocol_report()
        return self.evaluated.evaluate.protocol.build().report(self.result)

    @property
    def title(self) -> str:
        """``name/run id``, which tells runs of one experiment apart."""
        path, split = self.path.absolute(), self.experiment.data.split
        if path.parent.name == FOLDS and split is not None and split.fold is not None:
            path, fold = path.parent.parent, f" / fold {split.fold}"
        else:
            fold = ""
        return f"{self.experiment.name} / {path.name}{fold}"

    @property
    def status(self) -> str:
        """How training ended, or that of the first fold which did not finish."""
        if self.experiment.folds is None:
            return self.log.status if self.log else "not started"
        of_folds = [fold.status for fold in self.folds]
        of_folds += ["not started"] * (self.experiment.folds - len(of_folds))
        return next((each for each in of_folds if each != "finished"), "finished")


def read_run(
    directory: RunDirectory, experiment: Experiment, name: str, tables: Tables
) -> RunFiles:
    """Read a run and one of its evaluations.

    Args:
        directory: of the run.
        experiment: of the run.
        name: of the evaluation.
        tables: where the tables are kept that are read.

    Raises:
        DataError: a file is damaged; the message names it.
        FacesimError: there is no evaluation of that name, or the experiment does not load, for
            instance without one of its plugins.
    """
    path, folder = directory.path, directory.evaluation(name)
    if name != OWN and not (EVALUATION_NAME.fullmatch(name) and folder.is_dir()):
        known = sorted(each.name for each in (path / "eval").glob("*"))
        raise FacesimError(
            f"{path} has no evaluation {name!r}{did_you_mean(name, known)}; it has "
            f"{', '.join(known) or 'none'}"
        )
    changed, evaluated = folder / EvaluationFile.EXPERIMENT, experiment
    if changed.is_file():
        evaluated = as_before(read_run_experiment(changed))
    folds = []
    for each in directory.begun_folds(experiment.folds):
        of_fold = as_before(read_run_experiment(each.experiment_file))
        if of_fold.folds is None:  # a fold has none of its own
            folds.append(read_run(each, of_fold, OWN, tables))
    return RunFiles(
        path=path,
        name=name,
        experiment=experiment,
        evaluated=evaluated,
        starts=folds[0].starts if folds else read_starts(path / RunFile.ENVIRONMENT),
        log=_checked_log(directory),
        result=_read(folder / EvaluationFile.METRICS, EvaluationResult),
        pairs=read_scored_pairs(folder),
        baselines=_read(folder / EvaluationFile.BASELINES, tuple[Baseline, ...]) or (),
        slices=_read(folder / EvaluationFile.SLICES, Slices),
        calibration=_read(folder / EvaluationFile.CALIBRATION, Calibration)
        or _read(path / RunFile.CALIBRATION, Calibration),
        training_presentation=_read(path / RunFile.PRESENTATION, Presentation) or Presentation(),
        presentation=_read(folder / EvaluationFile.PRESENTATION, Presentation) or Presentation(),
        lint=_read_lint(path / RunFile.LINT, folder / EvaluationFile.LINT),
        tables=tables,
        folds=tuple(folds),
    )


def _checked_log(directory: RunDirectory) -> TrainingLog | None:
    """The log; where it has no end, whose digest is known, checked up to the last checkpoint.

    Raises:
        DataError: it is damaged.
    """
    path, last = directory.path / RunFile.LOG, directory.checkpoints.last
    log = read_log(path)
    if (log is None or log.status == "running") and last.exists():
        progress = read_checkpoint(last)["progress"]
        content = b"" if log is None else path.read_bytes()
        kept = progress.get("log_bytes", 0), progress.get("log_sha256", "")
        if lost := lost_bytes(path, content, *kept):
            warn_once(f"{directory.path.name}: {loss_of_entries(lost)}")
    return log


def _read_lint(*paths: Path) -> LintReport | None:
    """The findings of all of them without duplicates, and of each split the last description."""
    reports = [report for path in paths if (report := _read(path, LintReport)) is not None]
    if not reports:
        return None
    findings = dict.fromkeys(finding for report in reports for finding in report.findings)
    images = {images.name: images for report in reports for images in report.images}
    return LintReport(findings=tuple(findings), images=tuple(images.values()))


def _read(path: Path, kind: type[T]) -> T | None:
    return read_json(path, kind, remedy=EVALUATE_AGAIN)
