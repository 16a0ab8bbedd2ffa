"""The failure-to-acquire rate, and how far it would be another for other people."""

import numpy as np
import pytest

from facesim.alignment.alignment import Acquisition
from facesim.evaluation.acquisition import failure_to_acquire, measured_acquisition
from facesim.interfaces.tables import AcquisitionCounts

FOUND = dict.fromkeys(Acquisition, 0)


def counts(photographs: list[int], failures: list[int]) -> AcquisitionCounts:
    return AcquisitionCounts(FOUND, np.array(photographs), np.array(failures))


def test_it_counts_photographs_without_a_face_and_with_uncertain_ones() -> None:
    found = {
        Acquisition.FACE: 6,
        Acquisition.SEVERAL: 1,
        Acquisition.UNSURE: 2,
        Acquisition.NONE: 1,
    }
    measured = measured_acquisition(
        AcquisitionCounts(found, np.array([4, 3, 3]), np.array([1, 2, 0]))
    )
    assert (measured.photographs, measured.one_face, measured.several_faces) == (10, 6, 1)
    assert (measured.low_confidence, measured.no_face) == (2, 1)
    assert measured.failure_to_acquire.value == pytest.approx(0.3)
    assert measured.left_out


def test_it_says_whether_they_are_left_out() -> None:
    found = AcquisitionCounts(FOUND, np.array([4, 3]), np.array([1, 2]), left_out=False)
    assert measured_acquisition(found).left_out is False


def test_no_failure_is_not_certainty() -> None:
    found = failure_to_acquire(counts([10] * 30, [0] * 30))
    assert found.value == found.low == 0
    assert found.high is not None
    assert 0.012 < found.high < 0.05


def test_failures_of_few_people_make_it_wide() -> None:
    spread = failure_to_acquire(counts([10] * 30, [1] * 30))
    together = failure_to_acquire(counts([10] * 30, [10] * 3 + [0] * 27))
    assert spread.value == together.value == pytest.approx(0.1)
    widths = [each.high - each.low for each in (spread, together)]  # type: ignore[operator]
    assert widths[1] > 1.8 * widths[0]


def test_of_too_few_people_there_is_no_interval() -> None:
    found = failure_to_acquire(counts([100, 1], [5, 0]))
    assert found.low is None
    assert found.reason is not None
    assert "only 1.0 effective identities" in found.reason


@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_the_interval_holds_the_rate_over_other_people(rate: float) -> None:
    generator = np.random.default_rng(0)
    inside, spread = 0, 0.15
    for _ in range(400):
        photographs = generator.integers(5, 30, 60)
        of_person = generator.beta(rate * (1 / spread - 1), (1 - rate) * (1 / spread - 1), 60)
        failures = generator.binomial(photographs, of_person)
        found = failure_to_acquire(counts(photographs.tolist(), failures.tolist()))
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= rate <= found.high
    assert inside >= 0.92 * 400
