"""From scored pairs to everything that ``metrics.json`` says about them."""

from collections.abc import Sequence

import numpy.typing as npt

from facesim.evaluation.estimates import Resampling
from facesim.evaluation.evaluate_curve import evaluate_curve
from facesim.evaluation.identity_bootstrap import IdentityBootstrap
from facesim.evaluation.operating_points import OperatingPoint
from facesim.evaluation.pair_identities import checked_identities
from facesim.evaluation.result import EvaluationResult
from facesim.evaluation.roc import SortedPairs, checked_scores

RESAMPLES = 1000
"""Resamples behind an interval that is reported."""


def evaluate_scores(
    scores: npt.ArrayLike,
    same: npt.ArrayLike,
    first_identities: npt.ArrayLike,
    second_identities: npt.ArrayLike,
    *,
    operating_points: Sequence[OperatingPoint] | None = None,
    threshold_source: str = "these pairs",
    loss: float | None = None,
    seed: int = 0,
    resamples: int = 0,
) -> EvaluationResult:
    """Evaluate P scored pairs.

    Args:
        scores: float [P], higher is more alike.
        same: bool [P], True for genuine pairs.
        first_identities: int [P], the identity of each pair's first image.
        second_identities: int [P], the identity of its second image.
        operating_points: thresholds chosen elsewhere; None chooses them on these very pairs,
            which flatters them and suits only the pairs of ``val``.
        threshold_source: what the thresholds were chosen on, for the reader.
        loss: mean loss over these pairs, to be recorded with the rest.
        seed: of the resamples.
        resamples: how many resamples of the identities the intervals rest on, `RESAMPLES` for
            figures to be reported; 0 for no intervals, as at the end of an epoch.

    Raises:
        FacesimError: lengths differ, a score is NaN or infinite, ``same`` contradicts the
            identities, or ``operating_points`` lacks ``best_accuracy``.
    """
    scores, same = checked_scores(scores, same)
    bootstrap = IdentityBootstrap.of(
        *checked_identities(first_identities, second_identities, same), same
    )
    pairs = SortedPairs.of(scores, same)
    return evaluate_curve(
        pairs.roc(),
        bootstrap.identities,
        operating_points=operating_points,
        threshold_source=threshold_source,
        loss=loss,
        resampling=Resampling(pairs, bootstrap, seed, resamples),
    )
