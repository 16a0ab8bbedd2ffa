"""The result of an evaluation: the model of ``metrics.json``."""

from typing import Any

from pydantic import (
    AliasChoices,
    Field,
    FiniteFloat,
    JsonValue,
    NonNegativeInt,
    model_validator,
)

from facesim.interfaces.fmr_support import FmrStatus, FmrSupport
from facesim.json_files import JsonModel


class CurvePoint(JsonModel):
    """The point of a ROC curve at which a metric is read, chosen on these very comparisons.

    Attributes:
        target: the FMR that the point must not exceed; None for a point chosen otherwise.
        threshold: accepts exactly the comparisons of the point; None if there is no such point.
        achieved_fmr: the FMR of the point, at most ``target``.
        tar: the TAR of the point.
        false_matches_allowed: how many impostor comparisons the target lets pass.
        support: how well the comparisons support the target; None for a point without one.
    """

    target: FiniteFloat | None = None
    threshold: FiniteFloat | None = None
    achieved_fmr: FiniteFloat | None = None
    tar: FiniteFloat | None = None
    false_matches_allowed: NonNegativeInt | None = None
    support: FmrSupport | None = None

    @model_validator(mode="before")
    @classmethod
    def _upgraded(cls, data: Any) -> Any:
        """A point that was written before points said how well they are supported."""
        allowed = data.get("false_matches_allowed") if isinstance(data, dict) else None
        if not isinstance(allowed, int) or "support" in data:
            return data
        return {**data, "support": {"status": FmrStatus.of(allowed)}}


class ProcedureInterval(JsonModel):
    """The interval of a metric if the threshold, too, had been chosen on other people.

    Attributes:
        low: lower end.
        high: upper end.
        threshold_error: standard error through the choice of the threshold alone.
    """

    low: FiniteFloat
    high: FiniteFloat
    threshold_error: FiniteFloat


class Estimate(JsonModel):
    """A metric with its interval.

    Attributes:
        value: None where the metric does not exist; ``reason`` says why.
        low: lower end of the interval; None where no interval was asked for or none exists. A
            threshold that was chosen elsewhere is held fixed in it.
        high: upper end.
        interval: the method and level of the interval, as in ``identity_jackknife_95``.
        reason: why ``value``, or an interval that was asked for, does not exist.
        point: where on the curve the metric is read, for one that is read at a point.
        procedure: the interval if the threshold is chosen again on other people, too; None for a
            metric without threshold, or where it is not known how far that varies.
    """

    value: FiniteFloat | None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    interval: str | None = None
    reason: str | None = None
    point: CurvePoint | None = None
    procedure: ProcedureInterval | None = None

    @property
    def support(self) -> FmrSupport | None:
        """What the target FMR of the metric rests on; None for a metric without one."""
        return self.point.support if self.point else None


class AchievedPoint(JsonModel):
    """What a threshold that was chosen elsewhere achieves on these comparisons.

    Attributes:
        name: the operating point: ``best_accuracy``, ``eer``, ``far_1e-3``, ...
        threshold: None if the pairs of the choice did not support the point; ``reason`` says why.
        fmr: the achieved false match rate.
        tar: the achieved true accept rate, ``1 - FNMR``.
        accuracy: the achieved accuracy.
        reason: why there is no threshold.
        support: what the point's target FMR rests on where the threshold was chosen; None for a
            point without a target.
    """

    name: str
    threshold: FiniteFloat | None
    fmr: Estimate = Field(validation_alias=AliasChoices("fmr", "far"))
    tar: Estimate
    accuracy: Estimate
    reason: str | None = None
    support: FmrSupport | None = None


class AcquisitionResult(JsonModel):
    """What an aligner found in the photographs of the measured split.

    Attributes:
        photographs: all of the split, those that were left out included.
        one_face: in how many one face was found.
        several_faces: in how many several were found, of which one was chosen.
        low_confidence: in how many only faces below the least confidence were found.
        no_face: in how many none was found.
        failure_to_acquire: the share of the last two, as in ISO/IEC 19795-1.
        left_out: whether those are in no comparison; if not, their centres are. None in files of
            before, which do not say it.
    """

    photographs: NonNegativeInt
    one_face: NonNegativeInt
    several_faces: NonNegativeInt
    low_confidence: NonNegativeInt
    no_face: NonNegativeInt
    failure_to_acquire: Estimate
    left_out: bool | None = None


