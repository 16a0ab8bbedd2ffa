"""Several runs side by side."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from facesim.errors import FacesimError
from facesim.report.comparison_report import write_comparison
from facesim.runs.comparison import Comparison, compare_runs
from facesim.runs.run import Run
from facesim.terminal.comparison import print_comparison


def printed(comparison: Comparison) -> str:
    screen = io.StringIO()
    print_comparison(Console(file=screen, width=200), comparison)
    return screen.getvalue()


def test_runs_on_the_same_pairs_are_paired(build_run: Callable[..., Run]) -> None:
    comparison = compare_runs([build_run("weak", 0.5), build_run("strong", 3.0)])
    weak, strong = comparison.runs
    assert strong.why_unpaired is None
    assert weak.differences == {}
    assert strong.differences["accuracy"].better == "second"
    assert strong.differences["eer"].better == "second"
    assert (strong.differences["eer"].difference or 0) < 0


def test_a_run_does_not_differ_from_its_like(build_run: Callable[..., Run]) -> None:
    comparison = compare_runs([build_run("one"), build_run("two")])
    differences = comparison.runs[1].differences
    assert {each.better for each in differences.values()} == {None}
    assert differences["accuracy"].difference == 0.0


def test_runs_on_other_pairs_are_compared_as_independent_and_that_is_said(
    build_run: Callable[..., Run], tmp_path: Path
) -> None:
    comparison = compare_runs([build_run("one"), build_run("two", pairs_seed=1)])
    assert comparison.runs[1].why_unpaired == "it was evaluated on other pairs"
    found = comparison.runs[1].differences["accuracy"]
    assert None not in (found.low, found.difference, found.high)
    assert (found.low or 0) < (found.difference or 0) < (found.high or 0)
    assert "as if it were independent" in printed(comparison)
    page = write_comparison(comparison, tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "as if it were independent" in page


def test_only_what_differs_in_the_experiments_is_listed(
    build_run: Callable[..., Run],
) -> None:
    comparison = compare_runs([build_run("one"), build_run("two", out_dim=8)])
    listed = comparison.configuration
    assert listed == {"name": ("one", "two"), "head.out_dim": ("4", "8")}


def test_page_and_terminal_say_the_same(build_run: Callable[..., Run], tmp_path: Path) -> None:
    comparison = compare_runs([build_run("one"), build_run("two", out_dim=8)])
    out = write_comparison(comparison, tmp_path / "compare.html")
    page, terminal = out.read_text(encoding="utf-8"), printed(comparison)
    for text in ("head.out_dim", "no difference shown", "Equal error rate", "TAR at FAR 1e-2"):
        assert text in page
        assert text in terminal


def test_three_runs_are_compared_with_the_first(
    build_run: Callable[..., Run], tmp_path: Path
) -> None:
    runs = [build_run("one"), build_run("two", 2.0), build_run("three", 2.5)]
    comparison = compare_runs(runs)
    assert [len(run.differences) > 0 for run in comparison.runs] == [False, True, True]
    write_comparison(comparison, tmp_path / "compare.html")


def test_one_run_is_not_compared(build_run: Callable[..., Run]) -> None:
    with pytest.raises(FacesimError, match="two run directories"):
        compare_runs([build_run()])


def test_a_run_without_the_evaluation_is_named(build_run: Callable[..., Run]) -> None:
    runs = [build_run("one"), build_run("two")]
    (runs[1].directory.evaluation("test") / "metrics.json").unlink()
    with pytest.raises(FacesimError, match=r"two.* has no evaluation 'test'"):
        compare_runs(runs)
