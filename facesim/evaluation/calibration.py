"""Calibration on ``val``: thresholds at operating points, and probabilities of scores."""

import math
from functools import partial
from typing import Literal

import numpy as np
from pydantic import AliasChoices, Field, FiniteFloat, NonNegativeInt

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.errors import FacesimError
from facesim.evaluation.probabilities import ProbabilityMap, expected_calibration_error, fit_sigmoid
from facesim.evaluation.provenance import Provenance
from facesim.evaluation.threshold_spread import Rule, ThresholdSpread, threshold_spreads
from facesim.interfaces.fmr_support import FmrSupport, not_measurable_reason
from facesim.interfaces.result import rate_name
from facesim.interfaces.roc import Roc
from facesim.interfaces.roc_block import RocBlock
from facesim.interfaces.roc_points import (
    FMR_TARGETS,
    equal_error_rate,
    equal_error_rates,
    points_at_fmr,
    target_point,
)
from facesim.interfaces.scores import LabelledScores
from facesim.json_files import JsonModel

BEST_ACCURACY: Literal["best_accuracy"] = "best_accuracy"
"""The operating point of the headline accuracy."""


class OperatingPoint(JsonModel):
    """A threshold with the rule that chose it and its error rates where it was chosen.

    Attributes:
        name: ``best_accuracy``, ``eer`` or ``far_1e-3`` and the like.
        threshold: accept a pair iff its score is at least this; None if no threshold follows the
            rule on these pairs.
        fmr: false match rate on the pairs of the choice.
        tar: true accept rate there.
        accuracy: accuracy there.
        reason: why there is no threshold.
        support: what a target FMR rests on; None for a point without a target.
        spread: what other people would have made of the threshold; None where it is not known, as
            in files of before.
    """

    name: str
    threshold: FiniteFloat | None
    fmr: FiniteFloat | None = Field(default=None, validation_alias=AliasChoices("fmr", "far"))
    tar: FiniteFloat | None = None
    accuracy: FiniteFloat | None = None
    reason: str | None = None
    support: FmrSupport | None = None
    spread: ThresholdSpread | None = None


def choose_operating_points(roc: Roc) -> tuple[OperatingPoint, ...]:
    """One operating point per rule: best accuracy, EER, and each of `FMR_TARGETS`.

    A rule that these pairs cannot support (no pairs, one kind of pair only, too few impostors)
    yields a point without threshold that says why.
    """
    no_pairs = None if roc.genuine + roc.impostor else roc.missing
    best = roc.threshold_at(roc.best_accuracy_point())
    return (
        _point(roc, BEST_ACCURACY, best, no_pairs),
        _point(roc, "eer", equal_error_rate(roc).threshold, roc.missing),
        *(_point_at_target(roc, target) for target in FMR_TARGETS),
    )


def _point_at_target(roc: Roc, target: float) -> OperatingPoint:
    at = target_point(roc, target)
    reason = roc.missing or not_measurable_reason(target, roc.impostor)
    threshold = math.nan if at.threshold is None else at.threshold
    point = _point(roc, f"far_{rate_name(target)}", threshold, reason)
    return point.model_copy(update={"support": at.support})


def _point(roc: Roc, name: str, threshold: float, reason: str | None) -> OperatingPoint:
    if reason is not None:
        return OperatingPoint(name=name, threshold=None, reason=reason)
    at = roc.at(threshold)
    fmr, tar = (None if math.isnan(rate) else rate for rate in (at.fmr, at.tar))
    return OperatingPoint(name=name, threshold=threshold, fmr=fmr, tar=tar, accuracy=at.accuracy)


def points_with_spread(scored: LabelledScores) -> tuple[OperatingPoint, ...]:
    """The operating points of pairs, each with what other people would have made of it."""
    roc = scored.roc()
    points = choose_operating_points(roc)
    rules: dict[str, Rule] = {
        BEST_ACCURACY: lambda curves: curves.thresholds_at(curves.best_accuracy_points()),
        "eer": lambda curves: _where_both(curves, equal_error_rates(curves)[1]),
        **{
            f"far_{rate_name(target)}": partial(_thresholds_at_target, target=target)
            for target in FMR_TARGETS
        },
    }
    there = {at.name: rules[at.name] for at in points if at.threshold is not None}
    spreads = threshold_spreads(scored, there) if there else {}
    return tuple(at.model_copy(update={"spread": spreads.get(at.name)}) for at in points)


def _thresholds_at_target(curves: RocBlock, target: float) -> FloatArray:
    return _where_both(curves, points_at_fmr(curves, target))


def _where_both(curves: RocBlock, points: Int64Array) -> FloatArray:
    return np.where(curves.has_both, curves.thresholds_at(points), np.nan)


SMALLEST_SCORE = 1e-300
"""The slope of smaller scores would be larger than the largest number."""


class Calibration(JsonModel):
    """The model of ``calibration.json``.

    Attributes:
        split: the split that the pairs are of.
        pairs_sha256: of the file of pairs.
        pairs: their number.
        genuine: the genuine ones among them.
        identities: distinct identities in them; None in files of before, which did not say.
        provenance: what their scores were made with.
        operating_points: the thresholds, by the name of the rule that chose them.
        probability: None if it cannot be fitted; ``probability_reason`` says why.
        probability_reason: why there is no map.
    """

    split: str
    pairs_sha256: str
    pairs: NonNegativeInt
    genuine: NonNegativeInt
    identities: NonNegativeInt | None = None
    provenance: Provenance
    operating_points: tuple[OperatingPoint, ...]
    probability: ProbabilityMap | None
    probability_reason: str | None = None

    def check_applies_to(self, provenance: Provenance) -> tuple[str, ...]:
        """Raise if scores were made otherwise: these thresholds do not apply to them.

        Returns:
            What a person should know all the same: see :meth:`Provenance.notes`.

        Raises:
            FacesimError: an entry of ``provenance`` differs; the message says which and how.
        """
        changes = self.provenance.changes(provenance)
        if changes:
            listed = "".join(f"\n  {what}: {change}" for what, change in changes.items())
            raise FacesimError(
                f"the thresholds, chosen on {self.split}, do not apply to scores that are made "
                f"otherwise; what differs:{listed}"
            )
        return self.provenance.notes(provenance)


def calibrate(
    scored: LabelledScores,
    *,
    split: str,
    pairs_sha256: str,
    provenance: Provenance,
) -> Calibration:
    """Choose thresholds and fit probabilities on scored pairs.

    Args:
        scored: the pairs.
        split: what the pairs are of, ``val``.
        pairs_sha256: of the file of pairs.
        provenance: what the scores were made with.
    """
    roc = scored.roc()
    reason = roc.missing or ("all scores are equal" if len(roc) == 2 else None)
    if reason is None and np.abs(scored.scores).max() < SMALLEST_SCORE:
        reason = f"no score is larger than {SMALLEST_SCORE:g}"
    return Calibration(
        split=split,
        pairs_sha256=pairs_sha256,
        pairs=len(scored),
        genuine=roc.genuine,
        identities=len(np.union1d(scored.first, scored.second)),
        provenance=provenance,
        operating_points=points_with_spread(scored),
        probability=None if reason else _fit(scored.scores, scored.same),
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
