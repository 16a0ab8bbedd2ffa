from collections.abc import Callable

from facesim.report.plots.roc_curve import roc_overlay
from facesim.runs.comparison import compare_runs
from facesim.runs.run import Run


def test_each_run_has_a_curve_and_a_row_even_the_same_run_twice(
    build_run: Callable[..., Run],
) -> None:
    run = build_run()
    plot = roc_overlay(compare_runs([run, run]))
    assert plot is not None
    assert len(plot.figure.data) == len(plot.numbers.rows) == 2
    assert plot.numbers.rows[0] == plot.numbers.rows[1]
    assert plot.numbers.columns[:2] == ("Run", "TAR at FAR 1e-1")


def test_a_run_whose_scores_were_not_kept_has_a_row_only(build_run: Callable[..., Run]) -> None:
    runs = [build_run("one"), build_run("two")]
    (runs[1].directory.evaluation("test") / "scores.csv").unlink()
    plot = roc_overlay(compare_runs(runs))
    assert plot is not None
    assert [trace.name for trace in plot.figure.data] == ["one"]
    assert [row[0] for row in plot.numbers.rows] == ["one", "two"]
    (runs[0].directory.evaluation("test") / "scores.csv").unlink()
    assert roc_overlay(compare_runs(runs)) is None
