"""The report in a browser: what it draws, that it talks to nobody, that it fits a phone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from facesim.atomic import write_text
from facesim.report.comparison_report import write_comparison
from facesim.report.run_report import write_report
from facesim.runs.comparison import compare_runs
from facesim.runs.run import Run

CHROMIUM = Path("/usr/bin/chromium")
PLOTS = "figure > .plot"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        yield chromium
        chromium.close()


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
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('figure > .plot')]"
            ".every((plot) => plot.querySelector('.main-svg'))"
        )

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
def test_every_figure_is_drawn_without_a_complaint_or_a_request(
    browser: Any, files: tuple[Path, Path], which: int, scheme: str
) -> None:
    visit = Visit(browser, files[which], color_scheme=scheme)
    plots = visit.page.query_selector_all(PLOTS)
    assert len(plots) == (9, 2)[which]
    assert all(plot.query_selector(".trace") for plot in plots)
    assert visit.complaints == []
    assert visit.requests == [files[which].as_uri()]


def test_hovering_shows_a_value(browser: Any, files: tuple[Path, Path]) -> None:
    visit = Visit(browser, files[0])
    drawing = visit.page.locator("#score-histogram .nsewdrag")
    drawing.scroll_into_view_if_needed()
    box = drawing.bounding_box()
    visit.page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    hover = visit.page.wait_for_selector("#score-histogram .hovertext", state="attached")
    assert "impostor pairs" in hover.text_content()


def test_dragging_zooms(browser: Any, files: tuple[Path, Path]) -> None:
    visit = Visit(browser, files[0])
    shown = "() => document.querySelector('#roc > .plot').layout.xaxis.range"
    before = visit.page.evaluate(shown)
    drawing = visit.page.locator("#roc .nsewdrag")
    drawing.scroll_into_view_if_needed()
    box = drawing.bounding_box()
    visit.page.mouse.move(box["x"] + 50, box["y"] + 50)
    visit.page.mouse.down()
    visit.page.mouse.move(box["x"] + 200, box["y"] + 200, steps=5)
    visit.page.mouse.up()
    visit.page.wait_for_function(f"(before) => ({shown})()[0] !== before", arg=before[0])
    after = visit.page.evaluate(shown)
    assert before[0] < after[0] < after[1] < before[1]


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
    line = "#loss .js-line"
    light = visit.colour(line, "stroke"), visit.colour("body", "backgroundColor")
    visit.page.emulate_media(color_scheme="dark")
    visit.page.wait_for_function(
        f"(before) => getComputedStyle(document.querySelector('{line}')).stroke !== before",
        arg=light[0],
    )
    assert visit.colour("body", "backgroundColor") != light[1]
    assert visit.complaints == []


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
