"""What of a plot stands in the page, and that it can be read without its colours."""

import re
import xml.etree.ElementTree as ET
from html import unescape

import pytest

from facesim.page import Axis, Panel, Plot, Series, Table
from facesim.report.plots.svg import MARKERS, STYLES, plot_svg, style_class

NUMBERS = Table("numbers", ("a",), ())
X, Y = Axis("x", low=0.0, high=10.0), Axis("y", low=0.0, high=10.0)


def plot_of(*panels: Panel) -> Plot:
    return Plot("plot", "title", "description", panels, NUMBERS)


def drawn(*series: Series, x: Axis = X, y: Axis = Y) -> ET.Element:
    """As an element, which is also the check that the text is well-formed."""
    return ET.fromstring(f"<div>{plot_svg(plot_of(Panel(x, y, series)))}</div>")


def paths(found: ET.Element, kind: str) -> list[str]:
    stretched = found.findall(f".//g[@data-of]/svg/path[@class='{kind}']")
    return [path.get("d", "") for path in stretched]


def test_a_line_goes_through_its_points_and_up_is_up() -> None:
    found = drawn(Series("a", (0.0, 5.0, 10.0), (0.0, 10.0, 2.5)))
    assert paths(found, "curve") == ["M0 10000L5000 0L10000 7500"]


def test_a_missing_value_interrupts_a_line() -> None:
    found = drawn(Series("a", (0.0, 5.0, 6.0, 10.0), (0.0, None, 1.0, 1.0)))
    assert paths(found, "curve") == ["M0 10000M6000 9000L10000 9000"]
    (group,) = found.findall(".//g[@data-tips]")
    assert len(group.get("data-tips", "").split(" · x")) == 1
    assert group.get("data-tips", "").count("x ") == 3


def test_steps_go_right_before_they_go_up() -> None:
    found = drawn(Series("a", (0.0, 5.0), (0.0, 10.0), marks=("steps",)))
    assert paths(found, "curve") == ["M0 10000H5000V0"]


def test_an_area_is_closed_at_the_axis_and_a_band_between_its_ends() -> None:
    found = drawn(
        Series("a", (1.0, 5.0), (2.0, 4.0), marks=("area",)),
        Series("b", (1.0, 5.0), (2.0, 4.0), marks=("band",), low=(1.0, 2.0), high=(3.0, 5.0)),
    )
    assert paths(found, "fill") == [
        "M1000 8000L5000 6000V10000H1000Z",
        "M1000 7000 5000 5000 5000 8000 1000 9000Z",
    ]


def test_points_have_their_intervals_along_the_axis_of_the_value() -> None:
    series = Series("a", (5.0,), (5.0,), marks=("points",), low=(2.0,), high=(8.0,))
    (upright,) = drawn(series).findall(".//line[@class='interval']")
    assert [upright.get(each) for each in ("x1", "x2", "y1", "y2")] == ["50%", "50%", "80%", "20%"]
    rows = Axis("", names=("only",))
    flat = Series("a", (5.0,), (0.0,), marks=("points",), low=(2.0,), high=(8.0,))
    (along,) = drawn(flat, y=rows).findall(".//line[@class='interval']")
    assert [along.get(each) for each in ("x1", "x2")] == ["20%", "80%"]
    assert along.get("y1") == along.get("y2")


def test_bars_begin_at_nought() -> None:
    rows = Axis("", names=("a", "b"))
    found = drawn(Series("", (5.0, 10.0), (0.0, 1.0), marks=("bars",)), y=rows)
    bars = [(bar.get("x"), bar.get("width")) for bar in found.findall(".//rect[@class='bar']")]
    assert bars == [("0%", "50%"), ("0%", "100%")]


def test_each_point_has_a_tip_on_a_line_of_its_own() -> None:
    series = Series("name", (1.0, 2.0), (3.0, 4.0), tips=("one\nline", "two"))
    (group,) = drawn(series, Series("quiet", (1.0,), (1.0,), silent=True)).findall(
        ".//g[@data-tips]"
    )
    raw = re.search(r'data-tips="([^"]*)"', str(plot_svg(plot_of(Panel(X, Y, (series,))))))
    assert raw is not None
    assert unescape(raw[1]) == "one line\ntwo"
    assert group.get("data-name") == "name"


def test_a_series_without_a_place_on_the_axes_has_nothing_to_point_at() -> None:
    found = drawn(Series("a", (0.0, -1.0), (1.0, 1.0)), x=Axis("x", log=True, low=0.1, high=1.0))
    assert found.find(".//g[@data-tips]") is None
    assert paths(found, "curve") == [""]


def test_only_series_with_a_name_are_in_the_legend() -> None:
    found = drawn(Series("a", (1.0,), (1.0,)), Series("", (1.0,), (1.0,)))
    assert [entry.text for entry in found.findall(".//li/span")] == ["a"]
    assert drawn(Series("", (1.0,), (1.0,))).find("ul") is None


def test_a_plot_is_one_image_with_its_title_and_description_and_holds_nothing_to_act_on() -> None:
    found = drawn(Series("a", (1.0,), (1.0,)))
    (image,) = found.findall(".//*[@role='img']")
    assert image.get("aria-labelledby") == "plot-title"
    assert image.get("aria-describedby") == "plot-description"
    assert not [each for each in image.iter() if each.tag in ("a", "button", "input")]
    assert not [each for each in image.iter() if each.get("tabindex")]


def test_a_label_is_shortened_and_what_lies_far_outside_stays_near() -> None:
    found = drawn(Series("a", (0.0,), (0.0,)), y=Axis("", names=("n" * 80,)))
    (label,) = found.findall(".//text[@class='y']")
    assert label.text == "n" * 33 + "…"
    far = drawn(Series("a", (0.0, 1e30), (0.0, -1e30)))
    assert paths(far, "curve") == ["M0 10000L20000 20000"]


def test_the_same_plot_has_the_same_bytes_and_a_long_curve_few() -> None:
    xs = tuple(index / 60 for index in range(600))
    series = Series("a", xs, xs, marks=("steps",))
    text = str(plot_svg(plot_of(Panel(X, Y, (series,)))))
    assert text == str(plot_svg(plot_of(Panel(X, Y, (series,)))))
    assert len(text.encode()) < 30_000


@pytest.mark.parametrize("number", range(STYLES))
def test_the_first_twelve_series_differ_in_dash_or_in_marker(number: int) -> None:
    """Of the dashes there are four, of the markers six; no two series share both."""
    others = [each for each in range(STYLES) if each != number]
    assert all(each % 4 != number % 4 or each % MARKERS != number % MARKERS for each in others)
    assert style_class(number + STYLES) == style_class(number)
