"""The histogram of scores, in its plot, its words and its numbers."""

import numpy as np
import pytest

from facesim.report.plots.score_histogram import score_histogram

SAME = np.array([True, True, True, True, False, False])
SCORES = np.array([0.9, 0.8, 0.7, 0.1, 0.2, 0.75])


def test_the_shares_of_each_kind_sum_to_one() -> None:
    figure = score_histogram(SCORES, SAME, None).figure
    for trace in figure.data:
        assert sum(trace.y[:-1]) == pytest.approx(1.0)  # the last point only closes the outline


def test_the_description_counts_the_errors_at_the_threshold() -> None:
    found = score_histogram(SCORES, SAME, 0.75)
    assert "25.00%" not in found.description
    assert "50.00% of genuine pairs lie below it (false non-matches)" in found.description
    assert "50.00% of impostor pairs at or above it (false matches)" in found.description
    assert [trace.name for trace in found.figure.data] == ["Genuine", "Impostor", "threshold 0.75"]


def test_a_kind_without_pairs_is_left_out() -> None:
    found = score_histogram(SCORES[SAME], SAME[SAME], 0.5)
    assert [row[:2] for row in found.numbers.rows] == [("Genuine", "4")]
    assert "impostor" not in found.description


def test_without_a_threshold_that_is_said() -> None:
    assert "There is no threshold." in score_histogram(SCORES, SAME, None).description
