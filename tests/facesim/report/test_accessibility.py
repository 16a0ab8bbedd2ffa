"""axe-core finds nothing on any page that facesim writes, in light and dark, wide and narrow."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facesim.atomic import write_text
from facesim.page import Page, Section, Text
from facesim.report.comparison_files import write_comparison
from facesim.report.rendering import render
from facesim.report.run_report import write_report
from facesim.runs.comparison import compare_groups, compare_runs
from facesim.runs.run import Run
from tests.facesim.accessibility import violations

PAGES = ("report", "no-faces", "unfinished", "not-evaluated", "two-runs", "many-runs", "groups")


@pytest.fixture(scope="module")
def pages(
    tmp_path_factory: pytest.TempPathFactory, build_run_in: Callable[..., Run]
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")

    def report(run: Run, name: str, **settings: bool) -> Path:
        path = folder / f"{name}.html"
        write_text(path, write_report(run.read(), **settings).read_text(encoding="utf-8"))
        return path

    runs = [build_run_in(folder, f"run-{number}", 1.0 + number / 4) for number in range(5)]
    pages = {"report": report(runs[0], "report"), "no-faces": report(runs[0], "bare", faces=False)}
    unfinished = build_run_in(folder, "unfinished")
    for file in ("eval/test/baselines.json", "eval/test/slices.json", "lint.json"):
        (unfinished.path / file).unlink()
    (unfinished.path / "eval/test/scores.csv").unlink()
    pages["unfinished"] = report(unfinished, "unfinished")
    untrained = build_run_in(folder, "untrained")
    for path in sorted((untrained.path / "eval").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (untrained.path / "metrics.jsonl").unlink()
    pages["not-evaluated"] = report(untrained, "untrained")
    pages["two-runs"] = write_comparison(compare_runs(runs[:2]), folder / "two.html")
    pages["many-runs"] = write_comparison(compare_runs(runs), folder / "many.html")
    pages["groups"] = write_comparison(compare_groups(runs[:2], runs[2:4]), folder / "groups.html")
    return pages


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Any, pages: dict[str, Path], name: str, scheme: str) -> None:
    assert violations(browser, pages[name], color_scheme=scheme) == []


@pytest.mark.parametrize("name", ["report", "many-runs"])
def test_axe_finds_nothing_on_a_phone(browser: Any, pages: dict[str, Path], name: str) -> None:
    assert violations(browser, pages[name], viewport={"width": 390, "height": 844}) == []


def test_axe_would_find_something(browser: Any, tmp_path: Path) -> None:
    """The nested elements that there were, and a text without contrast."""
    page = render(Page("title", "subtitle", (Section("only", "Only", (Text("text"),)),)))
    bad = '<div role="img" aria-label="plot"><button>zoom</button></div>'
    bad += '<p style="color: #eee; background: #fff">pale</p></main>'
    path = tmp_path / "bad.html"
    path.write_text(page.replace("</main>", bad))
    found = {each.partition(":")[0] for each in violations(browser, path, color_scheme="light")}
    assert {"nested-interactive", "color-contrast"} <= found
