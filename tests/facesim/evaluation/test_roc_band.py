import numpy as np

from facesim.evaluation.roc_band import roc_band
from facesim.interfaces.roc_points import tar_at_fmr
from facesim.interfaces.scores import LabelledScores


def test_the_band_holds_the_curve_and_the_curve_is_tar_at_fmr() -> None:
    generator = np.random.default_rng(0)
    same = np.arange(600) % 2 == 0
    first = generator.integers(15, size=600)
    second = np.where(same, first, (first + 3) % 15)
    scored = LabelledScores.of(generator.normal(size=600) + 2 * same, same, first, second)
    grid = np.array([0.0, 0.01, 0.1, 0.29, 1.0])
    band = roc_band(scored, grid, seed=0)
    expected = [tar_at_fmr(scored.roc(), fmr).tar for fmr in grid]
    np.testing.assert_array_equal(band.tar, expected)
    assert (band.low <= band.tar).all()
    assert (band.tar <= band.high).all()


def test_too_few_identities_have_a_curve_without_band() -> None:
    same = np.array([True, True, False])
    first, second = np.array([0, 1, 0]), np.array([0, 1, 1])
    scored = LabelledScores.of(np.array([0.9, 0.8, 0.1]), same, first, second)
    band = roc_band(scored, np.array([0.5]), seed=0)
    assert band.tar == [1.0]
    assert np.isnan([band.low, band.high]).all()