class EvaluationResult(JsonModel):
    """All that is known about a set of scored comparisons.

    Attributes:
        protocol: the plugin that planned and measured them.
        pairs: number of comparisons, ``genuine + impostor``.
        genuine: comparisons of one identity.
        impostor: comparisons of two identities.
        identities: distinct identities in them.
        larger_class_share: of all comparisons, which is the accuracy of always giving the answer
            that most of them have (the no-information rate); None without comparisons.
        headline: the metric that heads the result, where that is not the first of the experiment.
        threshold: the one that the metrics at a threshold use.
        threshold_source: what it was chosen on, and by which rule.
        loss: mean loss, if the caller measured it.
        metrics: each measured metric by name.
        operating_points: what each chosen threshold achieves here.
        wilson: the metrics that are proportions, with Wilson's interval, which takes all
            comparisons for independent and so is too narrow where they share people; for
            comparison.
        seed: of what is drawn for the intervals.
        resamples: draws for those intervals that need draws; 0 for no intervals.
        reasons: why a number above that stands alone (``threshold``, ``loss``) is null.
        details: what the protocol adds, as it reads it itself.
        acquisition: what an aligner found in the photographs; None where none was used.
    """

    protocol: str = "pairs"
    pairs: NonNegativeInt
    genuine: NonNegativeInt
    impostor: NonNegativeInt
    identities: NonNegativeInt
    larger_class_share: FiniteFloat | None = None
    headline: str | None = None
    threshold: FiniteFloat | None
    threshold_source: str
    loss: FiniteFloat | None
    metrics: dict[str, Estimate]
    operating_points: tuple[AchievedPoint, ...]
    wilson: dict[str, Estimate]
    seed: int
    resamples: NonNegativeInt
    reasons: dict[str, str]
    details: dict[str, JsonValue] = Field(default_factory=dict)
    acquisition: AcquisitionResult | None = None

    @model_validator(mode="before")
    @classmethod
    def _upgraded(cls, data: Any) -> Any:
        is_first = isinstance(data, dict) and "metrics" not in data and "accuracy" in data
        return _with_larger_class_share(_from_format_1(data) if is_first else data)

    def values(self) -> dict[str, float | None]:
        """Every metric by name, the mean loss included, for logs and choices."""
        return {"loss": self.loss, **{name: each.value for name, each in self.metrics.items()}}

    @property
    def at_threshold(self) -> AchievedPoint | None:
        """What the threshold achieves; None without one."""
        found = (at for at in self.operating_points if at.threshold == self.threshold)
        return next(found, None) if self.threshold is not None else None

    @property
    def at_targets(self) -> dict[str, Estimate]:
        """The metrics that are read at a target FMR, by name."""
        return {
            name: each
            for name, each in self.metrics.items()
            if each.point is not None and each.point.target is not None
        }


def _with_larger_class_share(data: Any) -> Any:
    """Results of before lack it, and hold what it is made from."""
    if not isinstance(data, dict) or "larger_class_share" in data:
        return data
    genuine, impostor = data.get("genuine"), data.get("impostor")
    if not (isinstance(genuine, int) and isinstance(impostor, int) and genuine + impostor > 0):
        return data
    return {**data, "larger_class_share": max(genuine, impostor) / (genuine + impostor)}


_SINGLE = (
    "accuracy",
    "balanced_accuracy",
    "far",
    "tar",
    "fnmr",
    "roc_auc",
    "eer",
    "d_prime",
)
"""The metrics that had a field each in the first format of run directories."""

_RENAMED = {"far": "fmr"}
_PROTOCOLS = {"verification": "pairs"}


def _from_format_1(data: dict[str, Any]) -> dict[str, Any]:
    """A result of the first format, which had one field per metric, in the present one."""
    kept = {name: value for name, value in data.items() if name in EvaluationResult.model_fields}
    metrics = {_RENAMED.get(name, name): data[name] for name in _SINGLE if name in data}
    if "eer" in metrics and data.get("eer_threshold") is not None:
        metrics["eer"] = {**metrics["eer"], "point": {"threshold": data["eer_threshold"]}}
    for field, rate, target in (("tar_at_far", "tar", "far"), ("fnmr_at_fmr", "fnmr", "fmr")):
        for at in data.get(field, ()):
            name = f"{field}_{rate_name(at[target])}"
            metrics[name] = _at_target(at, rate, target)
    reasons = {
        name: why for name, why in data.get("reasons", {}).items() if name != "eer_threshold"
    }
    details = data.get("k_fold") or {}
    return {
        **kept,
        "protocol": _PROTOCOLS.get(data.get("protocol", "verification"), data.get("protocol")),
        "metrics": metrics,
        "wilson": {_RENAMED.get(name, name): each for name, each in data.get("wilson", {}).items()},
        "reasons": reasons,
        "details": details,
    }


def _at_target(at: dict[str, Any], rate: str, target: str) -> dict[str, Any]:
    allowed = "false_accepts_allowed" if target == "far" else "false_matches_allowed"
    point = {
        "target": at[target],
        "threshold": at["threshold"],
        "achieved_fmr": at["achieved_" + target],
        "tar": at[rate] if rate == "tar" or at[rate] is None else 1 - at[rate],
        "false_matches_allowed": at[allowed],
    }
    interval = {key: at.get(key) for key in ("low", "high", "interval", "reason")}
    return {"value": at[rate], "point": point, **interval}


def rate_name(rate: float) -> str:
    """``1e-3`` for 0.001: how a rate is written in the names of metrics and operating points."""
    mantissa, exponent = f"{rate:e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
