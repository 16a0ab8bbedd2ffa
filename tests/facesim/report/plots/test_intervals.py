from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from facesim.evaluation.differences import MetricDifference
from facesim.page import Plot
from facesim.report.plots.intervals import Line, interval_panel
from facesim.report.plots.intervals import differences_plot as drawn_differences
from facesim.runs.comparison import Comparison, compare_runs
from facesim.runs.run import Run


def test_a_value_has_its_interval_or_none() -> None:
    lines = [Line("a", 0.5, 0.4, 0.7, "text"), Line("b", 0.5, None, None, "")]
    (drawn,) = interval_panel(lines, "x").series
    assert (drawn.low, drawn.high) == ((0.4, None), (0.7, None))
    assert drawn.tips[0] == "a · text"


def test_names_stand_from_top_to_bottom_in_their_order() -> None:
    lines = [Line("first", 0.5, 0.1, 0.6, ""), Line("second", 0.8, None, None, "")]
    panel = interval_panel(lines, "x")
    assert panel.y.names == ("first", "second")
    assert list(panel.series[0].y) == [0, 1]


def test_series_have_styles_of_their_own_and_stand_side_by_side_in_one_row() -> None:
    lines = [Line(name, 0.5, None, None, "", rate) for name in "ab" for rate in ("FMR", "FNMR")]
    panel = interval_panel(lines, "x")
    assert panel.y.names == ("a", "b")
    assert [(each.name, each.style) for each in panel.series] == [("FMR", 0), ("FNMR", 1)]
    assert panel.series[0].y == pytest.approx((-0.2, 0.8))
    assert panel.series[1].y == pytest.approx((0.2, 1.2))


@pytest.mark.parametrize(("rows", "beside", "height"), [(1, 1, 84), (4, 1, 112), (4, 3, 240)])
def test_a_row_takes_28_pixels_and_16_for_each_further_series(
    rows: int, beside: int, height: int
) -> None:
    lines = [
        Line(str(row), row, None, None, "", str(series))
        for row in range(rows)
        for series in range(beside)
    ]
    assert interval_panel(lines, "x").height == height


def test_a_reference_is_a_line_through_all_rows() -> None:
    line, _ = interval_panel([Line("a", 0.5, None, None, "")], "x", reference=0.25).series
    assert (list(line.x), list(line.y), line.silent) == ([0.25, 0.25], [-0.6, 0.6], True)


def with_differences(comparison: Comparison, *found: MetricDifference) -> Comparison:
    first, second = comparison.groups
    differences = {**second.differences, **{each.metric: each for each in found}}
    return replace(comparison, groups=(first, replace(second, differences=differences)))


def differences_plot(comparison: Comparison, names: Sequence[str]) -> Plot | None:
    return drawn_differences(comparison, [comparison.metrics[name] for name in names])


def test_differences_of_rates_are_drawn_in_points(build_run: Callable[..., Run]) -> None:
    """Neither a number without a unit nor what could not be compared."""
    comparison = compare_runs([build_run("one"), build_run("two")])
    found = (
        MetricDifference(metric="accuracy", difference=0.125, low=-0.25, high=0.5),
        MetricDifference(metric="eer", difference=-0.25, reason="no interval here"),
        MetricDifference(metric="roc_auc", difference=0.5, low=0.25, high=0.75),
        MetricDifference(metric="fmr", difference=None, reason="none"),
    )
    names = [each.metric for each in found]
    plot = differences_plot(with_differences(comparison, *found), names)
    assert plot is not None
    (panel,) = plot.panels
    zero, drawn = panel.series
    assert panel.y.names == ("Accuracy", "Equal error rate")
    assert list(drawn.x) == [12.5, -25.0]
    assert (drawn.low, drawn.high) == ((-25.0, None), (50.0, None))
    assert (drawn.name, drawn.style) == ("two", 1)
    assert plot.description == (
        "Each minus one, with 95% intervals. An interval that holds 0 shows no difference. "
        "Lower is better for: Equal error rate."
    )
    assert plot.numbers.rows == (
        ("two", "Accuracy", "+12.50 points (-25.00 to +50.00): no difference shown"),
        ("two", "Equal error rate", "-25.00 points, without an interval: no interval here"),
    )
    assert set(zero.x) == {0}
    accuracy = differences_plot(with_differences(comparison, found[0]), names[:1])
    assert accuracy is not None
    assert "Lower is better" not in accuracy.description
    assert differences_plot(with_differences(comparison, *found[2:]), names[2:]) is None
