"""Pages in a browser: what they draw and say, that they talk to nobody and fit a phone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facesim.atomic import write_text
from facesim.report.comparison_files import write_comparison
from facesim.report.run_report import write_report
from facesim.runs.comparison import compare_runs
from facesim.runs.run import Run

PLOTS = "figure > .plot"


class Visit:
    """One page opened from a file, with all that it complained of and asked for."""

    def __init__(self, browser: Any, file: Path, **context: Any) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page = browser.new_context(**context).new_page()
        self.page.set_default_timeout(120_000)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.route("**/*", self._note)
        self.page.goto(file.as_uri())

    def _note(self, route: Any) -> None:
        self.requests.append(route.request.url)
        route.continue_()

    def colour(self, selector: str, what: str) -> str:
        found: str = self.page.eval_on_selector(
            selector, f"(element) => getComputedStyle(element).{what}"
        )
        return found


@pytest.fixture(scope="module")
def files(
    tmp_path_factory: pytest.TempPathFactory, build_run_in: Callable[..., Run]
) -> tuple[Path, Path]:
    """A report and a comparison."""
    folder = tmp_path_factory.mktemp("browser")
    first, second = build_run_in(folder, "one"), build_run_in(folder, "two", 2.5)
    page = write_comparison(compare_runs([first, second]), folder / "compare.html")
    return write_report(first.read()), page


@pytest.mark.parametrize("which", [0, 1], ids=["report", "comparison"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_plot_is_drawn_without_a_complaint_or_a_request(
    browser: Any, files: tuple[Path, Path], which: int, scheme: str
) -> None:
    visit = Visit(browser, files[which], color_scheme=scheme)
    plots = visit.page.query_selector_all(PLOTS)
    assert len(plots) == (9, 2)[which]
    assert all(plot.query_selector("[data-of] > *") for plot in plots)
    assert visit.complaints == []
    assert visit.requests == [files[which].as_uri()]


def test_without_scripts_the_plots_are_drawn_all_the_same(
    browser: Any, files: tuple[Path, Path]
) -> None:
    visit = Visit(browser, files[0], java_script_enabled=False)
    box = visit.page.locator("#roc .plot .curve").first.bounding_box()
    assert box["width"] > 300
    assert box["height"] > 100
    assert visit.page.locator("#roc .legend button").count() == 0
    assert visit.page.locator("#roc .legend li").count() == 4


def test_pointing_shows_the_nearest_value(browser: Any, files: tuple[Path, Path]) -> None:
    visit = Visit(browser, files[0])
    drawing = visit.page.locator("#score-histogram .panel > svg")
    drawing.scroll_into_view_if_needed()
    box = drawing.bounding_box()
    visit.page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    tip = visit.page.locator(".tip")
    assert "of the impostor pairs" in tip.text_content()
    assert visit.page.locator(".here").is_visible()
    visit.page.mouse.move(2, 2)
    assert tip.text_content() == ""
    assert not visit.page.locator(".here").is_visible()


def test_a_touch_shows_a_value(browser: Any, files: tuple[Path, Path]) -> None:
    size = {"width": 390, "height": 844}
    visit = Visit(browser, files[0], viewport=size, is_mobile=True, has_touch=True)
    visit.page.locator("#validation .panel > svg").tap()
    assert "Accuracy" in visit.page.locator(".tip").text_content()
    visit.page.locator("h1").tap()
    assert visit.page.locator(".tip").text_content() == ""


def test_keys_go_through_the_values_of_each_series(browser: Any, files: tuple[Path, Path]) -> None:
    visit = Visit(browser, files[0])
    visit.page.locator("#loss .legend button").last.focus()
    visit.page.keyboard.press("Tab")
    tip = visit.page.locator(".tip")
    assert tip.text_content().startswith("training batchesStep ")
    first = tip.text_content()
    visit.page.keyboard.press("ArrowRight")
    assert tip.text_content() != first
    visit.page.keyboard.press("ArrowDown")
    assert tip.text_content().startswith("valStep ")
    visit.page.keyboard.press("Escape")
    assert tip.text_content() == ""


def test_the_legend_hides_a_series_from_sight_and_from_the_pointer(
    browser: Any, files: tuple[Path, Path]
) -> None:
    visit = Visit(browser, files[0])
    button = visit.page.locator("#loss .legend button").first
    curve = visit.page.locator("#loss [data-name='training batches']")
    assert (button.text_content(), curve.is_visible()) == ("training batches", True)
    button.click()
    assert (button.get_attribute("aria-pressed"), curve.is_visible()) == ("false", False)
    visit.page.locator("#loss .panel > svg").hover()
    assert visit.page.locator(".tip").text_content().startswith("val")
    button.click()
    assert (button.get_attribute("aria-pressed"), curve.is_visible()) == ("true", True)


@pytest.mark.parametrize("which", [0, 1], ids=["report", "comparison"])
def test_a_phone_needs_no_scrolling_sideways(
    browser: Any, files: tuple[Path, Path], which: int
) -> None:
    size = {"width": 390, "height": 844}
    visit = Visit(browser, files[which], viewport=size, is_mobile=True, has_touch=True)
    for details in visit.page.query_selector_all("summary"):
        details.click()
    assert visit.page.evaluate("() => document.documentElement.scrollWidth") == 390
    assert visit.complaints == []


def test_plots_follow_the_readers_mode_when_it_changes(
    browser: Any, files: tuple[Path, Path]
) -> None:
    visit = Visit(browser, files[0], color_scheme="light")
    line = "#loss .plot .curve"
    light = visit.colour(line, "stroke"), visit.colour("body", "backgroundColor")
    visit.page.emulate_media(color_scheme="dark")
    visit.page.wait_for_function(
        f"(before) => getComputedStyle(document.querySelector('{line}')).stroke !== before",
        arg=light[0],
    )
    assert visit.colour("body", "backgroundColor") != light[1]
    assert visit.complaints == []


def test_paper_is_light_and_has_what_can_be_read_there(
    browser: Any, files: tuple[Path, Path]
) -> None:
    """Also for a reader whose screen is dark; A4 within margins of 15 mm is 680 pixels wide."""
    visit = Visit(browser, files[0], color_scheme="dark", viewport={"width": 680, "height": 1000})
    visit.page.emulate_media(media="print", color_scheme="dark")
    assert visit.colour("body", "backgroundColor") == "rgb(255, 255, 255)"
    assert visit.colour("#roc .plot text", "fill") == "rgb(29, 32, 36)"
    assert not visit.page.locator("nav").is_visible()
    assert visit.page.locator("#roc .plot .curve").first.is_visible()
    assert visit.page.evaluate("() => document.documentElement.scrollWidth") == 680
    for table in visit.page.query_selector_all(".scroll"):
        assert table.evaluate("(it) => it.scrollWidth <= it.clientWidth")
    assert visit.page.pdf(format="A4").startswith(b"%PDF")


def test_nothing_in_the_data_runs(
    browser: Any, tmp_path: Path, build_run_in: Callable[..., Run]
) -> None:
    run = build_run_in(tmp_path, "evil")
    evil = "</script><img src=x onerror=alert(1)><script>alert(1)</script>"
    for file in ("lint.json", "eval/test/slices.json", "eval/test/baselines.json"):
        path = run.path / file
        write_text(path, path.read_text().replace('"freckles"', f'"{evil}"'))
        write_text(path, path.read_text().replace('"chance"', f'"{evil}"'))
        write_text(path, path.read_text().replace('"identity 8"', f'"{evil}"'))
    visit = Visit(browser, write_report(run.read()))
    assert visit.complaints == []
    assert len(visit.requests) == 1
    assert evil in visit.page.text_content("#slice-errors")
