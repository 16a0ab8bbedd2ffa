"""The comparison of runs as a page and on the terminal."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from facesim.atomic import write_text
from facesim.console import Console
from facesim.errors import FacesimError
from facesim.interfaces.result import EvaluationResult
from facesim.page import Table, Text
from facesim.report.comparison_report import (
    comparison_blocks,
    comparison_page,
    configuration_block,
    group_page,
    metrics_table,
    support_table,
    write_comparison,
)
from facesim.report.formatting import over_seeds
from facesim.report.plots.intervals import differences_plot
from facesim.runs.comparison import Comparison, compare_runs
from facesim.runs.group_comparison import compare_groups
from facesim.runs.run import Run
from facesim.terminal.results import print_comparison
from tests.facesim.report.small_result import METRICS, at_target, small_result


def printed(comparison: Comparison) -> str:
    screen = io.StringIO()
    print_comparison(Console(file=screen, width=200), comparison)
    return screen.getvalue()


def test_that_runs_could_not_be_paired_is_a_warning(
    build_run: Callable[..., Run], tmp_path: Path
) -> None:
    comparison = compare_runs([build_run("one"), build_run("two", pairs_seed=1)])
    assert "as if it were independent" in printed(comparison)
    page = write_comparison(comparison, tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "as if it were independent" in page


def test_that_runs_are_compared_on_shared_pairs_is_a_warning(
    build_run: Callable[..., Run],
) -> None:
    runs = [build_run("one"), build_run("two")]
    file = runs[1].directory.evaluation("test") / "scores.csv"
    lines = file.read_text().splitlines()
    write_text(file, "\n".join(lines[:-60]) + "\n")
    told = " ".join(printed(compare_runs(runs)).split())
    assert "two was evaluated on other pairs than the first run" in told
    assert "The differences are of the 300 pairs that both share, out of 360 and 360" in told


def test_page_and_terminal_say_the_same(build_run: Callable[..., Run], tmp_path: Path) -> None:
    comparison = compare_runs([build_run("one"), build_run("two", out_dim=8)])
    out = write_comparison(comparison, tmp_path / "compare.html")
    page, terminal = out.read_text(encoding="utf-8"), printed(comparison)
    for text in ("head.out_dim", "no difference shown", "Equal error rate", "TAR at FAR 1e-2"):
        assert text in page
        assert text in terminal


def test_each_further_run_has_two_columns(build_run: Callable[..., Run]) -> None:
    runs = [build_run("one"), build_run("two", 2.0), build_run("three", 2.5)]
    comparison = compare_runs(runs)
    table = metrics_table(comparison)
    difference = "Difference to the first"
    assert table.columns == ("Metric", "one", "two", difference, "three", difference)
    assert [row[0] for row in table.rows] == [each.label for each in comparison.metrics.values()]


def test_the_rates_at_target_fmrs_say_what_they_rest_on(build_run: Callable[..., Run]) -> None:
    comparison = compare_runs([build_run("one"), build_run("two", 2.0)])
    _, metrics, support, *_ = comparison_blocks(comparison)
    assert isinstance(metrics, Table)
    assert isinstance(support, Table)
    assert support.columns == ("FMR", "one", "two")
    rows = {row[0]: row[1:] for row in support.rows}
    assert all(cell.startswith("unstable: 18 false matches of ") for cell in rows["1e-1"])
    assert rows["1e-2, 1e-3, 1e-4, 1e-5, 1e-6"] == ("not measurable", "not measurable")
    values = {row[0]: row[1] for row in metrics.rows}
    assert "%, unstable (" in values["TAR at FAR 1e-1"]


def test_an_accuracy_on_unequal_kinds_stands_beside_that_of_one_answer(
    build_run: Callable[..., Run],
) -> None:
    comparison = compare_runs([build_run("one"), build_run("two", 2.0)])
    assert "one answer" not in str(metrics_table(comparison))
    update = {"genuine": 90, "impostor": 270, "larger_class_share": 0.75}
    runs = [replace(run, result=run.result.model_copy(update=update)) for run in comparison.runs]
    table = metrics_table(replace(comparison, runs=tuple(runs)))
    labels = [row[0] for row in table.rows]
    after = labels[labels.index("Accuracy") + 1]
    assert after == "Accuracy of one answer for all"
    assert {row[0]: row[1:] for row in table.rows}[after] == ("75.00%", "75.00%", "-")


def test_the_plot_says_for_which_metrics_lower_is_better(build_run: Callable[..., Run]) -> None:
    plot = differences_plot(compare_runs([build_run("one"), build_run("two", 2.0)]))
    assert plot is not None
    assert "Lower is better for: Equal error rate, FMR at the threshold" in plot.description


def test_a_file_that_cannot_be_written_is_named(
    build_run: Callable[..., Run], tmp_path: Path
) -> None:
    comparison = compare_runs([build_run("one"), build_run("two")])
    with pytest.raises(FacesimError, match=r"missing/compare\.html: cannot be written"):
        write_comparison(comparison, tmp_path / "missing" / "compare.html")


def test_the_page_of_a_comparison_says_what_is_compared_with_what(
    build_run: Callable[..., Run],
) -> None:
    runs = [build_run("one"), build_run("two"), build_run("three", out_dim=8)]
    page = comparison_page(compare_runs(runs))
    assert (page.title, page.subtitle) == ("3 runs compared", "on test, each with one")
    assert [section.name for section in page.sections] == [
        *("result", "metrics", "configuration", "runs"),
    ]
    (configuration,) = page.sections[2].blocks
    assert isinstance(configuration, Table)
    assert configuration.rows == (
        ("name", "one", "two", "three"),
        ("head.out_dim", "4", "4", "8"),
    )
    (table,) = page.sections[3].blocks
    assert isinstance(table, Table)
    assert table.rows[2] == ("three", str(runs[2].path), "360", "240 pairs of val")


def test_equal_experiments_are_said_not_to_differ(build_run: Callable[..., Run]) -> None:
    run = build_run("one")
    assert configuration_block(compare_runs([run, run])) == Text("The experiments do not differ.")


def test_the_page_of_two_systems_says_the_seeds_of_each(build_run: Callable[..., Run]) -> None:
    weak = [build_run("weak", 0.5, seed=seed) for seed in (1, 2)]
    strong = [build_run("strong", 3.0, out_dim=8, seed=seed) for seed in (1, 3, 2)]
    page = group_page(compare_groups(weak, strong))
    assert (page.title, page.subtitle) == ("3 runs against 2", "on test, strong with weak")
    assert [section.name for section in page.sections] == [
        *("result", "metrics", "configuration", "runs"),
    ]
    (table,) = page.sections[3].blocks
    assert isinstance(table, Table)
    assert [row[:2] for row in table.rows] == [
        *(("weak", "1"), ("weak", "2")),
        *(("strong", "1"), ("strong", "2"), ("strong", "3")),
    ]
    (configuration,) = page.sections[2].blocks
    assert isinstance(configuration, Table)
    assert configuration.columns == ("Key", "weak", "strong")
    assert ("head.out_dim", "4", "8") in configuration.rows


def test_the_metrics_of_two_systems_are_means_over_their_seeds(
    build_run: Callable[..., Run],
) -> None:
    weak = [build_run("weak", 0.5, seed=seed) for seed in (1, 2)]
    strong = [build_run("strong", 3.0, seed=seed) for seed in (1, 2)]
    found = compare_groups(weak, strong)
    metrics, support = group_page(found).sections[1].blocks
    assert isinstance(metrics, Table)
    assert isinstance(support, Table)
    rows = {row[0]: row[1:] for row in metrics.rows}
    accuracy = found.differences["accuracy"]
    for cell, values in zip(rows["Accuracy"], (accuracy.first, accuracy.second), strict=False):
        assert cell == over_seeds(found.metrics["accuracy"], values)
    errors = (accuracy.identities_error, accuracy.seeds_error)
    assert rows["Accuracy"][3] == " / ".join(f"{100 * (each or 0):.2f}" for each in errors)
    assert support.columns == ("FMR", "weak", "strong")


def test_the_least_supported_of_several_seeds_counts() -> None:
    """Of both sides; a target that neither supports is one of the others."""

    def result(*false_matches: int) -> EvaluationResult:
        rates = {
            name: at_target(target, 0.5, number, None, None)
            for (name, target), number in zip(
                {"tar_at_far_1e-1": 0.1, "tar_at_far_1e-2": 0.01}.items(),
                false_matches,
                strict=True,
            )
        }
        return small_result(metrics=rates)

    sides = {"a": [result(40, 2), result(31, 2)], "b": [result(35, 1), result(50, 2)]}
    (table,) = support_table(sides, METRICS)
    assert table.columns == ("FMR", "a", "b")
    assert table.rows[0] == (
        "1e-1",
        "measured: 31 false matches of 7 identities",
        "measured: 35 false matches of 7 identities",
    )
    assert support_table({"a": [small_result(metrics={})]}, METRICS) == ()
