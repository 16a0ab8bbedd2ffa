"""Metrics of comparisons that several networks scored, each its own part of the people.

As in k-fold cross-validation. Counts at a threshold are added up, since each comparison is decided
by its own network's; what ranks scores, such as the area under the curve, is measured network by
network and averaged with the numbers of comparisons as weights, since the scores of two networks
are on no common scale. Forman and Scholz, "Apples-to-apples in cross-validation studies: pitfalls
in classifier performance measurement", 2010. With one network it is the metric itself.
"""

import math
from collections.abc import Sequence

import numpy as np

from facesim.arrays import FloatArray
from facesim.errors import FacesimError
from facesim.interfaces.fmr_support import FmrStatus, FmrSupport
from facesim.interfaces.metric import Metric
from facesim.interfaces.result import CurvePoint
from facesim.interfaces.roc import Roc
from facesim.interfaces.roc_block import RocBlock, shares

MetricQuery = tuple[Metric, float | None]
"""A metric and the threshold to measure it at; None for a metric that needs none."""


def metric_value(metric: Metric, roc: Roc, threshold: float | None) -> float:
    """The metric of a curve, whose comparisons one network scored or several; may be ``nan``.

    Args:
        metric: what is measured.
        roc: the curve.
        threshold: for a metric at a threshold; None for others.
    """
    at = math.nan if threshold is None else threshold
    if metric.at_threshold or len(roc.by_network) == 1:
        return metric.value(roc, at)
    values = [metric.value(each, at) for each in roc.by_network]
    return mean_over_networks(roc, np.array(values))


def metric_values(
    metric: Metric, thresholds: FloatArray | float | None, curves: RocBlock
) -> FloatArray:
    """`metric_value` of each of B curves, float64 [B].

    Args:
        metric: what is measured.
        thresholds: one for each curve or for all; None for a metric without.
        curves: of the same comparisons.

    Raises:
        FacesimError: the metric gives another number of values.
    """
    at = np.full(len(curves), np.nan if thresholds is None else thresholds)

    def measured(of: RocBlock) -> FloatArray:
        values = np.asarray(metric.values(of, at), np.float64)
        if values.shape != at.shape:
            raise FacesimError(
                f"the metric {metric.name} gives values of shape {values.shape} for "
                f"{len(at)} curves: values() needs one each"
            )
        return values

    if metric.at_threshold or len(curves.by_network) == 1:
        return measured(curves)
    values = np.stack([measured(each) for each in curves.by_network], axis=1)
    pairs = [each.genuine.total + each.impostor.total for each in curves.by_network]
    weights = np.stack(pairs, axis=1)
    means = (values[:, None, :] @ weights[:, :, None].astype(np.float64))[:, 0, 0]
    return shares(means, weights.sum(axis=1))


def measure_metrics(queries: Sequence[MetricQuery], curves: RocBlock) -> FloatArray:
    """Each of K metrics on each of B curves, float64 [B, K].

    Raises:
        FacesimError: as :func:`metric_values`.
    """
    found = np.empty((len(curves), len(queries)))
    simple = []
    for at, (metric, threshold) in enumerate(queries):
        if type(metric).values is Metric.values:
            simple.append(at)
        else:
            found[:, at] = metric_values(metric, threshold, curves)
    if simple:  # making a curve takes longer than most metrics of it: they share it
        for row, roc in enumerate(curves):
            for at in simple:
                metric, threshold = queries[at]
                found[row, at] = metric_value(metric, roc, threshold)
    return found


def mean_over_networks(roc: Roc, values: np.ndarray) -> float:
    """The mean of one value per network of a curve, weighted by their comparisons."""
    weights = np.array([each.genuine + each.impostor for each in roc.by_network])
    return float(values @ weights / weights.sum()) if weights.any() else math.nan


def undefined_reason(metric: Metric, roc: Roc) -> str | None:
    """Why the metric does not exist on a curve: by the network for which it does not."""
    if metric.at_threshold or len(roc.by_network) == 1:
        return metric.undefined_reason(roc)
    reasons = [metric.undefined_reason(each) for each in roc.by_network]
    at = next((at for at, reason in enumerate(reasons) if reason is not None), None)
    return None if at is None else f"in fold {at + 1}: {reasons[at]}"


def curve_point(metric: Metric, roc: Roc) -> CurvePoint | None:
    """Where the metric is read; of several networks the mean rates, and the weakest support."""
    points = [metric.point(each) for each in roc.by_network]
    if len(points) == 1 or metric.at_threshold:
        return metric.point(roc)
    there = [each for each in points if each is not None]
    if len(there) < len(points) or there[0].target is None:
        return None

    def mean(rates: list[float | None]) -> float | None:
        known = [rate for rate in rates if rate is not None]
        whole = len(known) == len(rates)
        return mean_over_networks(roc, np.array(known)) if whole else None

    return CurvePoint(
        target=there[0].target,
        achieved_fmr=mean([each.achieved_fmr for each in there]),
        tar=mean([each.tar for each in there]),
        false_matches_allowed=min(each.false_matches_allowed or 0 for each in there),
        support=weakest_support([each.support for each in there]),
    )


_STATUSES = list(FmrStatus)


def weakest_support(supports: list[FmrSupport | None]) -> FmrSupport | None:
    """That of the network with the fewest comparisons; None where a network has none."""
    known = [each for each in supports if each is not None]
    if len(known) < len(supports) or not known:
        return None
    return max(known, key=lambda each: (_STATUSES.index(each.status), -(each.false_matches or 0)))
