"""What an evaluation found: the model of ``metrics.json``."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, NonNegativeInt

from facesim.evaluation.k_fold import KFoldAccuracy
from facesim.evaluation.metrics import far_name


class _Json(BaseModel):
    """Strict JSON: no NaN and no infinity, so that any reader of JSON reads it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Estimate(_Json):
    """A metric with the interval that it may lie in.

    Attributes:
        value: None where the metric does not exist; ``reason`` says why.
        low: lower end of the interval; None where no interval was asked for or none exists.
        high: upper end.
        interval: the method and level of the interval, as in ``identity_bootstrap_95``.
        reason: why ``value``, or an interval that was asked for, does not exist.
    """

    value: FiniteFloat | None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    interval: str | None = None
    reason: str | None = None


class TarAtFarEstimate(_Json):
    """The largest TAR whose FAR is at or below a target.

    Attributes:
        far: the target.
        tar: None where the target is not measurable with these pairs; ``reason`` says why.
        achieved_far: the FAR of that point, at most ``far``.
        false_accepts_allowed: how many impostor pairs the target lets pass.
        threshold: the threshold of that point, chosen on these very pairs.
        low: lower end of the interval of ``tar``.
        high: upper end.
        interval: the method and level of the interval.
        reason: why ``tar``, or an interval that was asked for, does not exist.
    """

    far: FiniteFloat
    tar: FiniteFloat | None
    achieved_far: FiniteFloat | None
    false_accepts_allowed: NonNegativeInt
    threshold: FiniteFloat | None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    interval: str | None = None
    reason: str | None = None


class FnmrAtFmrEstimate(_Json):
    """The smallest FNMR whose FMR is at or below a target: the same points, as NIST states them.

    Attributes:
        fmr: the target.
        fnmr: None where the target is not measurable with these pairs; ``reason`` says why.
        achieved_fmr: the FMR of that point, at most ``fmr``.
        false_matches_allowed: how many impostor pairs the target lets pass.
        threshold: the threshold of that point, chosen on these very pairs.
        low: lower end of the interval of ``fnmr``.
        high: upper end.
        interval: the method and level of the interval.
        reason: why ``fnmr``, or an interval that was asked for, does not exist.
    """

    fmr: FiniteFloat
    fnmr: FiniteFloat | None
    achieved_fmr: FiniteFloat | None
    false_matches_allowed: NonNegativeInt
    threshold: FiniteFloat | None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    interval: str | None = None
    reason: str | None = None


class AchievedPoint(_Json):
    """What a threshold that was chosen elsewhere achieves on these pairs.

    Attributes:
        name: the operating point: ``best_accuracy``, ``eer``, ``far_1e-3``, ...
        threshold: None if the pairs of the choice did not support the point; ``reason`` says why.
        far: the achieved false accept rate.
        tar: the achieved true accept rate.
        accuracy: the achieved accuracy.
        reason: why there is no threshold.
    """

    name: str
    threshold: FiniteFloat | None
    far: Estimate
    tar: Estimate
    accuracy: Estimate
    reason: str | None = None


class EvaluationResult(_Json):
    """All that is known about a set of scored pairs.

    Attributes:
        pairs: number of pairs, ``genuine + impostor``.
        genuine: pairs of one identity.
        impostor: pairs of two identities.
        identities: distinct identities in the pairs.
        threshold: the one that ``accuracy``, ``balanced_accuracy``, ``far``, ``tar`` and
            ``fnmr`` use.
        threshold_source: what it was chosen on, and by which rule.
        loss: mean loss, if the caller measured it.
        accuracy: share of pairs decided correctly.
        balanced_accuracy: mean of that share over genuine and over impostor pairs.
        far: share of impostor pairs accepted.
        tar: share of genuine pairs accepted.
        fnmr: share of genuine pairs rejected.
        roc_auc: area under the ROC curve.
        eer: equal error rate, interpolated.
        eer_threshold: the threshold nearest to it, on these very pairs.
        d_prime: distance of the mean scores in pooled standard deviations.
        tar_at_far: one entry per target.
        fnmr_at_fmr: one entry per target.
        operating_points: what each chosen threshold achieves here.
        wilson: ``accuracy``, ``far``, ``tar`` and ``fnmr`` with Wilson's interval, which takes all
            pairs for independent and so is too narrow where they share people; for comparison.
        seed: of the resamples behind the intervals.
        resamples: their number; 0 for no intervals.
        reasons: why a number above that stands alone (``threshold``, ``loss``) is null.
        protocol: which pairs these are, as ``evaluate.protocol`` has it.
        k_fold: the accuracy with each fold's threshold from the other folds, which is the figure
            of the ``k_fold`` protocol; all else is with thresholds from val. None otherwise.
    """

    pairs: NonNegativeInt
    genuine: NonNegativeInt
    impostor: NonNegativeInt
    identities: NonNegativeInt
    threshold: FiniteFloat | None
    threshold_source: str
    loss: FiniteFloat | None
    accuracy: Estimate
    balanced_accuracy: Estimate
    far: Estimate
    tar: Estimate
    fnmr: Estimate
    roc_auc: Estimate
    eer: Estimate
    eer_threshold: FiniteFloat | None
    d_prime: Estimate
    tar_at_far: tuple[TarAtFarEstimate, ...]
    fnmr_at_fmr: tuple[FnmrAtFmrEstimate, ...]
    operating_points: tuple[AchievedPoint, ...]
    wilson: dict[str, Estimate]
    seed: int
    resamples: NonNegativeInt
    reasons: dict[str, str]
    protocol: Literal["verification", "k_fold", "exhaustive"] = "verification"
    k_fold: KFoldAccuracy | None = None

    def values(self) -> dict[str, float | None]:
        """Every metric of `facesim.evaluation.metrics.METRICS` by name, for logs and choices."""
        plain = {
            name: field.value
            for name in type(self).model_fields
            if isinstance(field := getattr(self, name), Estimate)
        }
        tar = {f"tar_at_far_{far_name(at.far)}": at.tar for at in self.tar_at_far}
        fnmr = {f"fnmr_at_fmr_{far_name(at.fmr)}": at.fnmr for at in self.fnmr_at_fmr}
        return {"loss": self.loss, **plain, **tar, **fnmr}

    def to_json(self) -> str:
        """The text of ``metrics.json``."""
        return self.model_dump_json(indent=2) + "\n"
