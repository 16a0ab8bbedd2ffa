import numpy as np
import pytest

from facesim.evaluation.visible_points import visible_points


def test_a_short_curve_is_drawn_whole() -> None:
    x = np.linspace(0, 1, 600)
    assert visible_points(x, x).tolist() == list(range(600))


def test_a_long_curve_keeps_its_ends_and_its_jumps() -> None:
    x = np.linspace(-6, 0, 100_000)
    y = np.where(x < -3, 0.1, 0.9)
    kept = visible_points(x, y)
    assert len(kept) <= 600
    assert (kept[0], kept[-1]) == (0, len(x) - 1)
    jump = int(np.flatnonzero(np.diff(y))[0])
    assert jump + 1 in kept
    assert np.abs(np.diff(x[kept])).max() < 0.05


def test_the_points_of_a_long_curve_are_as_far_apart_on_either_axis() -> None:
    """Half of the curve runs along x, the other half along y, of which a tenth of the points."""
    along, across = np.linspace(0, 1, 9001)[:-1], np.linspace(0, 50, 1001)
    x = np.concatenate([along, np.ones(1001)])
    y = np.concatenate([np.zeros(9000), across])
    kept = visible_points(x, y)
    assert len(kept) == 600
    assert np.count_nonzero(kept < 9000) == pytest.approx(300, abs=1)
    assert visible_points(x, -y).tolist() == kept.tolist()
    assert visible_points(-x, y).tolist() == kept.tolist()
    for gaps in (np.diff(x[kept]), np.diff(y[kept]) / 50):
        assert gaps.max() == pytest.approx(2 / 599, abs=0.0011)


def test_a_line_along_one_axis_is_thinned_out_too() -> None:
    assert len(visible_points(np.full(2000, 0.5), np.linspace(0, 1, 2000))) == 600
    assert len(visible_points(np.linspace(0, 1, 2000), np.full(2000, 0.5))) == 600
