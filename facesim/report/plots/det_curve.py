"""Error trade-off of one run: the DET plot, or TAR at FAR where single scores were not kept."""

from collections.abc import Mapping, Sequence

import numpy as np

from facesim.evaluation.baselines import Baseline
from facesim.evaluation.roc_band import RocBand
from facesim.evaluation.visible_points import visible_points
from facesim.interfaces.metric import Metric
from facesim.interfaces.result import Estimate, EvaluationResult, rate_name
from facesim.interfaces.roc import Roc
from facesim.interfaces.roc_points import equal_error_rate
from facesim.page import Panel, Plot, Series, Style
from facesim.report.formatting import (
    RATE,
    accept_rates,
    complement,
    estimate,
    estimated_value,
    is_measurable,
    percent,
    target_rates_table,
    words,
)
from facesim.report.plots.layout import (
    TRUE_ACCEPT_RATE,
    band_series,
    numbers_of,
    rate_axis,
    reference_line,
    threshold_series,
)


def det_plot(
    roc: Roc,
    band: RocBand | None,
    result: EvaluationResult,
    metrics: Mapping[str, Metric],
    baselines: Sequence[Baseline] = (),
) -> Plot:
    """The trade-off of both error rates, as NIST's FRTE draws it.

    Args:
        roc: of pairs of both kinds.
        band: pointwise intervals; None if there are none.
        result: for the operating point and the numbers in words.
        metrics: by name, for those that are read at a target FMR.
        baselines: drawn where their curves were kept.
    """
    smallest = min(1 / roc.impostor, 1 / roc.genuine)
    drawn = (
        *band_series(band, non_matches=True),
        _det_series(roc, "this run", 0),
        *(
            _det_series(baseline.curve.roc(), words(baseline.name), style)
            for style, baseline in enumerate(baselines, start=1)
            if baseline.curve is not None
        ),
        reference_line((smallest, 1), (smallest, 1)),
        *threshold_series(result, non_matches=True),
    )
    drawn = tuple(series for series in drawn if series.x)
    panel = Panel(
        rate_axis("False match rate (FMR)", 1 / roc.impostor),
        rate_axis("False non-match rate (FNMR)", 1 / roc.genuine),
        drawn,
    )
    rates = [(target, complement(at)) for target, at in accept_rates(result, metrics)]
    numbers = target_rates_table("FNMR at FMR, with 95% intervals", ("FMR", "FNMR"), rates)
    return Plot("det", "DET", _description(rates, roc), (panel,), numbers)


def _det_series(roc: Roc, name: str, style: Style) -> Series:
    """The curve where neither rate is 0."""
    fmr, fnmr = roc.det().T
    shown = (fmr > 0) & (fnmr > 0)
    fmr, fnmr = fmr[shown], fnmr[shown]
    kept = visible_points(np.log10(fmr), np.log10(fnmr))
    fmr, fnmr = fmr[kept], fnmr[kept]
    tips = (
        f"FMR {percent(match)} · FNMR {percent(non_match)}"
        for match, non_match in zip(fmr.tolist(), fnmr.tolist(), strict=True)
    )
    return Series(name, numbers_of(fmr), numbers_of(fnmr), style, ("steps",), tips=tuple(tips))


def _description(rates: Sequence[tuple[float, Estimate]], roc: Roc) -> str:
    at = [
        f"{estimated_value(RATE, each)} at FMR {rate_name(target)}"
        for target, each in rates
        if is_measurable(each)
    ]
    text = f"The false non-match rate is {'; '.join(at)}. " if at else ""
    equal = percent(equal_error_rate(roc).rate)
    return f"{text}The dotted line is where both are equal; the equal error rate is {equal}."


def tar_at_far_plot(result: EvaluationResult, metrics: Mapping[str, Metric]) -> Plot | None:
    """The measurable targets with their intervals; None if there is none.

    Args:
        result: of the evaluation.
        metrics: by name, for those that are read at a target FMR.
    """
    rates = accept_rates(result, metrics)
    measured = [
        (target, tar, tar.value)
        for target, tar in rates
        if tar.value is not None and is_measurable(tar)
    ]
    if not measured:
        return None
    drawn = Series(
        "",
        tuple(target for target, _, _ in measured),
        tuple(value for _, _, value in measured),
        marks=("points",),
        low=tuple(at.low for _, at, _ in measured),
        high=tuple(at.high for _, at, _ in measured),
        tips=tuple(f"FMR {rate_name(at)} · TAR {estimate(RATE, tar)}" for at, tar, _ in measured),
    )
    x = rate_axis("False match rate (FMR)", min(drawn.x) / 2)
    return Plot(
        "tar-at-far",
        "TAR at FAR",
        f"Of {result.pairs:,} pairs, whose single scores were not kept; with 95% intervals.",
        (Panel(x, TRUE_ACCEPT_RATE, (drawn,)),),
        target_rates_table("TAR at FAR", ("FMR", "TAR"), rates),
    )
