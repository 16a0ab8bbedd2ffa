from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from facesim import Aligner, Face, Photograph
from facesim.alignment.alignment import Acquisition, Alignment, NoFaceError
from facesim.alignment.crop import centred
from facesim.alignment.template import TEMPLATES

SIZE = (112, 112)
PHOTOGRAPH = Photograph(np.zeros((200, 300, 3), np.uint8))


class Found(Aligner):
    def __init__(self, *faces: Face) -> None:
        self.faces = faces

    def find(self, photograph: Photograph) -> Sequence[Face]:
        del photograph
        return self.faces


def face(left: float, top: float, side: float, confidence: float = 1.0) -> Face:
    points = np.array(TEMPLATES["arcface"].points) * side / 112 + (left, top)
    return Face((left, top, left + side, top + side), points, confidence)


def alignment(*faces: Face) -> Alignment:
    return Alignment(Found(*faces), '{"name": "found"}', "arcface")


LARGE, CENTRAL, SMALL = face(0, 0, 90), face(120, 70, 60), face(10, 120, 30)


def test_one_face_is_placed_by_the_template() -> None:
    placed = alignment(CENTRAL).place(PHOTOGRAPH, SIZE)
    assert placed.acquisition is Acquisition.FACE
    assert placed.face is CENTRAL
    np.testing.assert_array_equal(placed.placement, TEMPLATES["arcface"].place(CENTRAL))


@pytest.mark.parametrize("order", list(permutations([LARGE, CENTRAL, SMALL])))
def test_of_several_faces_the_one_that_is_asked_for(order: tuple[Face, ...]) -> None:
    several = alignment(*order)
    assert several.place(PHOTOGRAPH, SIZE).face is LARGE
    assert several.place(PHOTOGRAPH, SIZE).acquisition is Acquisition.SEVERAL
    central = replace(several, several_faces="most_central")
    assert central.place(PHOTOGRAPH, SIZE).face is CENTRAL
    with pytest.raises(NoFaceError, match="3 faces were found where one is wanted"):
        replace(several, several_faces="error").place(PHOTOGRAPH, SIZE)


def test_faces_of_equal_size_are_told_apart_whatever_their_order() -> None:
    first, second = face(0, 0, 50), face(250, 150, 50)
    assert (
        alignment(first, second).place(PHOTOGRAPH, SIZE).face
        is alignment(second, first).place(PHOTOGRAPH, SIZE).face
    )


@pytest.mark.parametrize(
    ("faces", "acquisition"),
    [((), Acquisition.NONE), ((face(0, 0, 50, 0.3),), Acquisition.UNSURE)],
)
def test_without_a_face_the_policy_decides(
    faces: tuple[Face, ...], acquisition: Acquisition
) -> None:
    strict = replace(alignment(*faces), min_confidence=0.5)
    with pytest.raises(NoFaceError, match="no face was found"):
        strict.place(PHOTOGRAPH, SIZE)
    skipped = replace(strict, no_face="skip").place(PHOTOGRAPH, SIZE)
    assert skipped == (acquisition, None, None)
    middle = replace(strict, no_face="centre_crop").place(PHOTOGRAPH, SIZE)
    assert (middle.acquisition, middle.face) == (acquisition, None)
    np.testing.assert_array_equal(middle.placement, centred((200, 300), SIZE))


def test_a_face_at_the_least_confidence_is_used_and_one_below_is_not_counted() -> None:
    sure, unsure = face(0, 0, 50, 0.5), face(50, 50, 90, 0.4999)
    placed = replace(alignment(unsure, sure), min_confidence=0.5).place(PHOTOGRAPH, SIZE)
    assert (placed.acquisition, placed.face) == (Acquisition.FACE, sure)


def test_five_points_of_ones_own_are_pixels_of_the_crop() -> None:
    points = tuple((x * 2, y * 2) for x, y in TEMPLATES["arcface"].points)
    own = replace(alignment(LARGE), template=points)
    placement = own.place(PHOTOGRAPH, (224, 224)).placement
    assert placement is not None
    np.testing.assert_allclose(placement[:, :2], [[90, 0], [0, 90]], atol=1e-9)


def test_its_text_changes_with_whatever_placements_depend_on() -> None:
    plain = alignment()
    others = [
        replace(plain, node='{"name": "other"}'),
        replace(plain, template="celeba"),
        replace(plain, no_face="skip"),
        replace(plain, several_faces="error"),
        replace(plain, min_confidence=0.0),
    ]
    marked = alignment()
    marked.aligner.fingerprint = "another model file"
    assert len({repr(each) for each in [plain, *others, marked]}) == 7
