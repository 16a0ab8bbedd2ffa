"""The errors that lie farthest from the threshold."""

from pathlib import Path

import numpy as np
import pandas as pd

from facesim.data.preprocessing import Preprocessing
from facesim.evaluation.calibration import Calibration
from facesim.evaluation.probabilities import ProbabilityMap
from facesim.interfaces import FaceTable
from facesim.page import Gallery, Records, Section, Text
from facesim.report.face_pairs import FacePairPresenter
from facesim.report.sections.errors import MOST_ERRORS, confident_errors, errors_section
from facesim.runs.scored_pairs import NamedPairs, PairIdentities, ScoredImages


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
    assert (found.name, found.title) == ("errors", "Errors")
    told, rejected, accepted, every = found.blocks
    assert told == Text("The errors farthest from the threshold come first.")
    assert isinstance(rejected, Gallery)
    assert isinstance(accepted, Gallery)
    assert rejected.title == "False non-matches (one person, rejected): 10 pairs"
    assert accepted.title == "False matches (two people, accepted): 1 pair"
    assert isinstance(every, Records)
    assert len(every) == 11
    assert [pair.faces[0].file for pair in rejected.pairs] == [f"{it}a" for it in range(9, 1, -1)]


def test_a_kind_without_errors_has_no_gallery_and_none_at_all_is_said() -> None:
    _, only, _ = section([0.6], [False]).blocks
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


def shown(records: object) -> list[tuple[str, ...]]:
    assert isinstance(records, Records)
    return list(zip(*(column.cells for column in records.columns), strict=True))


def named(
    scores: list[float], codes: list[tuple[int, int]], images: ScoredImages | None = None
) -> Section:
    """Of pairs of identities ann, bob and cid, decided at 0.5; image N of a pair is N.png."""
    sides = np.array(codes)
    numbers = range(0, 2 * len(scores), 2)
    files = np.array([[f"{first}.png", f"{first + 1}.png"] for first in numbers], dtype=object)
    pairs = NamedPairs(files, sides[:, 0] == sides[:, 1], np.array(scores))
    identities = PairIdentities(sides, np.array(["ann", "bob", "cid"], dtype=object))
    presenter = FacePairPresenter(pairs, None, Preprocessing((16, 16)))
    return errors_section(presenter, 0.5, None, identities, images)


def test_every_error_is_a_row_with_its_people_the_farthest_from_the_threshold_first() -> None:
    found = named([0.4, 0.9, 0.6, 0.8], [(0, 0), (0, 1), (2, 2), (2, 1)])
    assert shown(found.blocks[3]) == [
        ("false match", "0.9", "0.4", "ann, bob", "2.png, 3.png"),
        ("false match", "0.8", "0.3", "cid, bob", "6.png, 7.png"),
        ("false non-match", "0.4", "-0.1", "ann", "0.png, 1.png"),
    ]


def test_errors_are_filtered_by_kind_and_by_an_attribute_that_both_images_have() -> None:
    files = np.array([f"{number}.png" for number in range(6)], dtype=object)
    table = FaceTable(
        root=Path(),
        files=files,
        identities=np.zeros(6, np.int64),
        labels=np.array(["ann"], dtype=object),
        attributes=pd.DataFrame({"hat": ["yes", "yes", "no", "no", "yes", "no"]}),
    )
    images = ScoredImages(table, np.arange(6).reshape(3, 2))
    found = named([0.9, 0.8, 0.4], [(0, 1), (0, 1), (0, 0)], images)
    records = found.blocks[3]
    assert isinstance(records, Records)
    kind, attribute = records.filters
    assert (kind.label, kind.groups[0].rows) == ("Error", (1, 1, 0))
    assert kind.groups[0].values == ("false non-match", "false match")
    (hat,) = attribute.groups
    assert (hat.label, hat.values) == ("hat", ("hat: no", "hat: yes"))
    assert hat.rows == (1, 0, -1)


def test_more_errors_than_the_file_holds_are_said() -> None:
    number = MOST_ERRORS + 1
    found = section([0.6 + row / number for row in range(number)], [False] * number)
    records = found.blocks[2]
    assert len(records) == MOST_ERRORS  # type: ignore[arg-type]
    assert records.caption == (  # type: ignore[union-attr]
        "The 5,000 errors farthest from the threshold, of 5,001; scores.csv has every pair"
    )


def test_rates_by_identity_say_what_they_rest_on() -> None:
    found = named([0.4, 0.9, 0.6, 0.8], [(0, 0), (0, 1), (2, 2), (2, 1)])
    told, records = found.blocks[4:]
    assert shown(records) == [
        ("ann", "2", "1", "100.00%, only 1 pair", "1", "100.00%, only 1 pair"),
        ("bob", "2", "0", "no such pair", "2", "100.00%, only 2 pairs"),
        ("cid", "1", "1", "0.00%, only 1 pair", "1", "100.00%, only 1 pair"),
    ]
    assert isinstance(told, Text)
    assert "allows for having looked at 6 rates" in told.text
