"""The thresholds of an evaluation: chosen on val, or taken from where the run chose them."""

import json
from hashlib import sha256

from facesim.errors import FacesimError
from facesim.evaluation.calibration import Calibration, Provenance, calibrate, read_calibration
from facesim.runs.evaluation_plan import EvaluationPlan
from facesim.runs.scorer import Evaluator
from facesim.training.build import load_split
from facesim.training.checkpoint import checkpoint_digest
from facesim.training.evaluation_pairs import evaluation_pairs


def thresholds_for(plan: EvaluationPlan, scorer: Evaluator) -> Calibration:
    """Thresholds and probabilities that apply to what the plan's settings give for scores.

    Raises:
        FacesimError: val cannot be read or allows no pairs; or the run's thresholds, which are to
            be used, were chosen with another checkpoint, preprocessing or score.
    """
    return _choose(plan, scorer) if plan.recalibrates else _of_the_run(plan)


def _choose(plan: EvaluationPlan, scorer: Evaluator) -> Calibration:
    val = load_split(plan.experiment, "val", scorer.network)
    pairs = evaluation_pairs(plan.val_pairs_file, plan.experiment, val)
    return calibrate(
        scorer.score(val, pairs).scores,
        pairs.same,
        split="val",
        pairs_sha256=sha256(plan.val_pairs_file.read_bytes()).hexdigest(),
        provenance=_provenance(plan),
    )


def _of_the_run(plan: EvaluationPlan) -> Calibration:
    file = plan.run.calibration_file
    if not file.exists():
        raise FacesimError(
            f"{plan.run.path} has no thresholds yet; evaluate its own test data first, with "
            f"`facesim eval {plan.run.path}`"
        )
    calibration = read_calibration(file)
    try:
        calibration.check_applies_to(_provenance(plan))
    except FacesimError as error:
        raise FacesimError(
            f"{file}: {error}: add --recalibrate. Where val's images do not fit the changed "
            "preprocessing, choose them on other images, with --set data.val=... as well"
        ) from None
    return calibration


def _provenance(plan: EvaluationPlan) -> Provenance:
    return Provenance(
        preprocessing=plan.experiment.image.model_dump_json(),
        score=json.dumps(plan.experiment.loss.as_node(), sort_keys=True),
        checkpoint=checkpoint_digest(plan.run.checkpoints.file(plan.checkpoint)),
    )
