import pytest

from facesim.report.plots.intervals import Line, interval_plot


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
    assert len({(trace.marker.symbol, trace.marker.color) for trace in figure.data}) == 2
    assert figure.layout.showlegend


def test_names_from_data_are_no_markup_for_plotly() -> None:
    figure = interval_plot([Line("<b>a</b>", 0.5, None, None, "<i>", "<u>")], "x")
    assert figure.data[0].y == ("&lt;b&gt;a&lt;/b&gt;",)
    assert figure.data[0].text == ("&lt;i&gt;",)
    assert figure.data[0].name == "&lt;u&gt;"
