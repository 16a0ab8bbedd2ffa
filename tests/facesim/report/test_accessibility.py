"""axe-core finds nothing on any page that facesim writes, in light and dark, wide and narrow."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from facesim.atomic import write_text
from facesim.page import (
    Axis,
    Block,
    Card,
    Cards,
    Code,
    Column,
    Face,
    FacePair,
    Filter,
    Gallery,
    Group,
    Links,
    Page,
    Panel,
    Plot,
    Records,
    Section,
    Series,
    Table,
    Text,
)
from facesim.report.comparison_files import write_comparison
from facesim.report.rendering import render
from facesim.report.run_report import write_report
from facesim.runs.comparison import compare_groups, compare_runs
from facesim.runs.run import Run
from tests.facesim.accessibility import violations

FACE = "data:image/gif;base64,R0lGODlhAQABAIAAAP///wAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw=="
NUMBERS = Table("Numbers", ("a", "b"), (("one", "1"), ("two", "none, and why")))
EVERY_BLOCK: tuple[Block, ...] = (
    *(Text(f"a {tone}", tone) for tone in ("plain", "note", "warning", "error")),
    NUMBERS,
    Table("Words", ("a", "b", "c"), (("one", "spans two"),), numeric=False),
    Records(
        "records",
        "Records",
        (
            Column("Name", tuple(f"row {row}" for row in range(60))),
            Column("N", tuple(map(str, range(60))), tuple(map(float, range(60)))),
        ),
        (Filter("Kind", (Group("", ("even", "odd"), tuple(row % 2 for row in range(60))),)),),
        "Search",
    ),
    Plot(
        "lines",
        "Lines",
        "Twelve of them, and others.",
        (
            Panel(
                Axis("x"),
                Axis("y"),
                (
                    *(
                        Series(f"s{n}", (0, 1), (n, n + 1), n, ("line", "points"))
                        for n in range(12)
                    ),
                    *(
                        Series(style, (0, 1), (1, 0), style, ("area", "steps"))
                        for style in ("genuine", "impostor", "ink", "muted", "faint")
                    ),
                ),
            ),
            Panel(
                Axis("x", "percent"),
                Axis("", names=("one", "two")),
                (Series("", (0.5, 0.2), (0, 1), marks=("bars",)),),
            ),
        ),
        NUMBERS,
    ),
    Cards((Card("Accuracy", "90%", "88% to 92%"),)),
    Gallery("Faces", (FacePair((Face("a.png", FACE), Face("b.png", None)), ("score 1",)),)),
    Code("Command", "facesim run"),
    Code("File", "name: a", folded=True),
    Links("Other pages", (("one", "one.html"),)),
)


PAGES = (
    "report",
    "no-faces",
    "unfinished",
    "not-evaluated",
    "two-runs",
    "many-runs",
    "groups",
    "blocks",
)


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
    pages["blocks"] = folder / "blocks.html"
    blocks = Page("title", "subtitle", (Section("only", "Only", EVERY_BLOCK),))
    write_text(pages["blocks"], render(blocks))
    return pages


def test_every_kind_of_block_is_looked_at() -> None:
    assert {type(block) for block in EVERY_BLOCK} == set(get_args(Block))


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
