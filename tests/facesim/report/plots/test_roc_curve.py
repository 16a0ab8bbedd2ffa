from collections.abc import Callable

import numpy as np
import pytest

from facesim.evaluation.baselines import Baseline, KeptCurve
from facesim.evaluation.roc_band import RocBand
from facesim.interfaces.roc import Roc
from facesim.report.plots.roc_curve import roc_overlay, roc_plot
from facesim.runs.comparison import compare_runs
from facesim.runs.run import Run
from tests.facesim.report.small_result import METRICS, small_result

ROC = Roc.of_scores(np.arange(400) / 400, np.arange(400) % 2 == 1)
GRID = np.geomspace(0.001, 1, 24, endpoint=False)
BAND = RocBand(fmr=GRID, tar=GRID, low=GRID / 2, high=GRID**0.5)


def test_each_run_has_a_curve_and_a_row_even_the_same_run_twice(
    build_run: Callable[..., Run],
) -> None:
    run = build_run()
    plot = roc_overlay(compare_runs([run, run]))
    assert plot is not None
    assert len(plot.panels[0].series) == len(plot.numbers.rows) == 2
    assert plot.numbers.rows[0][1:] == plot.numbers.rows[1][1:]
    assert plot.numbers.columns[:2] == ("Run", "TAR at FAR 1e-1")


def test_a_run_whose_scores_were_not_kept_has_a_row_only(build_run: Callable[..., Run]) -> None:
    runs = [build_run(name) for name in ("one", "two", "three")]
    (runs[1].directory.evaluation("test") / "scores.csv").unlink()
    plot = roc_overlay(compare_runs(runs))
    assert plot is not None
    assert [series.name for series in plot.panels[0].series] == ["one", "three"]
    assert [row[0] for row in plot.numbers.rows] == ["one", "two", "three"]
    for run in (runs[0], runs[2]):
        (run.directory.evaluation("test") / "scores.csv").unlink()
    assert roc_overlay(compare_runs(runs)) is None


def test_the_words_are_those_of_the_result() -> None:
    told = (
        "The true accept rate is 75.00% at FAR 1e-1; 50.00%, unstable at FAR 1e-2. The area under "
        "the curve is 0.5025. The dotted line is chance."
    )
    how = " The band is a 95% interval at each FMR, from a jackknife over identities."
    assert roc_plot(ROC, None, small_result(), METRICS).description == told
    assert roc_plot(ROC, BAND, small_result(), METRICS).description == told + how
    without = roc_plot(ROC, None, small_result(metrics={}), METRICS).description
    assert without.startswith("No target FAR is measurable. The area")


def test_every_fourth_point_of_the_band_that_is_measurable_is_in_the_table() -> None:
    """Of 200 impostors, FMR 0.015 lets 3 pass and FMR 0.15 lets 30."""
    numbers = roc_plot(ROC, BAND, small_result(), METRICS).numbers
    assert numbers.columns == ("FMR", "TAR", "95% interval", "Support")
    assert numbers.rows == (
        ("3.16%", "3.16%", "1.58% to 17.78%", "unstable"),
        ("10.00%", "10.00%", "5.00% to 31.62%", "unstable"),
        ("31.62%", "31.62%", "15.81% to 56.23%", "measured"),
    )
    hole = BAND.low.copy()
    hole[0] = np.nan
    shifted = roc_plot(ROC, RocBand(GRID, GRID, hole, BAND.high), small_result(), METRICS).numbers
    assert shifted.rows[0][0] == f"{GRID[13]:.2%}"


def test_without_a_band_the_targets_are_in_the_table() -> None:
    numbers = roc_plot(ROC, None, small_result(), METRICS).numbers
    assert numbers.columns == ("FMR", "TAR", "95% interval", "Support")
    assert numbers.rows == (
        ("1e-1", "75.00%", "62.50% to 81.25%", "measured: 30 false matches of 7 identities"),
        ("1e-2", "50.00%", "25.00% to 62.50%", "unstable: 29 false matches of 7 identities"),
        ("1e-3", "-", "-", "not measurable"),
    )


def test_chance_is_a_line_from_the_least_rate_and_the_axes_hold_all() -> None:
    (panel,) = roc_plot(ROC, None, small_result(), METRICS).panels
    (chance,) = (series for series in panel.series if not series.name)
    assert chance.x == chance.y
    assert [chance.x[0], chance.x[-1]] == pytest.approx([1 / 200, 1])
    assert panel.x.low == pytest.approx(1 / 200)
    assert (panel.y.low, panel.y.high) == (0, 1.01)
    assert panel.x.title == "False match rate (FMR)"
    assert panel.y.title == "True accept rate (1 - FNMR)"


def test_a_baseline_has_its_curve() -> None:
    curve = KeptCurve.of(ROC)
    baseline = Baseline(
        name="chance", description="", result=small_result(), differences=(), curve=curve
    )
    (panel,) = roc_plot(ROC, None, small_result(), METRICS, [baseline]).panels
    own, drawn = (series for series in panel.series if "steps" in series.marks)
    assert (drawn.name, drawn.x, drawn.y) == ("chance", own.x, own.y)


def test_a_baseline_without_a_curve_is_drawn_at_the_fmrs_that_it_achieved() -> None:
    """Nowhere that is not measurable."""
    baseline = Baseline(
        name="raw_pixels", description="pixels", result=small_result(), differences=()
    )
    (panel,) = roc_plot(ROC, BAND, small_result(), METRICS, [baseline, baseline]).panels
    first, second = (series for series in panel.series if series.name == "raw pixels")
    assert list(first.x) == pytest.approx([0.09, 0.009])
    assert list(first.y) == [0.75, 0.5]
    assert (first.style, second.style) == (1, 2)


def test_the_axis_of_several_runs_begins_at_the_least_rate_of_any(
    build_run: Callable[..., Run],
) -> None:
    plot = roc_overlay(compare_runs([build_run("one"), build_run("two")]))
    assert plot is not None
    assert plot.panels[0].x.low == pytest.approx(1 / 180)
    assert [series.style for series in plot.panels[0].series] == [0, 1]
    assert all(len(row) == len(plot.numbers.columns) for row in plot.numbers.rows)
    assert plot.numbers.columns[-1] == "TAR at FAR 1e-6"
