"""ROC and DET of one run, in words and numbers."""

from collections.abc import Callable

import pytest

from facesim.interfaces.roc import Roc
from facesim.report.plots.det_curve import det_plot, tar_at_far_plot
from facesim.report.plots.roc_curve import roc_plot
from facesim.runs.run import Run
from facesim.runs.run_files import RunFiles


@pytest.fixture
def files(build_run: Callable[..., Run]) -> RunFiles:
    return build_run().read()


def roc_of(files: RunFiles) -> Roc:
    assert files.pairs is not None
    return Roc.of_scores(files.pairs.scores, files.pairs.same)


def test_det_says_1_minus_what_roc_says(files: RunFiles) -> None:
    assert files.result is not None
    roc, det = (
        plot(roc_of(files), None, files.result, files.metrics) for plot in (roc_plot, det_plot)
    )
    tar = files.result.metrics["tar_at_far_1e-1"]
    assert tar.value is not None
    assert tar.low is not None
    assert tar.high is not None
    assert f"{tar.value:.2%} at FAR 1e-1" in roc.description
    assert f"{1 - tar.value:.2%} at FMR 1e-1" in det.description
    assert det.numbers.rows[0] == (
        "1e-1",
        f"{1 - tar.value:.2%} ({1 - tar.high:.2%} to {1 - tar.low:.2%})",
    )


def test_the_operating_point_is_marked_on_both(files: RunFiles) -> None:
    assert files.result is not None
    at = files.result.at_threshold
    assert at is not None
    for plot, y in ((roc_plot, at.tar.value or 0), (det_plot, 1 - (at.tar.value or 0))):
        drawn = plot(roc_of(files), None, files.result, files.metrics).figure
        (marked,) = (trace for trace in drawn.data if trace.name == "at the threshold")
        assert (marked.x, marked.y) == ((at.fmr.value,), (y,))


def test_baselines_are_drawn_at_the_rates_that_were_measured(files: RunFiles) -> None:
    assert files.result is not None
    figure = roc_plot(roc_of(files), None, files.result, files.metrics, files.baselines).figure
    (drawn,) = (trace for trace in figure.data if trace.name == "chance")
    found = files.baselines[0].result.metrics
    points = [found[f"tar_at_far_1e-{digits}"].point for digits in (1, 2)]
    assert [(at.achieved_fmr, at.tar) for at in points if at] == list(
        zip(drawn.x, drawn.y, strict=True)
    )


def test_without_scores_the_targets_are_drawn(files: RunFiles) -> None:
    assert files.result is not None
    found = tar_at_far_plot(files.result, files.metrics)
    assert found is not None
    assert found.figure.data[0].x == (0.1, 0.01)
    assert [row[0] for row in found.numbers.rows] == [f"1e-{digits}" for digits in range(1, 7)]
    assert tar_at_far_plot(files.result, {}) is None
