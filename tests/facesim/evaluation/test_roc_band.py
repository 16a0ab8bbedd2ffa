import numpy as np

from facesim.evaluation.identity_bootstrap import IdentityBootstrap
from facesim.evaluation.roc import SortedPairs
from facesim.evaluation.roc_band import roc_band
from facesim.evaluation.tar_at_far import tar_at_far


def test_the_band_holds_the_curve_and_the_curve_is_tar_at_far() -> None:
    generator = np.random.default_rng(0)
    same = np.arange(600) % 2 == 0
    first = generator.integers(15, size=600)
    second = np.where(same, first, (first + 3) % 15)
    pairs = SortedPairs.of(generator.normal(size=600) + 2 * same, same)
    bootstrap = IdentityBootstrap.of(first, second, same)
    grid = np.array([0.0, 0.01, 0.1, 0.29, 1.0])
    band = roc_band(pairs, bootstrap, grid, seed=0, resamples=40)
    expected = [tar_at_far(pairs.roc(), far).tar for far in grid]
    np.testing.assert_array_equal(band.tar, expected)
    assert (band.low <= band.tar).all()
    assert (band.tar <= band.high).all()


def test_too_few_identities_have_a_curve_without_band() -> None:
    same = np.array([True, True, False])
    first, second = np.array([0, 1, 0]), np.array([0, 1, 1])
    pairs = SortedPairs.of(np.array([0.9, 0.8, 0.1]), same)
    bootstrap = IdentityBootstrap.of(first, second, same)
    band = roc_band(pairs, bootstrap, np.array([0.5]), seed=0, resamples=10)
    assert band.tar == [1.0]
    assert np.isnan([band.low, band.high]).all()
