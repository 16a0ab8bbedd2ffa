import numpy as np
import pytest

from facesim.evaluation.roc_band import RocBand
from facesim.interfaces.result import Estimate
from facesim.interfaces.roc import Roc
from facesim.report.plots.layout import band_series, rate_axis, roc_series, threshold_series
from tests.facesim.report.small_result import small_result


def test_an_axis_of_rates_runs_from_the_least_to_a_little_beyond_1() -> None:
    axis = rate_axis("right", 0.001)
    assert (axis.log, axis.unit, axis.low, axis.high) == (True, "percent", 0.001, 1.05)


def test_a_curve_is_drawn_where_an_impostor_passes() -> None:
    roc = Roc.of_scores(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]))
    drawn = roc_series(roc, "name", 7)
    assert drawn.x == (0.5, 0.5, 1.0)
    assert drawn.y == (0.5, 1.0, 1.0)
    assert drawn.tips[0] == "FMR 50.00% · TAR 50.00% · threshold 0.8"
    assert (drawn.name, drawn.style, drawn.marks) == ("name", 7, ("steps",))


NAN = float("nan")
BAND = RocBand(
    fmr=np.array([0.1, 0.2, 0.4, 0.8]),
    tar=np.array([0.25, 0.5, 0.75, 1.0]),
    low=np.array([NAN, 0.25, 0.5, 0.875]),
    high=np.array([NAN, 0.75, 1.0, 1.0]),
)


def test_a_band_is_drawn_where_it_has_ends() -> None:
    (drawn,) = band_series(BAND)
    assert drawn.x == (0.2, 0.4, 0.8)
    assert (drawn.low, drawn.high) == ((0.25, 0.5, 0.875), (0.75, 1.0, 1.0))
    assert (drawn.name, drawn.marks) == ("95% interval", ("band",))


def test_a_band_of_non_matches_is_1_minus_it_and_ends_where_there_are_none() -> None:
    (drawn,) = band_series(BAND, non_matches=True)
    assert drawn.x == (0.2, 0.4)
    assert (drawn.low, drawn.high) == ((0.25, 1e-9), (0.75, 0.5))


def test_without_a_band_nothing_is_drawn() -> None:
    assert band_series(None) == ()


@pytest.mark.parametrize(("non_matches", "y"), [(False, 0.75), (True, 0.25)])
def test_the_operating_point_says_both_of_its_errors(y: float, *, non_matches: bool) -> None:
    (marked,) = threshold_series(small_result(), non_matches=non_matches)
    assert (marked.x, marked.y, marked.name) == ((0.125,), (y,), "at the threshold")
    assert marked.tips == ("threshold 0.5 · FMR 12.50% · FNMR 25.00%",)


@pytest.mark.parametrize(
    "changed", [{"fmr": Estimate(value=0.0)}, {"tar": Estimate(value=None, reason="none")}]
)
def test_a_point_that_has_no_place_on_a_logarithmic_axis_is_not_marked(
    changed: dict[str, Estimate],
) -> None:
    at = small_result().operating_points[0].model_copy(update=changed)
    assert threshold_series(small_result(operating_points=(at,))) == ()
    assert threshold_series(small_result(operating_points=(), threshold=None)) == ()
