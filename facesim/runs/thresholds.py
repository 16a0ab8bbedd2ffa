"""The run's own thresholds, and whether they apply to an evaluation."""

import json

from facesim.data.preprocessing import Preprocessing
from facesim.errors import FacesimError
from facesim.evaluation.calibration import Calibration, Provenance
from facesim.json_files import read_json
from facesim.runs.evaluation_plan import EvaluationPlan
from facesim.runs.files import EVALUATE_AGAIN, RunFile
from facesim.training.checkpoint import checkpoint_digest


def calibration_of_the_run(plan: EvaluationPlan) -> Calibration:
    """Thresholds and probabilities that the run chose on its own val.

    Raises:
        FacesimError: there are none, or they were chosen with another checkpoint, preprocessing
            or score.
    """
    run = plan.directory.path
    file = run / RunFile.CALIBRATION
    calibration = read_json(file, Calibration, remedy=EVALUATE_AGAIN)
    if calibration is None:
        raise FacesimError(
            f"{run} has no thresholds yet; evaluate its own test data first, with "
            f"`facesim eval {run}`"
        )
    try:
        calibration.check_applies_to(provenance(plan))
    except FacesimError as error:
        raise FacesimError(
            f"{file}: {error}: add --recalibrate. Where val's images do not fit the changed "
            "preprocessing, choose them on other images, with --set data.val=... as well"
        ) from None
    return calibration


def provenance(plan: EvaluationPlan) -> Provenance:
    """What the scores of an evaluation are made with."""
    return Provenance(
        preprocessing=Preprocessing.of(plan.experiment.image).provenance,
        score=json.dumps(plan.experiment.loss.as_node(), sort_keys=True),
        checkpoint=checkpoint_digest(plan.directory.checkpoints.file(plan.checkpoint)),
    )
