from collections.abc import Callable
from dataclasses import replace

import pytest

from facesim.evaluation.differences import MetricDifference
from facesim.report.plots.intervals import Line, differences_plot, interval_plot
from facesim.runs.comparison import Comparison, compare_runs
from facesim.runs.run import Run


def test_ends_of_intervals_are_distances_from_the_value() -> None:
    figure = interval_plot([Line("a", 0.5, 0.4, 0.7, "text")], "x")
    assert figure.data[0].error_x.array == pytest.approx((0.2,))
    assert figure.data[0].error_x.arrayminus == pytest.approx((0.1,))


def test_a_value_without_an_interval_has_none_drawn() -> None:
    figure = interval_plot([Line("a", 0.5, None, None, "text")], "x")
    assert figure.data[0].error_x.array == figure.data[0].error_x.arrayminus == (0,)


def test_names_stand_from_top_to_bottom_in_their_order_and_every_interval_fits() -> None:
    lines = [Line("first", 0.5, 0.1, 0.6, ""), Line("second", 0.8, None, None, "")]
    figure = interval_plot(lines, "x")
    assert figure.layout.yaxis.categoryarray == ("second", "first")
    low, high = figure.layout.yaxis.range  # in categories, of which the lowest is number 0
    assert low < 0
    assert high > 1
    low, high = figure.layout.xaxis.range
    assert low < 0.1
    assert high > 0.8


def test_series_differ_in_symbol_and_colour_and_have_a_legend() -> None:
    lines = [Line("a", 0.5, None, None, "", "FMR"), Line("a", 0.6, None, None, "", "FNMR")]
    figure = interval_plot(lines, "x")
    assert [trace.name for trace in figure.data] == ["FMR", "FNMR"]
    for told_apart_by in ("symbol", "color"):
        assert len({getattr(trace.marker, told_apart_by) for trace in figure.data}) == 2
    assert figure.layout.showlegend


def test_names_from_data_are_no_markup_for_plotly() -> None:
    figure = interval_plot([Line("<b>a</b>", 0.5, None, None, "<i>", "<u>")], "x")
    assert figure.data[0].y == ("&lt;b&gt;a&lt;/b&gt;",)
    assert figure.data[0].text == ("&lt;i&gt;",)
    assert figure.data[0].name == "&lt;u&gt;"


def test_there_is_a_twentieth_of_room_beside_the_intervals_and_half_a_line_above_and_below() -> (
    None
):
    lines = [
        Line("a", 0.5, 0.0, 0.6, ""),
        Line("b", 0.8, None, 1.0, ""),
        Line("c", 0.9, 0.8, 1, ""),
    ]
    figure = interval_plot(lines, "x")
    assert figure.layout.xaxis.range == (pytest.approx(-0.05), pytest.approx(1.05))
    assert figure.layout.yaxis.range == (-0.6, 2.6)
    single = interval_plot([Line("a", 0.5, None, None, "")], "x")
    assert single.layout.xaxis.range == (pytest.approx(0.45), pytest.approx(0.55))


@pytest.mark.parametrize(("lines", "height"), [(1, 188), (3, 188), (4, 214)])
def test_each_line_takes_26_pixels_from_the_third_on(lines: int, height: int) -> None:
    figure = interval_plot([Line(str(it), it, None, None, "") for it in range(lines)], "x")
    assert figure.layout.height == height


def test_without_series_there_is_no_legend_and_a_reference_is_a_line_where_asked() -> None:
    figure = interval_plot([Line("a", 0.5, None, None, "")], "x", reference=0.25)
    assert not figure.layout.showlegend
    (line,) = figure.layout.shapes
    assert (line.x0, line.x1) == (0.25, 0.25)
    assert not interval_plot([Line("a", 0.5, None, None, "")], "x").layout.shapes


def test_a_name_has_one_line_for_all_of_its_series() -> None:
    lines = [Line(name, 0.5, None, None, "", rate) for name in "ab" for rate in ("FMR", "FNMR")]
    figure = interval_plot(lines, "x")
    assert figure.layout.yaxis.categoryarray == ("b", "a")
    assert figure.data[1].hovertemplate == "<b>%{y}</b> FNMR<br>%{text}<extra></extra>"
    assert [trace.y for trace in figure.data] == [("a", "b"), ("a", "b")]


def with_differences(comparison: Comparison, *found: MetricDifference) -> Comparison:
    first, second = comparison.runs
    differences = {each.metric: each for each in found}
    return replace(comparison, runs=(first, replace(second, differences=differences)))


def test_differences_of_rates_are_drawn_in_points(build_run: Callable[..., Run]) -> None:
    """Neither a number without a unit nor what could not be compared."""
    comparison = compare_runs([build_run("one"), build_run("two")])
    found = (
        MetricDifference(metric="accuracy", difference=0.125, low=-0.25, high=0.5),
        MetricDifference(metric="eer", difference=-0.25, reason="no interval here"),
        MetricDifference(metric="roc_auc", difference=0.5, low=0.25, high=0.75),
        MetricDifference(metric="fmr_at_threshold", difference=None, reason="none"),
    )
    plot = differences_plot(with_differences(comparison, *found))
    assert plot is not None
    (drawn,) = plot.figure.data
    assert drawn.y == ("Accuracy", "Equal error rate")
    assert drawn.x == (12.5, -25.0)
    assert (drawn.error_x.array, drawn.error_x.arrayminus) == ((37.5, 0), (37.5, 0))
    assert drawn.name == "two"
    assert plot.description == (
        "Each run minus one, with 95% intervals. An interval that holds 0 shows no difference. "
        "Lower is better for: Equal error rate."
    )
    assert plot.numbers.rows == (
        ("two", "Accuracy", "+12.50 points (-25.00 to +50.00): no difference shown"),
        ("two", "Equal error rate", "-25.00 points, without an interval: no interval here"),
    )
    assert plot.figure.layout.shapes[0].x0 == 0
    accuracy = differences_plot(with_differences(comparison, found[0]))
    assert accuracy is not None
    assert "Lower is better" not in accuracy.description
    assert differences_plot(with_differences(comparison, *found[2:])) is None
