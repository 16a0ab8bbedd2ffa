"""ROC plots of one run and of several: TAR against FMR, the FMR on a logarithmic axis."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from facesim.evaluation.baselines import Baseline
from facesim.evaluation.roc_band import RocBand
from facesim.interfaces.fmr_support import FmrStatus, false_matches_allowed
from facesim.interfaces.metric import Metric
from facesim.interfaces.result import Estimate, EvaluationResult, rate_name
from facesim.interfaces.roc import Roc
from facesim.page import Plot, Table
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
from facesim.report.plots.layout import (
    DASHES,
    MUTED,
    SERIES,
    SYMBOLS,
    add_band,
    add_roc,
    add_threshold,
    literal,
    log_rate_axis,
    new_plot,
    style_axes,
)
from facesim.runs.comparison import Comparison


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
        baselines: each drawn at the FMRs that were measured.
    """
    plot = new_plot(height=420)
    add_band(plot, band)
    add_roc(plot, roc, "this run", 0)
    _add_baselines(plot, baselines, metrics)
    _add_chance(plot, 1 / roc.impostor)
    add_threshold(plot, result)
    style_axes(plot, "False match rate (FMR)", "True accept rate (1 - FNMR)")
    log_rate_axis(plot.layout.xaxis, 1 / roc.impostor)
    plot.update_yaxes(tickformat=".0%", range=[0, 1.01])
    rates = accept_rates(result, metrics)
    numbers = _numbers(band, rates, roc.impostor)
    return Plot("roc", "ROC", _description(rates, roc, band), plot, numbers)


def _add_baselines(plot: Any, baselines: Sequence[Baseline], metrics: Mapping[str, Metric]) -> None:
    for series, baseline in enumerate(baselines, start=1):
        measured = [
            (at.point.achieved_fmr, at.value)
            for _, at in accept_rates(baseline.result, metrics)
            if is_measurable(at) and at.point is not None and at.point.achieved_fmr
        ]
        name = literal(words(baseline.name))
        plot.add_scatter(
            x=[fmr for fmr, _ in measured],
            y=[tar for _, tar in measured],
            name=name,
            mode="markers+lines",
            marker={"symbol": SYMBOLS[series % 6] + "-open", "size": 8},
            line={"color": SERIES[series % 6], "dash": DASHES[series % 6], "width": 1},
            hovertemplate=f"<b>{name}</b><br>TAR %{{y:.2%}}<br>FMR %{{x:.3~%}}<extra></extra>",
        )


def _add_chance(plot: Any, smallest: float) -> None:
    fmr = np.geomspace(smallest, 1, 50)
    plot.add_scatter(
        x=fmr,
        y=fmr,
        showlegend=False,
        mode="lines",
        line={"color": MUTED, "width": 1, "dash": "dot"},
        hoverinfo="skip",
    )


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


def roc_overlay(comparison: Comparison) -> Plot | None:
    """The curve of each run whose scores were kept; None if none were."""
    plot = new_plot(height=440)
    smallest = 1.0
    for series, run in enumerate(comparison.runs):
        pairs = run.files.pairs
        if pairs is None or not (run.result.genuine and run.result.impostor):
            continue
        roc = Roc.of_scores(pairs.scores, pairs.same)
        add_roc(plot, roc, run.label, series)
        smallest = min(smallest, 1 / roc.impostor)
    if not plot.data:
        return None
    style_axes(plot, "False match rate (FMR)", "True accept rate (1 - FNMR)")
    log_rate_axis(plot.layout.xaxis, smallest)
    plot.update_yaxes(tickformat=".0%", range=[0, 1.01])
    return Plot(
        "roc",
        "ROC",
        "The curve of each run on its own pairs; further up and further left is better.",
        plot,
        _rates_of_runs(comparison),
    )


def _rates_of_runs(comparison: Comparison) -> Table:
    rates = [dict(accept_rates(run.result, comparison.metrics)) for run in comparison.runs]
    targets = dict.fromkeys(target for each in rates for target in each)
    rows = tuple(
        (
            run.label,
            *(estimate(RATE, each[target]) if target in each else NOTHING for target in targets),
        )
        for run, each in zip(comparison.runs, rates, strict=True)
    )
    columns = ("Run", *(f"TAR at FAR {rate_name(target)}" for target in targets))
    return Table("TAR at FAR", columns, rows)
