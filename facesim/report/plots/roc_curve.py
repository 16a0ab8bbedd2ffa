"""ROC plots of one run and of several: TAR against FMR, the FMR on a logarithmic axis."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from facesim.evaluation.baselines import Baseline
from facesim.evaluation.roc_band import RocBand
from facesim.interfaces.fmr_support import FmrStatus, false_matches_allowed
from facesim.interfaces.metric import Metric
from facesim.interfaces.result import Estimate, EvaluationResult, rate_name
from facesim.interfaces.roc import Roc
from facesim.page import Panel, Plot, Series, Table
from facesim.report.formatting import (
    NOTHING,
    RATE,
    accept_rates,
    estimate,
    estimated_value,
    interval,
    is_measurable,
    number,
    percent,
    target_rates_table,
    words,
)
from facesim.report.plots.intervals import MOST_DRAWN, not_drawn
from facesim.report.plots.layout import (
    TRUE_ACCEPT_RATE,
    band_series,
    numbers_of,
    rate_axis,
    reference_line,
    roc_series,
    threshold_series,
)
from facesim.runs.comparison import ComparedGroup, Comparison


def roc_plot(
    roc: Roc,
    band: RocBand | None,
    result: EvaluationResult,
    metrics: Mapping[str, Metric],
    baselines: Sequence[Baseline] = (),
) -> Plot:
    """The curve with its band, the operating point, chance, and the baselines.

    Args:
        roc: of pairs of both kinds.
        band: pointwise intervals; None if there are none.
        result: for the operating point and the numbers in words.
        metrics: by name, for those that are read at a target FMR.
        baselines: each with a curve.
    """
    chance = np.geomspace(1 / roc.impostor, 1, 50)
    drawn = (
        *band_series(band),
        roc_series(roc, "this run", 0),
        *_baselines(baselines, metrics),
        reference_line(chance, chance),
        *threshold_series(result),
    )
    rates = accept_rates(result, metrics)
    return Plot(
        "roc",
        "ROC",
        _description(rates, roc, band),
        (Panel(rate_axis("False match rate (FMR)", 1 / roc.impostor), TRUE_ACCEPT_RATE, drawn),),
        _numbers(band, rates, roc.impostor),
    )


def _baselines(baselines: Sequence[Baseline], metrics: Mapping[str, Metric]) -> Iterator[Series]:
    """The curve of each baseline; of runs that kept none, the FMRs that were measured."""
    for style, baseline in enumerate(baselines, start=1):
        name = words(baseline.name)
        if baseline.curve is not None:
            yield roc_series(baseline.curve.roc(), name, style)
            continue
        measured = [
            (at.point.achieved_fmr, at.value)
            for _, at in accept_rates(baseline.result, metrics)
            if is_measurable(at) and at.point is not None and at.point.achieved_fmr
        ]
        fmr, tar = tuple(each for each, _ in measured), tuple(each for _, each in measured)
        if measured:
            yield Series(name, fmr, tar, style, ("line", "points"))


def _description(rates: Sequence[tuple[float, Estimate]], roc: Roc, band: RocBand | None) -> str:
    at = [
        f"{estimated_value(RATE, each)} at FAR {rate_name(target)}"
        for target, each in rates
        if is_measurable(each)
    ]
    text = f"The true accept rate is {'; '.join(at)}." if at else "No target FAR is measurable."
    text += f" The area under the curve is {number(roc.area)}. The dotted line is chance."
    how = "The band is a 95% interval at each FMR, from a jackknife over identities."
    return f"{text} {how}" if band is not None else text


def _numbers(band: RocBand | None, rates: Sequence[tuple[float, Estimate]], impostor: int) -> Table:
    """Every fourth point of the band that is measurable, or the targets without a band."""
    caption = "TAR at FMR, with 95% intervals"
    if band is None:
        return target_rates_table(caption, ("FMR", "TAR"), rates)
    points = np.stack([band.fmr, band.tar, band.low, band.high], axis=1)
    shown = points[np.isfinite(points).all(axis=1)][::4].tolist()
    rows = tuple(
        (percent(fmr), percent(tar), interval(RATE, *ends), words(status))
        for fmr, tar, *ends in shown
        if (status := FmrStatus.of(false_matches_allowed(fmr, impostor)))
        is not FmrStatus.NOT_MEASURABLE
    )
    return Table(caption, ("FMR", "TAR", "95% interval", "Support"), rows)


_GRID = 200
"""FMRs at which the curves of several seeds are averaged."""


def roc_overlay(comparison: Comparison) -> Plot | None:
    """The curve of each run, or the mean of each group's; None if no scores were kept."""
    curves = [
        (style, group, rocs)
        for style, group in enumerate(comparison.groups[: MOST_DRAWN + 1])
        if (rocs := list(_rocs(group)))
    ]
    if not curves:
        return None
    smallest = min(1 / roc.impostor for _, _, rocs in curves for roc in rocs)
    drawn = [series for each in curves for series in _curve_of(*each, smallest)]
    told = "The curve of each run on its own pairs; further up and further left is better."
    if any(len(rocs) > 1 for _, _, rocs in curves):
        told += " Of several seeds it is the mean, and the band reaches from the lowest to the"
        told += " highest of them."
    axis = rate_axis("False match rate (FMR)", smallest)
    return Plot(
        "roc",
        "ROC",
        told + not_drawn(comparison),
        (Panel(axis, TRUE_ACCEPT_RATE, tuple(drawn), 380),),
        _rates_of_runs(comparison),
    )


def _rocs(group: ComparedGroup) -> Iterator[Roc]:
    for run in group.runs:
        if run.files.pairs is not None and run.result.genuine and run.result.impostor:
            yield run.files.pairs.roc()


def _curve_of(
    style: int, group: ComparedGroup, rocs: Sequence[Roc], smallest: float
) -> Iterator[Series]:
    if len(rocs) == 1:
        yield roc_series(rocs[0], group.label, style)
        return
    fmr = np.geomspace(smallest, 1.0, _GRID)
    # A curve goes right before it goes up, and begins at an FMR of 0.
    tar = np.stack([roc.tar[np.searchsorted(roc.fmr, fmr, side="right") - 1] for roc in rocs])
    low, mean, high = (
        numbers_of(each) for each in (tar.min(axis=0), tar.mean(axis=0), tar.max(axis=0))
    )
    x = numbers_of(fmr)
    yield Series("", x, mean, style, ("band",), low, high, silent=True)
    tips = tuple(
        f"FMR {percent(far)} · TAR {percent(at)} ({percent(least)} to {percent(most)})"
        for far, at, least, most in zip(x, mean, low, high, strict=True)
    )
    yield Series(group.label, x, mean, style, ("steps",), tips=tips)


def _rates_of_runs(comparison: Comparison) -> Table:
    runs = [run for group in comparison.groups for run in group.runs]
    rates = [dict(accept_rates(run.result, comparison.metrics)) for run in runs]
    targets = dict.fromkeys(target for each in rates for target in each)
    rows = tuple(
        (
            run.label,
            *(estimate(RATE, each[target]) if target in each else NOTHING for target in targets),
        )
        for run, each in zip(runs, rates, strict=True)
    )
    columns = ("Run", *(f"TAR at FAR {rate_name(target)}" for target in targets))
    return Table("TAR at FAR", columns, rows)
