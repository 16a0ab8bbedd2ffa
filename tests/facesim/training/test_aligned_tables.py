"""A split of photographs becomes a table of placed faces, and says what it left out."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesim import FaceTable, PairSet
from facesim.alignment.aligner import aligners
from facesim.alignment.alignment import Acquisition, NoFaceError
from facesim.alignment.crop import centred
from facesim.data.image_digests import TableDigests
from facesim.discovery import load_installed_plugins
from facesim.errors import DataError
from facesim.experiment.sections import Image
from facesim.reporters import SilentReporter
from facesim.training.aligned_tables import align_table
from tests.facesim.model.bright_face import BrightFace, save_photograph

ONE = [(10, 10, 30, 40)]
LARGER = [(10, 10, 30, 30), (60, 60, 60, 50)]


@pytest.fixture(autouse=True)
def bright() -> Iterator[None]:
    load_installed_plugins()  # once per process: not to be undone with the test
    with aligners.isolated():
        aligners("bright")(BrightFace)
        yield


@pytest.fixture
def table(tmp_path: Path) -> FaceTable:
    for number, faces in enumerate([ONE, [], LARGER, ONE, []]):
        save_photograph(tmp_path / "photographs" / f"{number}.png", *faces, seed=number)
    pairs = PairSet(np.array([[0, 3], [0, 1], [2, 3]]), np.array([True, False, False]))
    return FaceTable(
        tmp_path / "photographs",
        np.array([f"{number}.png" for number in range(5)]),
        np.array([0, 1, 2, 0, 2]),
        np.array(["ann", "bob", "cyd"]),
        notes=("A note of the dataset.",),
        pairs=pairs,
    )


def aligned(table: FaceTable, **settings: Any) -> FaceTable:
    given = {"size": (40, 40), "aligner": "bright", "template": "dlib", **settings}
    image = Image.model_validate(given)
    return align_table(TableDigests(table), image, "val", SilentReporter()).table


def test_without_an_aligner_a_table_stays_as_it_is(table: FaceTable) -> None:
    images = TableDigests(table)
    assert align_table(images, Image(), "val", SilentReporter()) is images


def test_photographs_without_a_face_are_an_error_that_counts_them(table: FaceTable) -> None:
    with pytest.raises(
        NoFaceError, match=r"1\.png: no face was found; 2 of 5 images are like that"
    ) as raised:
        aligned(table)
    assert "image: {no_face: skip}" in str(raised.value)


LEFT_OUT = (
    "Left out by image.no_face: 2 of 5 images, in which aligner 'bright' found no face (the "
    "first: 1.png)."
)


def test_skipped_photographs_take_their_pairs_and_people_along(table: FaceTable) -> None:
    kept = aligned(table, no_face="skip")
    assert kept.files.tolist() == ["0.png", "2.png", "3.png"]
    assert kept.labels.tolist() == ["ann", "cyd"]
    assert kept.identities.tolist() == [0, 1, 0]
    assert kept.pairs is not None
    assert kept.pairs.rows.tolist() == [[0, 2], [1, 2]]
    assert kept.placements is not None
    assert kept.placements.shape == (3, 2, 3)
    assert kept.acquisition is not None
    assert kept.acquisition.found == {
        Acquisition.FACE: 2,
        Acquisition.SEVERAL: 1,
        Acquisition.UNSURE: 0,
        Acquisition.NONE: 2,
    }
    assert kept.acquisition.left_out
    assert kept.acquisition.photographs.tolist() == [2, 1, 2]
    assert kept.acquisition.failures.tolist() == [0, 1, 1]
    assert kept.notes == (
        "A note of the dataset.",
        "Alignment: the largest of several faces is used in 1 of 5 images.",
        "Alignment: 2 of 5 images hold no face that was found.",
        LEFT_OUT,
        "With them go 1 of the dataset's own pairs.",
    )


def test_the_centre_stands_for_a_face_where_that_is_asked(table: FaceTable) -> None:
    whole = aligned(table, no_face="centre_crop")
    assert whole.acquisition is not None
    assert not whole.acquisition.left_out
    assert whole.placements is not None
    np.testing.assert_array_equal(whole.placements[4], centred((120, 160), (40, 40)))
    assert not np.array_equal(whole.placements[0], whole.placements[4])
    assert whole.notes[-1] == "Alignment: of images without a face, the centre is used."


def test_faces_of_low_confidence_are_counted_apart(table: FaceTable) -> None:
    kept = aligned(table, no_face="skip", min_confidence=45)
    assert kept.files.tolist() == ["2.png"]
    assert kept.acquisition is not None
    assert kept.acquisition.found == {
        Acquisition.FACE: 1,
        Acquisition.SEVERAL: 0,
        Acquisition.UNSURE: 2,
        Acquisition.NONE: 2,
    }
    assert "2 of 5 images hold only faces whose confidence is below 45.0" in kept.notes[1]


def test_a_split_without_any_face_is_an_error(table: FaceTable) -> None:
    with pytest.raises(
        DataError, match="found no face with a confidence of 1000 or more in any of 5"
    ):
        aligned(table, no_face="skip", min_confidence=1000)


def test_the_place_of_a_face_is_part_of_what_features_are_kept_by(table: FaceTable) -> None:
    plain = TableDigests(table)
    assert plain.keys() is plain.get()
    placed = replace(table, placements=np.zeros((5, 2, 3)))
    moved = replace(table, placements=np.ones((5, 2, 3)))
    first, second = TableDigests(placed).keys(), TableDigests(moved).keys()
    for one, other in ((first, second), (first, plain.get()), (second, plain.get())):
        assert (one != other).any(axis=1).all()
    assert np.array_equal(TableDigests(placed).keys(), first)
    assert len(np.unique(first, axis=0)) == 5
