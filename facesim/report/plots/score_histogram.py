"""Distribution of genuine and impostor scores: the histogram, and the quantiles by epoch."""

from itertools import pairwise
from typing import Any

import numpy as np

from facesim.arrays import BoolArray, FloatArray
from facesim.evaluation.diagnostics import QUANTILES
from facesim.page import Axis, Panel, Plot, Series, Style, Table
from facesim.report.formatting import number, percent
from facesim.report.plots.layout import numbers_of
from facesim.runs.log import TrainingLog

_BINS = 60
_STYLES: dict[str, Style] = {"genuine": "genuine", "impostor": "impostor"}
_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def score_histogram(scores: FloatArray, same: BoolArray, threshold: float | None) -> Plot:
    """Shares of the genuine and of the impostor pairs in each of 60 bins of score.

    Args:
        scores: float64 [P], P > 0.
        same: bool [P].
        threshold: drawn if there is one.
    """
    kinds = {"Genuine": scores[same], "Impostor": scores[~same]}
    edges = np.histogram_bin_edges(scores, _BINS)
    shares = {
        kind: np.histogram(values, edges)[0] / len(values)
        for kind, values in kinds.items()
        if len(values)
    }
    drawn = [_outline(kind, each, edges) for kind, each in shares.items()]
    top = float(max(each.max() for each in shares.values()))
    if threshold is not None:
        told = f"threshold {number(threshold)}"
        drawn.append(
            Series(told, (threshold,) * 2, (0.0, top), "ink", ("line",), tips=(told, told))
        )
    panel = Panel(
        Axis("Score (higher: more similar)"),
        Axis("Share of the genuine / impostor pairs", "percent", low=0.0, high=1.05 * top),
        tuple(drawn),
    )
    return Plot(
        "score-histogram",
        "Distribution of scores",
        _description(kinds, threshold),
        (panel,),
        _numbers(kinds),
    )


def _outline(kind: str, shares: FloatArray, edges: FloatArray) -> Series:
    of = f"of the {kind.lower()} pairs"
    tips = [
        f"score {number(low)} to {number(high)} · {percent(share)} {of}"
        for (low, high), share in zip(pairwise(edges.tolist()), shares.tolist(), strict=True)
    ]
    return Series(
        kind,
        numbers_of(edges),
        numbers_of(np.append(shares, shares[-1])),
        _STYLES[kind.lower()],
        ("area", "steps"),
        tips=(*tips, tips[-1]),
    )


def _description(kinds: dict[str, FloatArray], threshold: float | None) -> str:
    medians = " and ".join(
        f"{number(float(np.median(values)))} for {kind.lower()} pairs"
        for kind, values in kinds.items()
        if len(values)
    )
    text = f"The median score is {medians}."
    if threshold is None:
        return f"{text} There is no threshold."
    wrong = (
        ("genuine pairs lie below it (false non-matches)", kinds["Genuine"] < threshold),
        ("impostor pairs at or above it (false matches)", kinds["Impostor"] >= threshold),
    )
    shares = " and ".join(f"{percent(float(of.mean()))} of {what}" for what, of in wrong if len(of))
    return f"{text} The threshold is {number(threshold)}: {shares}."


def _numbers(kinds: dict[str, FloatArray]) -> Table:
    return Table(
        "Quantiles of the scores",
        ("Kind", "Pairs", *(f"{quantile:.0%}" for quantile in _QUANTILES)),
        tuple(
            (
                kind,
                f"{len(values):,}",
                *(number(float(each)) for each in np.quantile(values, _QUANTILES)),
            )
            for kind, values in kinds.items()
            if len(values)
        ),
    )


def score_quantiles_plot(log: TrainingLog) -> Plot | None:
    """Medians and 5% to 95% ranges of both kinds, by epoch; None if none were logged."""
    bands, medians = [], []
    for kind, style in _STYLES.items():
        entries = [entry for entry in log.val if f"{kind}_score_q50" in entry]
        if not entries:
            continue
        epochs = tuple(entry["epoch"] for entry in entries)
        low, middle, high = (
            tuple(entry[f"{kind}_score_q{end:02d}"] for entry in entries) for end in (5, 50, 95)
        )
        bands.append(Series("", epochs, middle, style, ("band",), low, high, silent=True))
        tips = (
            f"epoch {epoch} · {kind} median {number(at)} · 90% from {number(least)} to "
            f"{number(most)}"
            for epoch, least, at, most in zip(epochs, low, middle, high, strict=True)
        )
        medians.append(
            Series(f"{kind} median", epochs, middle, style, ("line", "points"), tips=tuple(tips))
        )
    if not medians:
        return None
    return Plot(
        "score-quantiles",
        "Scores on val",
        "Lines are medians; bands hold the middle 90% of the pairs. Training should separate the "
        "bands.",
        (Panel(Axis("Epoch", "whole"), Axis("Score"), (*bands, *medians)),),
        _quantiles_by_epoch(log),
    )


def _quantiles_by_epoch(log: TrainingLog) -> Table:
    return Table(
        "Quantiles of the scores on val, by epoch",
        ("Epoch", *(f"{kind} {end}%" for kind in _STYLES for end in QUANTILES)),
        tuple((str(entry["epoch"]), *_quantiles(entry)) for entry in log.val),
    )


def _quantiles(entry: dict[str, Any]) -> list[str]:
    return [number(entry.get(f"{kind}_score_q{end:02d}")) for kind in _STYLES for end in QUANTILES]
