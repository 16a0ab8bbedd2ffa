"""The files that an evaluation writes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from facesim.arrays import FloatArray
from facesim.atomic import write_text
from facesim.data.linter.findings import LintReport
from facesim.discovery import record_consent
from facesim.evaluation.baselines import Baseline
from facesim.evaluation.calibration import Calibration
from facesim.evaluation.slices import Slices
from facesim.experiment.schema import Experiment
from facesim.interfaces import FaceTable
from facesim.interfaces.protocol import Measurement
from facesim.json_files import write_json
from facesim.runs.directory import EvaluationFile
from facesim.runs.evaluation_plan import OWN, EvaluationPlan
from facesim.runs.presentation import Presentation
from facesim.runs.scored_pairs import write_baseline_scores, write_scored_pairs


@dataclass(frozen=True, eq=False)
class EvaluationOutcome:
    """The results of an evaluation.

    Attributes:
        table: the images.
        lint: the linter's findings.
        calibration: the thresholds, and the probabilities; None where folds have their own.
        measured: the metrics, and the scored pairs where they are kept.
        baselines: of the same comparisons; none where the experiment asks for none.
        slices: by attribute; None where there is nothing to compare.
        of_folds: float64 [P], the probabilities from the calibrations of the folds.
        baseline_scores: float64 [P] of each baseline by name, which only a fold keeps.
    """

    table: FaceTable
    lint: LintReport
    calibration: Calibration | None
    measured: Measurement
    baselines: tuple[Baseline, ...]
    slices: Slices | None
    of_folds: FloatArray | None = None
    baseline_scores: Mapping[str, FloatArray] = field(default_factory=dict)

    @property
    def probabilities(self) -> FloatArray | None:
        """Of showing one person, float64 [P]; None where no calibration gives them."""
        scored, calibration = self.measured.scored, self.calibration
        if scored is None or calibration is None or calibration.probability is None:
            return self.of_folds
        return calibration.probability.probability(scored.scores)


def begin_files(plan: EvaluationPlan) -> None:
    """Create the folder, with the experiment if it differs from the run's.

    Pairs of an earlier attempt that came to no end go: its settings may have been others.
    """
    plan.folder.mkdir(parents=True, exist_ok=True)
    if plan.name == OWN:
        return
    if not plan.is_done:
        plan.pairs_file.unlink(missing_ok=True)
        (plan.folder / EvaluationFile.VAL_PAIRS).unlink(missing_ok=True)
    written = plan.experiment.as_yaml()
    write_text(plan.folder / EvaluationFile.EXPERIMENT, written)
    record_consent(written.encode(), plan.experiment.plugins)


def write_files(plan: EvaluationPlan, found: EvaluationOutcome) -> None:
    """Write the results of an evaluation, ``metrics.json`` last.

    A file for which there is nothing to write is deleted.
    """
    folder = plan.folder
    (folder / EvaluationFile.METRICS).unlink(missing_ok=True)
    if plan.recalibrates and found.calibration is not None:
        write_json(plan.calibration_file, found.calibration)
    write_results(folder, plan.experiment, found)


def write_results(folder: Path, experiment: Experiment, found: EvaluationOutcome) -> None:
    """Write what was measured into the folder of an evaluation, ``metrics.json`` last."""
    measured = found.measured
    (folder / EvaluationFile.METRICS).unlink(missing_ok=True)
    write_json(folder / EvaluationFile.LINT, found.lint)
    _write_or_delete(folder / EvaluationFile.BASELINES, found.baselines)
    _write_or_delete(folder / EvaluationFile.SLICES, found.slices)
    write_baseline_scores(folder, found.baseline_scores)
    if measured.scored is not None:  # all pairs of 20,000 images would fill ten gigabytes
        write_scored_pairs(folder, found.table, measured.scored, found.probabilities)
    else:
        for file in (EvaluationFile.SCORES, EvaluationFile.IDENTITIES):
            (folder / file).unlink(missing_ok=True)
    presentation = Presentation.of(experiment, measured.result)
    write_json(folder / EvaluationFile.PRESENTATION, presentation)
    write_json(folder / EvaluationFile.METRICS, measured.result)


def _write_or_delete(path: Path, content: BaseModel | tuple[BaseModel, ...] | None) -> None:
    if content:
        write_json(path, content)
    else:
        path.unlink(missing_ok=True)
