import numpy as np

from facesim.report.plots.layout import new_plot, visible_points


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


def test_a_plot_takes_the_width_of_the_page() -> None:
    assert new_plot(height=100).layout.autosize
    assert new_plot(height=100).layout.height == 100
