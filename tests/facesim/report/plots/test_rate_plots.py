"""ROC and DET of one run, in words and numbers."""

from collections.abc import Callable

import numpy as np
import pytest

from facesim.evaluation.roc_band import RocBand
from facesim.interfaces.roc import Roc
from facesim.report.formatting import support
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
    assert f"{tar.value:.2%}, unstable at FAR 1e-1" in roc.description
    assert f"{1 - tar.value:.2%}, unstable at FMR 1e-1" in det.description
    assert det.numbers.rows[0] == (
        "1e-1",
        f"{1 - tar.value:.2%}",
        f"{1 - tar.high:.2%} to {1 - tar.low:.2%}",
        support(tar.support),
    )


def test_no_table_has_a_rate_that_the_result_calls_not_measurable(files: RunFiles) -> None:
    """Of 180 impostors FMR 1e-2 lets one pass, and 3 / 180 is the least that shows at all."""
    assert files.result is not None
    assert files.result.metrics["tar_at_far_1e-2"].value is None
    grid = np.geomspace(1 / 180, 1, 40, endpoint=False)
    band = RocBand(grid, grid, grid, grid)
    roc, det = (
        plot(roc_of(files), band, files.result, files.metrics) for plot in (roc_plot, det_plot)
    )
    assert {row[-1] for row in roc.numbers.rows} == {"measured", "unstable"}
    least = min(float(row[0].rstrip("%")) / 100 for row in roc.numbers.rows)
    assert least >= 3 / 180
    for plot in (roc, det):
        assert "1e-2" not in plot.description
    without_band = roc_plot(roc_of(files), None, files.result, files.metrics)
    for table in (det.numbers, without_band.numbers):
        assert table.rows[1:] == (("1e-2, 1e-3, 1e-4, 1e-5, 1e-6", "-", "-", "not measurable"),)


def test_each_axis_begins_at_the_least_rate_that_its_kind_of_pairs_can_have(
    files: RunFiles,
) -> None:
    assert files.result is not None
    assert files.pairs is not None
    kept = ~files.pairs.same | (np.cumsum(files.pairs.same) <= 20)
    roc = Roc.of_scores(files.pairs.scores[kept], files.pairs.same[kept])
    assert (roc.genuine, roc.impostor) == (20, 180)
    (panel,) = det_plot(roc, None, files.result, files.metrics).panels
    assert panel.x.low == pytest.approx(1 / 180)
    assert panel.y.low == pytest.approx(1 / 20)
    (equal,) = (each for each in panel.series if each.x == each.y)
    assert equal.x == pytest.approx((1 / 180, 1))


def test_the_operating_point_is_marked_on_both(files: RunFiles) -> None:
    assert files.result is not None
    at = files.result.at_threshold
    assert at is not None
    for plot, y in ((roc_plot, at.tar.value or 0), (det_plot, 1 - (at.tar.value or 0))):
        (panel,) = plot(roc_of(files), None, files.result, files.metrics).panels
        (marked,) = (series for series in panel.series if series.name == "at the threshold")
        assert (marked.x, marked.y) == ((at.fmr.value,), (y,))


def test_baselines_that_kept_no_curve_are_drawn_at_the_rates_that_were_measured(
    files: RunFiles,
) -> None:
    assert files.result is not None
    earlier = [each.model_copy(update={"curve": None}) for each in files.baselines]
    (panel,) = roc_plot(roc_of(files), None, files.result, files.metrics, earlier).panels
    (drawn,) = (series for series in panel.series if series.name == "chance")
    (own,) = (series for series in panel.series if series.name == "this run")
    assert own.style != drawn.style
    found = files.baselines[0].result.metrics
    points = [found["tar_at_far_1e-1"].point]
    assert [(at.achieved_fmr, at.tar) for at in points if at] == list(
        zip(drawn.x, drawn.y, strict=True)
    )


def test_without_scores_the_targets_are_drawn(files: RunFiles) -> None:
    assert files.result is not None
    found = tar_at_far_plot(files.result, files.metrics)
    assert found is not None
    assert found.panels[0].series[0].x == (0.1,)
    assert [row[0] for row in found.numbers.rows] == ["1e-1", "1e-2, 1e-3, 1e-4, 1e-5, 1e-6"]
    assert tar_at_far_plot(files.result, {}) is None
