"""What each page is made of, from top to bottom."""

import re
from collections.abc import Callable

import pytest

from facesim.errors import FacesimError
from facesim.page import Axis, Page, Panel, Plot, Records, Series, Table, Text
from facesim.report.comparison_report import comparison_page
from facesim.report.run_report import report_page
from facesim.runs.comparison import compare_groups, compare_runs
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
    """Of each plot what its axes say and how, and each series; all but the numbers."""
    plots = [it for section in page.sections for it in section.blocks if isinstance(it, Plot)]
    return {plot.name: [told for panel in plot.panels for told in _panel(panel)] for plot in plots}


def _panel(panel: Panel) -> list[str]:
    return [f"{_axis(panel.x)} / {_axis(panel.y)}", *map(_series, panel.series)]


def _axis(axis: Axis) -> str:
    told = [axis.title, "rows" if axis.names else axis.unit, "log" if axis.log else ""]
    return " ".join(each for each in told if each)


def _series(series: Series) -> str:
    name = re.sub(r"[\d.]+$", "X", series.name)
    told = [*series.marks, name, str(series.style), "silent" if series.silent else ""]
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


COMPARED = (
    "Accuracy",
    "Equal error rate",
    "FMR at the threshold",
    "FNMR at the threshold",
    "ROC AUC",
)


@pytest.mark.parametrize("seeds", [(1,), (1, 2)])
def test_the_comparison_of_runs(build_run: Callable[..., Run], seeds: tuple[int, ...]) -> None:
    runs = [build_run(name, seed=seed) for name in "ab" for seed in seeds]
    found = outline(comparison_page(compare_runs(runs)))
    at_targets = " | ".join(f"TAR at FAR {level}" for level in LEVELS)
    telling = " | ".join(COMPARED)
    several = len(seeds) > 1
    shown = "mean ± standard deviation over seeds" if several else "with 95% interval over people"
    best = f"table Best Accuracy first: {shown} | Runs"
    assert found["result: Result"] == [
        f"{best} | {telling} | right",
        *["text"] * (1 if several else 2),
        "plot Differences to a | Runs | Metric | Difference | left",
        f"plot ROC | Run | {at_targets} | right",
    ]
    every, differences, support = found["metrics: Metrics"]
    assert every.startswith(f"{best} | Accuracy | ")
    over = "people and seeds; errors: of people / of seeds" if several else "people"
    errors = " | Errors" if several else ""
    assert differences == (
        f"table Differences to a, percentages in points, with 95% intervals over {over} | Metric "
        f"| Runs | Difference | Interval{errors} | Verdict | right"
    )
    assert support.endswith(", in the run that supports them least | FMR | Support | left")
    assert found["configuration: Configuration"] == [f"{EXPERIMENTS} | a | b | left"]
    assert found["runs: Runs"] == [
        f"table Single runs, with 95% intervals over people | Run | {telling} | right",
        "table Run directories | Run | Seed | Directory | Pairs | Threshold from | left",
    ]


def test_the_comparison_of_systems(build_run: Callable[..., Run]) -> None:
    a, b = ([build_run(name, seed=seed) for seed in (1, 2)] for name in "ab")
    by_hand, by_seed = compare_groups(a, b), compare_runs([*a, *b])
    assert outline(comparison_page(by_hand)) == outline(comparison_page(by_seed))


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


FMR_AXIS = "False match rate (FMR) percent log"
ROC_AXES = f"{FMR_AXIS} / True accept rate (1 - FNMR) percent"
BAND = "band 95% interval 0 silent"


def test_the_plots_of_a_run(build_run: Callable[..., Run]) -> None:
    assert drawn(report_page(build_run().read(), faces=False)) == {
        "baselines": ["Accuracy percent / rows", "points 0"],
        "loss": ["Step whole / Loss number", "line training batches 0", "line points val 1"],
        "validation": ["Epoch whole / On val percent", "line points Accuracy 0"],
        "score-quantiles": [
            "Epoch whole / Score number",
            *("band genuine silent", "band impostor silent"),
            *("line points genuine median genuine", "line points impostor median impostor"),
        ],
        "health": [
            *("whole / Effective rank number", "line points 0"),
            *("whole / Variance relative to squared length number", "line points 0"),
            *("Epoch whole / Impostors inside the margin percent", "line points 0"),
        ],
        "score-histogram": [
            "Score (higher: more similar) number / Share of the genuine / impostor pairs percent",
            *("area steps Genuine genuine", "area steps Impostor impostor", "line threshold X ink"),
        ],
        "roc": [
            *(ROC_AXES, BAND, "steps this run 0", "steps chance 1", "line muted silent"),
            "points at the threshold ink",
        ],
        "det": [
            f"{FMR_AXIS} / False non-match rate (FNMR) percent log",
            *(BAND, "steps this run 0", "steps chance 1", "line muted silent"),
            "points at the threshold ink",
        ],
        "slice-errors": ["Error rate percent / rows", "points FMR 0", "points FNMR 1"],
    }


def test_the_plots_of_a_comparison(build_run: Callable[..., Run]) -> None:
    assert drawn(comparison_page(compare_runs([build_run("a"), build_run("b")]))) == {
        "differences": ["Percentage points points / rows", "line muted silent", "points b 1"],
        "roc": [ROC_AXES, "steps a 0", "steps b 1"],
    }
