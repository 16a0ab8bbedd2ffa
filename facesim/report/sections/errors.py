"""The most confident errors, as pairs of faces."""

import numpy as np

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.evaluation.calibration import Calibration
from facesim.evaluation.probabilities import expected_calibration_error
from facesim.page import Gallery, Section, Text
from facesim.report.face_pairs import FacePairPresenter
from facesim.report.formatting import count, percent

_SHOWN = 8


def errors_section(
    presenter: FacePairPresenter, threshold: float, calibration: Calibration | None
) -> Section:
    """False non-matches and false matches, those farthest from the threshold first.

    Args:
        presenter: of the evaluation's pairs.
        threshold: the one that decides them.
        calibration: where their probabilities come from.
    """
    pairs = presenter.pairs
    non_matches, matches = confident_errors(pairs.scores, pairs.same, threshold)
    galleries = [
        Gallery(
            f"{title}: {count(len(positions), 'pair')}",
            tuple(presenter.show(int(position)) for position in positions[:_SHOWN]),
        )
        for title, positions in (
            ("False non-matches (one person, rejected)", non_matches),
            ("False matches (two people, accepted)", matches),
        )
        if len(positions)
    ]
    told = (
        _description(presenter, calibration)
        if galleries
        else "The threshold decides every pair correctly."
    )
    return Section("errors", "Confident errors", (Text(told), *galleries))


def confident_errors(
    scores: FloatArray, same: BoolArray, threshold: float
) -> tuple[Int64Array, Int64Array]:
    """Positions of the false non-matches and of the false matches, the most confident first.

    Args:
        scores: float64 [P].
        same: bool [P], True for genuine pairs.
        threshold: pairs at or above it are accepted.
    """
    non_matches = np.flatnonzero(same & (scores < threshold))
    matches = np.flatnonzero(~same & (scores >= threshold))
    return (
        non_matches[np.argsort(scores[non_matches], kind="stable")],
        matches[np.argsort(-scores[matches], kind="stable")],
    )


def _description(presenter: FacePairPresenter, calibration: Calibration | None) -> str:
    told = "The errors farthest from the threshold come first."
    pairs = presenter.pairs
    if calibration is None or calibration.probability is None or pairs.probabilities is None:
        return told
    here = expected_calibration_error(pairs.probabilities, pairs.same)
    return (
        f"{told} The probability that a pair shows one person comes from its score by Platt "
        f"scaling on {calibration.split}, with {percent(calibration.probability.genuine_share)} "
        f"genuine pairs. Its expected calibration error is "
        f"{percent(calibration.probability.calibration_error)} there and {percent(here)} here."
    )
