"""What each page is made of, from top to bottom."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from facesim.errors import FacesimError
from facesim.page import Page, Plot, Records, Table, Text
from facesim.report.comparison_report import comparison_page, group_page
from facesim.report.run_report import report_page
from facesim.runs.comparison import compare_runs
from facesim.runs.group_comparison import compare_groups
from facesim.runs.run import Run
from facesim.runs.run_files import RunFiles


def outline(page: Page) -> dict[str, list[str]]:
    """The blocks of each section; of tables and plots their columns, and where these stand."""
    return {
        f"{section.name}: {section.title}": [_told(block) for block in section.blocks]
        for section in page.sections
    }


def _told(block: object) -> str:
    kind = getattr(block, "kind", "")
    named = getattr(block, "title", "") or getattr(block, "caption", "")
    if isinstance(block, Records):
        return f"{kind} {named} | {' | '.join(column.label for column in block.columns)}"
    table = block.numbers if isinstance(block, Plot) else block
    if not isinstance(table, Table):
        return f"{kind} {named}".strip()
    side = "right" if table.numeric else "left"
    return f"{kind} {named} | {' | '.join(table.columns)} | {side}"


def drawn(page: Page) -> dict[str, list[str]]:
    """Of each plot what its axes say and how, and each trace; all but the numbers."""
    plots = [it for section in page.sections for it in section.blocks if isinstance(it, Plot)]
    return {
        plot.name: [_axes(plot.figure.layout), *map(_trace, plot.figure.data)] for plot in plots
    }


def _axes(layout: Any) -> str:
    axes = ((it.title.text, it.type, it.tickformat) for it in (layout.xaxis, layout.yaxis))
    return " / ".join(" ".join(each for each in axis if each) for axis in axes)


def _trace(trace: Any) -> str:
    name = re.sub(r"[\d.]+$", "X", trace.name or "")
    told = [trace.mode, name, trace.line.dash, trace.marker.symbol, "fill" if trace.fill else ""]
    return " ".join(each for each in told if each)


LEVELS = ["1e-1", "1e-2", "1e-3", "1e-4", "1e-5", "1e-6"]
QUANTILES = ["5%", "25%", "50%", "75%", "95%"]
RATES = (
    "Accuracy | Balanced accuracy | Equal error rate | FMR at the threshold | FNMR at the "
    "threshold | ROC AUC"
)
AT_A_POINT = "95% interval | Support | right"
EXPERIMENTS = "table Keys in which the experiments differ | Key"
SUPPORT = "table What the rates at target FMRs rest on | FMR"


def test_the_report_of_a_run(build_run: Callable[..., Run]) -> None:
    scores = " | ".join(f"{kind} {at}" for kind in ("genuine", "impostor") for at in QUANTILES)
    assert outline(report_page(build_run().read(), faces=True)) == {
        "result: Result": [
            "text",
            "cards",
            "text",
            f"plot Improvement over baselines | System | {RATES} | right",
        ],
        "setup: Experiment": [
            "table Components of the experiment | Component | Parameters | left",
        ],
        "training: Training": [
            "plot Loss | Epoch | Loss | right",
            "plot Metrics on val | Epoch | Accuracy | right",
            f"plot Scores on val | Epoch | {scores} | right",
            (
                "plot Embeddings on val | Epoch | Effective rank | Variance relative to squared "
                "length | Impostors inside the margin | right"
            ),
        ],
        "scores: Scores": [
            (
                f"plot Distribution of scores | Kind | Pairs | 1% | {' | '.join(QUANTILES)} | 99% "
                "| right"
            ),
            f"plot ROC | FMR | TAR | {AT_A_POINT}",
            f"plot DET | FMR | FNMR | {AT_A_POINT}",
        ],
        "operating-points: Operating points": [
            "text",
            (
                "table Metrics at target false match rates (TAR at FAR) | Metric | Value | 95% "
                "interval | Achieved FMR | Support | Threshold | right"
            ),
            (
                "table Thresholds from 240 pairs of val, and what they achieve here | Chosen for | "
                "Threshold | Support where chosen | FMR | FNMR | Accuracy | right"
            ),
            "text",
            (
                "table The threshold from val as a choice | Metric | Value | 95% interval, "
                "threshold fixed | 95% interval with val drawn again | right"
            ),
        ],
        "slices: Slices": [
            "plot Errors by attribute | Attribute | Value | Pairs | Accuracy | FMR | FNMR | right",
        ],
        "errors: Errors": [
            "text",
            "gallery False non-matches (one person, rejected): 55 pairs",
            "gallery False matches (two people, accepted): 17 pairs",
            (
                "records All 72 errors | Error | Score | Less the threshold | Probability | "
                "Identities | Images"
            ),
            "text",
            (
                "records Error rates by identity, with 95% intervals | Identity | Errors | "
                "Genuine pairs | FNMR | Impostor pairs | FMR"
            ),
        ],
        "label-noise: Suspected labels": ["text", "text"],
        "linter: Protocol linter": ["text", "code Rows: dominant identity"],
        "reproduction: Reproduction": [
            "code Run this in the run directory",
            "table Environment of each start of the run | Property | Start 1 | left",
            "code experiment.yaml, with every default written out",
        ],
    }


def test_the_comparison_of_runs(build_run: Callable[..., Run]) -> None:
    at_targets = " | ".join(f"TAR at FAR {level}" for level in LEVELS)
    runs = [build_run("a"), build_run("b")]
    assert outline(comparison_page(compare_runs(runs))) == {
        "result: Result": [
            "text",
            "plot Differences to the first run | Run | Metric | Difference | left",
            f"plot ROC | Run | {at_targets} | right",
        ],
        "metrics: Metrics": [
            (
                "table Metrics with 95% intervals, and differences to the first run | Metric | a "
                "| b | Difference to the first | right"
            ),
            f"{SUPPORT} | a | b | left",
        ],
        "configuration: Configuration": [f"{EXPERIMENTS} | a | b | left"],
        "runs: Runs": ["table Compared runs | Run | Directory | Pairs | Threshold from | left"],
    }


def test_the_comparison_of_systems(build_run: Callable[..., Run]) -> None:
    a, b = ([build_run(name, seed=seed) for seed in (1, 2)] for name in "ab")
    assert outline(group_page(compare_groups(a, b))) == {
        "result: Result": ["text", "text"],
        "metrics: Metrics": [
            (
                "table 2 runs of b against 2 runs of a: means ± standard deviations over seeds, "
                "differences with 95% intervals over people and seeds, and their standard errors "
                "over people / seeds | Metric | Reference | Compared | Difference | Errors | right"
            ),
            f"{SUPPORT} | a | b | left",
        ],
        "configuration: Configuration": [f"{EXPERIMENTS} | a | b | left"],
        "runs: Runs": ["table Compared runs | Side | Seed | Directory | left"],
    }


@pytest.mark.parametrize(
    ("lost", "left_out"),
    [
        ("images", "Faces and filters by attribute"),
        (
            "identities",
            "Faces, filters by attribute, intervals of curves and suspected labels",
        ),
    ],
)
def test_what_is_left_out_without_the_images_is_said_at_the_end_of_the_pairs(
    build_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, lost: str, left_out: str
) -> None:
    def gone(*_: object) -> None:
        raise FacesimError("faces: there is no such folder")

    monkeypatch.setattr(RunFiles, lost, gone)
    sections = report_page(build_run().read(), faces=True).sections
    (section,) = (each for each in sections if each.name == "images")
    told = f"{left_out} are left out, since the evaluated images cannot be read: faces: there is "
    assert section.title == "Images"
    assert section.blocks == (Text(f"{told}no such folder", "note"),)


ROC_AXES = "False match rate (FMR) log / True accept rate (1 - FNMR) .0%"
BAND = ["lines", "lines 95% interval fill"]


def test_the_plots_of_a_run(build_run: Callable[..., Run]) -> None:
    assert drawn(report_page(build_run().read(), faces=False)) == {
        "baselines": ["Accuracy .0% / category", "markers circle"],
        "loss": ["Step / Loss", "lines training batches", "lines+markers val dash square"],
        "validation": ["Epoch d / On val .0%", "lines+markers Accuracy solid circle"],
        "score-quantiles": [
            "Epoch d / Score",
            *("lines", "lines fill", "lines+markers genuine median solid circle"),
            *("lines", "lines fill", "lines+markers impostor median dash square"),
        ],
        "health": ["d / ", *["lines+markers"] * 3],
        "score-histogram": [
            "Score (higher: more similar) / Share of the genuine / impostor pairs .0%",
            *("lines Genuine solid fill", "lines Impostor dash fill", "lines threshold X dot"),
        ],
        "roc": [
            ROC_AXES,
            *BAND,
            "lines this run solid",
            "markers+lines chance dash square-open",
            "lines dot",
            "markers at the threshold diamond",
        ],
        "det": [
            "False match rate (FMR) log / False non-match rate (FNMR) log",
            *BAND,
            "lines this run",
            "lines dot",
            "markers at the threshold diamond",
        ],
        "slice-errors": ["Error rate .0% / category", "markers FMR circle", "markers FNMR square"],
    }


def test_the_plots_of_a_comparison(build_run: Callable[..., Run]) -> None:
    assert drawn(comparison_page(compare_runs([build_run("a"), build_run("b")]))) == {
        "differences": ["Percentage points +~g / category", "markers b circle"],
        "roc": [ROC_AXES, "lines a solid", "lines b dash"],
    }
