"""The errors that lie farthest from the threshold."""

import numpy as np

from facesim.report.sections.errors import confident_errors


def test_errors_of_each_kind_come_in_order_of_confidence() -> None:
    scores = np.array([0.9, 0.1, 0.4, 0.6, 0.95, 0.2])
    same = np.array([True, True, True, False, False, False])
    rejects, accepts = confident_errors(scores, same, 0.5)
    assert rejects.tolist() == [1, 2]
    assert accepts.tolist() == [4, 3]


def test_a_score_at_the_threshold_is_accepted() -> None:
    rejects, accepts = confident_errors(np.array([0.5, 0.5]), np.array([True, False]), 0.5)
    assert rejects.tolist() == []
    assert accepts.tolist() == [1]
