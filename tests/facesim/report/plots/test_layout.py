import numpy as np
import pytest

from facesim.evaluation.roc_band import RocBand
from facesim.interfaces.result import Estimate
from facesim.interfaces.roc import Roc
from facesim.report.plots.layout import (
    add_band,
    add_roc,
    add_threshold,
    epoch_ticks,
    log_rate_axis,
    new_plot,
    style_axes,
    visible_points,
)
from tests.facesim.report.small_result import small_result


def test_a_short_curve_is_drawn_whole() -> None:
    x = np.linspace(0, 1, 600)
    assert visible_points(x, x).tolist() == list(range(600))


def test_a_long_curve_keeps_its_ends_and_its_jumps() -> None:
    x = np.linspace(-6, 0, 100_000)
    y = np.where(x < -3, 0.1, 0.9)
    kept = visible_points(x, y)
    assert len(kept) <= 600
    assert (kept[0], kept[-1]) == (0, len(x) - 1)
    jump = int(np.flatnonzero(np.diff(y))[0])
    assert jump + 1 in kept
    assert np.abs(np.diff(x[kept])).max() < 0.05


def test_the_points_of_a_long_curve_are_as_far_apart_on_either_axis() -> None:
    """Half of the curve runs along x, the other half along y, of which a tenth of the points."""
    along, across = np.linspace(0, 1, 9001)[:-1], np.linspace(0, 50, 1001)
    x = np.concatenate([along, np.ones(1001)])
    y = np.concatenate([np.zeros(9000), across])
    kept = visible_points(x, y)
    assert len(kept) == 600
    assert np.count_nonzero(kept < 9000) == pytest.approx(300, abs=1)
    assert visible_points(x, -y).tolist() == kept.tolist()
    assert visible_points(-x, y).tolist() == kept.tolist()
    for gaps in (np.diff(x[kept]), np.diff(y[kept]) / 50):
        assert gaps.max() == pytest.approx(2 / 599, abs=0.0011)


def test_a_flat_curve_is_thinned_out_too() -> None:
    assert len(visible_points(np.linspace(0, 1, 2000), np.full(2000, 0.5))) == 600


def test_a_plot_takes_the_width_of_the_page() -> None:
    assert new_plot(height=100).layout.autosize
    assert new_plot(height=100).layout.height == 100
    assert new_plot().layout.height == 360


def test_the_legend_stands_above_the_plot() -> None:
    legend = new_plot(height=80).layout.legend
    assert (legend.orientation, legend.x, legend.y, legend.yanchor) == ("h", 0, 1.1, "bottom")


@pytest.mark.parametrize(("epochs", "step"), [(1, 1), (12, 1), (13, None)])
def test_each_epoch_has_a_tick_up_to_twelve(epochs: int, step: int | None) -> None:
    plot = new_plot()
    epoch_ticks(plot, epochs)
    axis = plot.layout.xaxis
    assert (axis.tick0, axis.dtick, axis.tickformat) == (step, step, "d")


def test_axes_have_their_titles() -> None:
    plot = new_plot()
    style_axes(plot, "right", "up")
    assert plot.layout.xaxis.title.text == "right"
    assert plot.layout.yaxis.title.text == "up"
    assert not plot.layout.xaxis.zeroline


def test_an_axis_of_rates_runs_from_the_least_to_a_little_beyond_1() -> None:
    plot = new_plot()
    log_rate_axis(plot.layout.xaxis, 0.001)
    axis = plot.layout.xaxis
    assert (axis.type, axis.dtick, axis.range) == ("log", 1, (pytest.approx(-3), 0.02))


def test_a_curve_is_drawn_where_an_impostor_passes() -> None:
    roc = Roc.of_scores(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]))
    plot = new_plot()
    add_roc(plot, roc, "<b>", 7)
    (drawn,) = plot.data
    assert drawn.x.tolist() == [0.5, 0.5, 1.0]
    assert drawn.y.tolist() == [0.5, 1.0, 1.0]
    assert drawn.customdata.tolist() == [0.8, 0.7, 0.6]
    assert drawn.name == "&lt;b&gt;"
    assert (drawn.line.color, drawn.line.dash, drawn.line.shape) == (
        "var(--series-2)",
        "dash",
        "hv",
    )


NAN = float("nan")
BAND = RocBand(
    fmr=np.array([0.1, 0.2, 0.4, 0.8]),
    tar=np.array([0.25, 0.5, 0.75, 1.0]),
    low=np.array([NAN, 0.25, 0.5, 0.875]),
    high=np.array([NAN, 0.75, 1.0, 1.0]),
)


def test_a_band_is_drawn_where_it_has_ends() -> None:
    plot = new_plot()
    add_band(plot, BAND)
    low, high = plot.data
    assert low.x.tolist() == high.x.tolist() == [0.2, 0.4, 0.8]
    assert (low.y.tolist(), high.y.tolist()) == ([0.25, 0.5, 0.875], [0.75, 1.0, 1.0])
    assert (low.showlegend, high.name, high.fill) == (False, "95% interval", "tonexty")


def test_a_band_of_non_matches_is_1_minus_it_and_ends_where_there_are_none() -> None:
    plot = new_plot()
    add_band(plot, BAND, non_matches=True)
    low, high = plot.data
    assert low.x.tolist() == high.x.tolist() == [0.2, 0.4]
    assert (low.y.tolist(), high.y.tolist()) == ([0.25, 1e-9], [0.75, 0.5])


def test_without_a_band_nothing_is_drawn() -> None:
    plot = new_plot()
    add_band(plot, None)
    assert not plot.data


@pytest.mark.parametrize(("non_matches", "y"), [(False, 0.75), (True, 0.25)])
def test_the_operating_point_says_both_of_its_errors(y: float, *, non_matches: bool) -> None:
    plot = new_plot()
    add_threshold(plot, small_result(), non_matches=non_matches)
    (marked,) = plot.data
    assert (marked.x, marked.y, marked.name) == ((0.125,), (y,), "at the threshold")
    told = "threshold 0.5<br>FMR 12.50%<br>FNMR 25.00%<extra></extra>"
    assert marked.hovertemplate == told


@pytest.mark.parametrize(
    "changed", [{"fmr": Estimate(value=0.0)}, {"tar": Estimate(value=None, reason="none")}]
)
def test_a_point_that_has_no_place_on_a_logarithmic_axis_is_not_marked(
    changed: dict[str, Estimate],
) -> None:
    plot = new_plot()
    at = small_result().operating_points[0].model_copy(update=changed)
    add_threshold(plot, small_result(operating_points=(at,)))
    add_threshold(plot, small_result(operating_points=(), threshold=None))
    assert not plot.data
