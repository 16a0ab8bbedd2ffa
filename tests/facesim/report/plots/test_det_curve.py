"""DET of one run, and TAR at FAR without single scores, worked out by hand."""

import numpy as np
import pytest

from facesim.evaluation.baselines import Baseline, KeptCurve
from facesim.evaluation.roc_band import RocBand
from facesim.interfaces.roc import Roc
from facesim.report.plots.det_curve import det_plot, tar_at_far_plot
from tests.facesim.report.small_result import METRICS, at_target, small_result

ROC = Roc.of_scores(
    np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4]), np.array([True, False, True, False, False, True])
)
"""Three pairs of either kind: FNMR 2/3 at FMR 1/3, 1/3 from there to FMR 1, then 0."""


def test_the_curve_is_drawn_where_there_are_errors_of_both_kinds() -> None:
    (panel,) = det_plot(ROC, None, small_result(), METRICS).panels
    (curve,) = (series for series in panel.series if series.name == "this run")
    assert list(curve.x) == pytest.approx([1 / 3, 1 / 3, 1])
    assert [y or 0 for y in curve.y] == pytest.approx([2 / 3, 1 / 3, 1 / 3])


def test_the_words_and_the_table_are_those_of_the_result() -> None:
    plot = det_plot(ROC, None, small_result(), METRICS)
    assert plot.description == (
        "The false non-match rate is 25.00% at FMR 1e-1; 50.00%, unstable at FMR 1e-2. The dotted "
        "line is where both are equal; the equal error rate is 33.33%."
    )
    assert plot.numbers.columns == ("FMR", "FNMR", "95% interval", "Support")
    assert plot.numbers.rows == (
        ("1e-1", "25.00%", "18.75% to 37.50%", "measured: 30 false matches of 7 identities"),
        ("1e-2", "50.00%", "37.50% to 75.00%", "unstable: 29 false matches of 7 identities"),
        ("1e-3", "-", "-", "not measurable"),
    )
    without = det_plot(ROC, None, small_result(metrics={}), METRICS).description
    assert without.startswith("The dotted line")


def test_both_kinds_of_error_have_their_axis_and_the_band_is_of_non_matches() -> None:
    band = RocBand(*(np.array([number]) for number in (0.5, 0.5, 0.25, 0.75)))
    (panel,) = det_plot(ROC, band, small_result(), METRICS).panels
    assert panel.x.title == "False match rate (FMR)"
    assert panel.y.title == "False non-match rate (FNMR)"
    assert (panel.series[0].low, panel.series[0].high) == ((0.25,), (0.75,))
    (marked,) = (series for series in panel.series if series.name == "at the threshold")
    assert (marked.x, marked.y) == ((0.125,), (0.25,))


def test_baselines_have_the_curves_that_were_kept() -> None:
    curve = KeptCurve.of(ROC)
    chance, pixels = (
        Baseline(name=name, description="", result=small_result(), differences=(), curve=kept)
        for name, kept in (("chance", None), ("raw_pixels", curve))
    )
    (panel,) = det_plot(ROC, None, small_result(), METRICS, [chance, pixels]).panels
    own, beside = (series for series in panel.series if "steps" in series.marks)
    assert (beside.name, beside.style) == ("raw pixels", 2)
    assert (beside.x, beside.y) == (own.x, own.y)


def test_a_system_without_errors_has_no_curve() -> None:
    perfect = Roc.of_scores(np.array([0.9, 0.1]), np.array([True, False]))
    (panel,) = det_plot(perfect, None, small_result(), METRICS).panels
    names = [series.name for series in panel.series]
    assert "this run" not in names


def test_without_scores_the_measurable_targets_have_their_intervals() -> None:
    lone = at_target(0.05, 0.625, 40, None, None)
    metrics = {**small_result().metrics, "tar_at_far_5e-2": lone}
    known = {**METRICS, "tar_at_far_5e-2": METRICS["tar_at_far_1e-1"]}
    plot = tar_at_far_plot(small_result(metrics=metrics), known)
    assert plot is not None
    (panel,) = plot.panels
    (drawn,) = panel.series
    assert drawn.x == (0.1, 0.05, 0.01)
    assert drawn.y == (0.75, 0.625, 0.5)
    assert drawn.low == (0.625, None, 0.25)
    assert drawn.high == (0.8125, None, 0.625)
    assert drawn.tips == (
        "FMR 1e-1 · TAR 75.00% (62.50% to 81.25%)",
        "FMR 5e-2 · TAR 62.50%",
        "FMR 1e-2 · TAR 50.00%, unstable (25.00% to 62.50%)",
    )
    assert panel.x.low == pytest.approx(0.005)
    assert (panel.y.low, panel.y.high) == (0, 1.01)
    assert plot.description == (
        "Of 400 pairs, whose single scores were not kept; with 95% intervals."
    )
    assert [row[:2] for row in plot.numbers.rows] == [
        ("1e-1", "75.00%"),
        ("5e-2", "62.50%"),
        ("1e-2", "50.00%"),
        ("1e-3", "-"),
    ]
