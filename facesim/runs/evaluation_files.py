"""The files that an evaluation leaves."""

from facesim.atomic import write_text
from facesim.data.linter.findings import LintReport
from facesim.evaluation.calibration import Calibration
from facesim.interfaces import FaceTable
from facesim.interfaces.protocol import Measurement
from facesim.runs.directory import EXPERIMENT_FILE
from facesim.runs.evaluation_plan import OWN, EvaluationPlan
from facesim.runs.scored_pairs import write_scored_pairs


def begin_files(plan: EvaluationPlan) -> None:
    """Make the folder, with what is evaluated where that is not what the run's experiment says.

    Pairs of an earlier attempt that came to no end go: its settings may have been others.
    """
    plan.folder.mkdir(parents=True, exist_ok=True)
    if plan.name == OWN:
        return
    if not plan.is_done:
        plan.pairs_file.unlink(missing_ok=True)
        (plan.folder / "val_pairs.csv").unlink(missing_ok=True)
    write_text(plan.folder / EXPERIMENT_FILE, plan.experiment.as_yaml())


def write_files(
    plan: EvaluationPlan,
    lint: LintReport,
    calibration: Calibration,
    measured: Measurement,
    table: FaceTable,
) -> None:
    """Write the metrics, what they rest on, and every pair with its score and probability."""
    if plan.recalibrates:
        write_text(plan.calibration_file, calibration.to_json())
    write_text(plan.folder / "lint.json", lint.model_dump_json(indent=2) + "\n")
    if measured.scored is not None:  # all pairs of 20,000 images would fill ten gigabytes
        scores = measured.scored.scores
        sigmoid = calibration.probability
        probabilities = None if sigmoid is None else sigmoid.probability(scores)
        write_scored_pairs(plan.folder, table, measured.scored, probabilities)
    write_text(plan.folder / "metrics.json", measured.result.to_json())
