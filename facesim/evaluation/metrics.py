"""Every metric by name, with its direction: nothing else may assume that bigger is better."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from facesim.errors import FacesimError, did_you_mean
from facesim.evaluation.d_prime import d_prime
from facesim.evaluation.equal_error_rate import equal_error_rate
from facesim.evaluation.roc import Roc
from facesim.evaluation.tar_at_far import FAR_TARGETS, tar_at_far, why_not_measurable


@dataclass(frozen=True)
class Metric:
    """A number that runs are compared by.

    Attributes:
        name: what experiment files, ``metrics.json`` and trackers call it.
        higher_is_better: its direction.
    """

    name: str
    higher_is_better: bool

    @property
    def direction(self) -> str:
        """``maximize`` or ``minimize``, as Optuna spells it."""
        return "maximize" if self.higher_is_better else "minimize"

    def better(self, value: float | None, than: float | None) -> bool:
        """Whether ``value`` beats ``than``; a value that does not exist beats nothing."""
        if value is None or math.isnan(value):
            return False
        if than is None or math.isnan(than):
            return True
        return value > than if self.higher_is_better else value < than

    def best(self, values: Sequence[float | None]) -> int | None:
        """Position of the best value, the first of equals; None if no value exists."""
        best: int | None = None
        for index, value in enumerate(values):
            if self.better(value, values[best] if best is not None else None):
                best = index
        return best


def _needs_both_kinds(roc: Roc) -> str | None:
    return roc.missing


def _needs_genuine(roc: Roc) -> str | None:
    return None if roc.genuine else roc.missing


def _needs_impostors(roc: Roc) -> str | None:
    return None if roc.impostor else roc.missing


def _needs_pairs(roc: Roc) -> str | None:
    return None if roc.genuine + roc.impostor else roc.missing


def _needs_spread(roc: Roc) -> str | None:
    if not roc.has_every_score:
        return "the scores of so many pairs were counted, not kept"
    no_spread = math.isnan(d_prime(roc))
    return roc.missing or ("the scores of neither kind of pair vary" if no_spread else None)


@dataclass(frozen=True)
class PairMetric(Metric):
    """A metric of scored pairs.

    Attributes:
        function: ``(curve, threshold) -> value``; those that need no threshold ignore it.
        why_undefined: ``curve -> reason`` for pairs on which the metric does not exist.
        at_threshold: whether it needs one.
        is_rate: whether it lies within 0 and 1.
    """

    function: Callable[[Roc, float], float]
    why_undefined: Callable[[Roc], str | None] = _needs_both_kinds
    at_threshold: bool = False
    is_rate: bool = True

    def measure(self, roc: Roc, threshold: float = math.nan) -> float:
        """The value; ``nan`` where `why_undefined` has a reason."""
        return math.nan if self.why_undefined(roc) else self.function(roc, threshold)


def far_name(far: float) -> str:
    """``1e-3`` for 0.001: how a rate is written in the names of metrics and operating points."""
    mantissa, exponent = f"{far:e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def tar_at_far_metric(far: float) -> PairMetric:
    """The largest TAR whose FAR is at or below ``far``."""
    return PairMetric(
        f"tar_at_far_{far_name(far)}",
        True,
        lambda roc, _: tar_at_far(roc, far).tar,
        lambda roc: roc.missing or why_not_measurable(far, roc.impostor),
    )


def fnmr_at_fmr_metric(fmr: float) -> PairMetric:
    """The smallest FNMR whose FMR is at or below ``fmr``."""
    return PairMetric(
        f"fnmr_at_fmr_{far_name(fmr)}",
        False,
        lambda roc, _: tar_at_far(roc, fmr).fnmr,
        lambda roc: roc.missing or why_not_measurable(fmr, roc.impostor),
    )


ACCURACY = PairMetric("accuracy", True, lambda roc, t: roc.at(t).accuracy, _needs_pairs, True)
BALANCED_ACCURACY = PairMetric(
    "balanced_accuracy", True, lambda roc, t: roc.at(t).balanced_accuracy, at_threshold=True
)
FAR = PairMetric("far", False, lambda roc, t: roc.at(t).far, _needs_impostors, True)
TAR = PairMetric("tar", True, lambda roc, t: roc.at(t).tar, _needs_genuine, True)
FNMR = PairMetric("fnmr", False, lambda roc, t: roc.at(t).fnmr, _needs_genuine, True)
ROC_AUC = PairMetric("roc_auc", True, lambda roc, _: roc.area)
EER = PairMetric("eer", False, lambda roc, _: equal_error_rate(roc).rate)
D_PRIME = PairMetric("d_prime", True, lambda roc, _: d_prime(roc), _needs_spread, is_rate=False)
LOSS = Metric("loss", False)
"""The mean training loss over the pairs; the engine measures it."""

SINGLE_METRICS = (
    ACCURACY,
    BALANCED_ACCURACY,
    FAR,
    TAR,
    FNMR,
    ROC_AUC,
    EER,
    D_PRIME,
)
"""The metrics that have one value, not one per target."""

TAR_AT_FAR = {far: tar_at_far_metric(far) for far in FAR_TARGETS}
FNMR_AT_FMR = {fmr: fnmr_at_fmr_metric(fmr) for fmr in FAR_TARGETS}

PAIR_METRICS: tuple[PairMetric, ...] = (
    *SINGLE_METRICS,
    *TAR_AT_FAR.values(),
    *FNMR_AT_FMR.values(),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in (LOSS, *PAIR_METRICS)}


def metric_named(name: str) -> Metric:
    """Look a metric up.

    Raises:
        FacesimError: there is none of that name.
    """
    if name in METRICS:
        return METRICS[name]
    known = list(METRICS)
    raise FacesimError(
        f"there is no metric {name!r}{did_you_mean(name, known)}; known are {', '.join(known)}"
    )
