"""The common parts of plots: axes, curves, bands, and the mark of the threshold."""

from collections.abc import Sequence

import numpy as np

from facesim.arrays import FloatArray
from facesim.evaluation.roc_band import RocBand
from facesim.evaluation.visible_points import visible_points
from facesim.interfaces.result import EvaluationResult
from facesim.interfaces.roc import Roc
from facesim.page import Axis, Series, Style
from facesim.report.formatting import number, percent

TRUE_ACCEPT_RATE = Axis("True accept rate (1 - FNMR)", "percent", low=0.0, high=1.01)

_BELOW_ALL_AXES = 1e-9


def rate_axis(title: str, smallest: float) -> Axis:
    """A logarithmic axis of rates from ``smallest`` to 1."""
    return Axis(title, "percent", low=smallest, high=1.05, log=True)


def numbers_of(values: FloatArray | Sequence[float]) -> tuple[float, ...]:
    """Values as a series holds them."""
    return tuple(np.asarray(values, np.float64).tolist())


def roc_series(roc: Roc, name: str, style: Style) -> Series:
    """A ROC curve, as steps, where the FMR is not 0."""
    shown = np.flatnonzero(roc.false_accepts > 0)
    fmr, tar = roc.fmr[shown], roc.tar[shown]
    kept = visible_points(np.log10(fmr), tar)
    points = (fmr[kept].tolist(), tar[kept].tolist(), roc.thresholds[shown][kept].tolist())
    tips = (
        f"FMR {percent(far)} · TAR {percent(accepted)} · threshold {number(at)}"
        for far, accepted, at in zip(*points, strict=True)
    )
    return Series(
        name, numbers_of(fmr[kept]), numbers_of(tar[kept]), style, ("steps",), tips=tuple(tips)
    )


def band_series(band: RocBand | None, *, non_matches: bool = False) -> tuple[Series, ...]:
    """Pointwise intervals of TAR, or of FNMR where ``non_matches``; none without a band."""
    if band is None:
        return ()
    low, high = band.low, band.high
    there = np.isfinite(low)
    if non_matches:  # a logarithmic axis cannot show 0
        low, high = np.maximum(1 - band.high, _BELOW_ALL_AXES), 1 - band.low
        there &= band.tar < 1
    tar = 1 - band.tar if non_matches else band.tar
    return (
        Series(
            "95% interval",
            numbers_of(band.fmr[there]),
            numbers_of(tar[there]),
            0,
            ("band",),
            numbers_of(low[there]),
            numbers_of(high[there]),
            silent=True,
        ),
    )


def threshold_series(result: EvaluationResult, *, non_matches: bool = False) -> tuple[Series, ...]:
    """The operating point of the threshold from val; none where the axes have no place for it."""
    at = result.at_threshold
    if at is None or not at.fmr.value or at.tar.value is None:
        return ()
    fmr, tar = at.fmr.value, at.tar.value
    tip = f"threshold {number(result.threshold)} · FMR {percent(fmr)} · FNMR {percent(1 - tar)}"
    y = 1 - tar if non_matches else tar
    return (Series("at the threshold", (fmr,), (y,), "ink", ("points",), tips=(tip,)),)


def reference_line(x: FloatArray | Sequence[float], y: FloatArray | Sequence[float]) -> Series:
    """A dotted line to compare with, such as chance."""
    return Series("", numbers_of(x), numbers_of(y), "muted", ("line",), silent=True)
