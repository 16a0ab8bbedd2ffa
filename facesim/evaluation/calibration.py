"""Calibration on ``val``: thresholds, and probabilities of scores."""

import numpy as np
import numpy.typing as npt
from pydantic import FiniteFloat, NonNegativeInt

from facesim.arrays import BoolArray, FloatArray
from facesim.errors import FacesimError
from facesim.evaluation.operating_points import OperatingPoint, choose_operating_points
from facesim.evaluation.probabilities import Sigmoid, expected_calibration_error, fit_sigmoid
from facesim.interfaces.roc import SortedPairs, checked_scores
from facesim.json_files import JsonModel


class Provenance(JsonModel):
    """What scores were made with; each entry is a text that identifies one component.

    Attributes:
        preprocessing: from image files to pixels: crop, size, normalisation.
        score: the function that compares two embeddings.
        checkpoint: the weights.
    """

    preprocessing: str
    score: str
    checkpoint: str


class ProbabilityMap(JsonModel):
    """From a score to the probability of a genuine pair, by Platt scaling.

    Attributes:
        slope: of the log-odds per unit of score.
        offset: the log-odds at score 0.
        genuine_share: of the pairs of the fit; the probabilities assume this prevalence.
        calibration_error: expected calibration error on the pairs of the fit, which is optimistic.
    """

    slope: FiniteFloat
    offset: FiniteFloat
    genuine_share: FiniteFloat
    calibration_error: FiniteFloat

    def probability(self, scores: npt.ArrayLike) -> FloatArray:
        """Probabilities float64 [P] of scores float [P]."""
        return Sigmoid(self.slope, self.offset).probability(np.asarray(scores, np.float64))


class Calibration(JsonModel):
    """The model of ``calibration.json``.

    Attributes:
        split: the split that the pairs are of.
        pairs_sha256: of the file of pairs.
        pairs: their number.
        genuine: the genuine ones among them.
        provenance: what their scores were made with.
        operating_points: the thresholds, by the name of the rule that chose them.
        probability: None if it cannot be fitted; ``probability_reason`` says why.
        probability_reason: why there is no map.
    """

    split: str
    pairs_sha256: str
    pairs: NonNegativeInt
    genuine: NonNegativeInt
    provenance: Provenance
    operating_points: tuple[OperatingPoint, ...]
    probability: ProbabilityMap | None
    probability_reason: str | None = None

    def check_applies_to(self, provenance: Provenance) -> None:
        """Raise if scores were made otherwise: these thresholds do not apply to them.

        Raises:
            FacesimError: an entry of ``provenance`` differs; the message says which and how.
        """
        ours, theirs = self.provenance.model_dump(), provenance.model_dump()
        different = [
            f"its {name} is {ours[name]}, not {theirs[name]}"
            for name in ours
            if ours[name] != theirs[name]
        ]
        if different:
            raise FacesimError(
                f"the calibration, chosen on {self.split}, does not apply to these scores: "
                + "; ".join(different)
                + "; calibrate again on scores made the same way"
            )


def calibrate(
    scores: npt.ArrayLike,
    same: npt.ArrayLike,
    *,
    split: str,
    pairs_sha256: str,
    provenance: Provenance,
) -> Calibration:
    """Choose thresholds and fit probabilities on scored pairs.

    Args:
        scores: float [P], higher is more alike.
        same: bool [P], True for genuine pairs.
        split: what the pairs are of, ``val``.
        pairs_sha256: of the file of pairs.
        provenance: what the scores were made with.

    Raises:
        FacesimError: lengths differ, or a score is NaN or infinite.
    """
    checked, genuine = checked_scores(scores, same)
    roc = SortedPairs.of(checked, genuine).roc()
    reason = roc.missing or ("all scores are equal" if len(roc) == 2 else None)
    return Calibration(
        split=split,
        pairs_sha256=pairs_sha256,
        pairs=len(checked),
        genuine=roc.genuine,
        provenance=provenance,
        operating_points=choose_operating_points(roc),
        probability=None if reason else _fit(checked, genuine),
        probability_reason=reason,
    )


def _fit(scores: FloatArray, same: BoolArray) -> ProbabilityMap:
    sigmoid = fit_sigmoid(scores, same)
    return ProbabilityMap(
        slope=sigmoid.slope,
        offset=sigmoid.offset,
        genuine_share=float(same.mean()),
        calibration_error=expected_calibration_error(sigmoid.probability(scores), same),
    )
