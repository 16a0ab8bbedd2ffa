"""The errors that lie farthest from the threshold."""

import numpy as np

from facesim.data.preprocessing import Preprocessing
from facesim.evaluation.calibration import Calibration
from facesim.evaluation.probabilities import ProbabilityMap
from facesim.page import Gallery, Section, Text
from facesim.report.face_pairs import FacePairPresenter
from facesim.report.sections.errors import confident_errors, errors_section
from facesim.runs.scored_pairs import NamedPairs


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


def section(
    scores: list[float], same: list[bool], calibration: Calibration | None = None
) -> Section:
    """Of pairs that are named by their number."""
    files = np.array([[f"{number}a", f"{number}b"] for number in range(len(scores))], dtype=object)
    probabilities = None if calibration is None else np.array(scores)
    pairs = NamedPairs(files, np.array(same), np.array(scores), probabilities)
    presenter = FacePairPresenter(pairs, None, Preprocessing((16, 16)))
    return errors_section(presenter, 0.5, calibration)


def test_each_kind_of_error_has_a_gallery_of_at_most_eight() -> None:
    scores = [0.45 - number / 100 for number in range(10)] + [0.75]
    found = section(scores, [True] * 10 + [False])
    assert (found.name, found.title) == ("errors", "Confident errors")
    told, rejected, accepted = found.blocks
    assert told == Text("The errors farthest from the threshold come first.")
    assert isinstance(rejected, Gallery)
    assert isinstance(accepted, Gallery)
    assert rejected.title == "False non-matches (one person, rejected): 10 pairs"
    assert accepted.title == "False matches (two people, accepted): 1 pair"
    assert [pair.faces[0].file for pair in rejected.pairs] == [f"{it}a" for it in range(9, 1, -1)]


def test_a_kind_without_errors_has_no_gallery_and_none_at_all_is_said() -> None:
    _, only = section([0.6], [False]).blocks
    assert isinstance(only, Gallery)
    assert only.title.startswith("False matches")
    assert section([0.6, 0.4], [True, False]).blocks == (
        Text("The threshold decides every pair correctly."),
    )


def test_probabilities_come_with_their_calibration_error_there_and_here() -> None:
    """Of two pairs that are one person for certain, one is: an error of a half."""
    probability = ProbabilityMap(slope=1.0, offset=0.0, genuine_share=0.25, calibration_error=0.125)
    calibration = Calibration.model_construct(split="val", probability=probability)
    told = section([1.0, 1.0], [True, False], calibration).blocks[0]
    assert isinstance(told, Text)
    assert told.text.endswith(
        "by Platt scaling on val, with 25.00% genuine pairs. Its expected calibration error is "
        "12.50% there and 50.00% here."
    )
