from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from facesim import Aligner, Face, Photograph
from facesim.alignment.alignment import (
    MOST_FACES,
    Acquisition,
    Alignment,
    NoFaceError,
    Placed,
    rounded,
)
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


def chosen(of: Alignment) -> Placed:
    return of.choose(of.aligner.find(PHOTOGRAPH), (200, 300), SIZE)


LARGE, CENTRAL, SMALL = face(0, 0, 90), face(120, 70, 60), face(10, 120, 30)


def test_one_face_is_placed_by_the_template() -> None:
    placed = chosen(alignment(CENTRAL))
    assert placed.acquisition is Acquisition.FACE
    assert placed.face is CENTRAL
    np.testing.assert_array_equal(placed.placement, TEMPLATES["arcface"].place(CENTRAL))


@pytest.mark.parametrize("order", list(permutations([LARGE, CENTRAL, SMALL])))
def test_of_several_faces_the_one_that_is_asked_for(order: tuple[Face, ...]) -> None:
    several = alignment(*order)
    assert chosen(several).face is LARGE
    assert chosen(several).acquisition is Acquisition.SEVERAL
    central = replace(several, several_faces="most_central")
    assert chosen(central).face is CENTRAL
    with pytest.raises(NoFaceError, match="3 faces were found where one is wanted"):
        chosen(replace(several, several_faces="error"))


def test_faces_of_equal_size_are_told_apart_whatever_their_order() -> None:
    first, second = face(0, 0, 50), face(250, 150, 50)
    assert chosen(alignment(first, second)).face is chosen(alignment(second, first)).face


@pytest.mark.parametrize(
    ("faces", "acquisition"),
    [((), Acquisition.NONE), ((face(0, 0, 50, 0.3),), Acquisition.UNSURE)],
)
def test_without_a_face_the_policy_decides(
    faces: tuple[Face, ...], acquisition: Acquisition
) -> None:
    strict = replace(alignment(*faces), min_confidence=0.5)
    with pytest.raises(NoFaceError, match="no face was found"):
        chosen(strict)
    skipped = chosen(replace(strict, no_face="skip"))
    assert skipped == Placed(acquisition, None)
    middle = chosen(replace(strict, no_face="centre_crop"))
    assert (middle.acquisition, middle.face) == (acquisition, None)
    np.testing.assert_array_equal(middle.placement, centred((200, 300), SIZE))


def test_a_face_at_the_least_confidence_is_used_and_one_below_is_not_counted() -> None:
    sure, unsure = face(0, 0, 50, 0.5), face(50, 50, 90, 0.4999)
    placed = chosen(replace(alignment(unsure, sure), min_confidence=0.5))
    assert (placed.acquisition, placed.face) == (Acquisition.FACE, sure)


def test_five_points_of_ones_own_are_pixels_of_the_crop() -> None:
    points = tuple((x * 2, y * 2) for x, y in TEMPLATES["arcface"].points)
    own = replace(alignment(LARGE), template=points)
    placement = own.choose([LARGE], (200, 300), (224, 224)).placement
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


def test_a_photograph_has_the_crop_that_it_has_once_its_faces_are_kept() -> None:
    crowd = [face(3.3 * number, 7.7, 11.1 + number / 7, 0.1 * number) for number in range(20)]
    for several in ("largest", "most_central"):
        asked = replace(alignment(*crowd), several_faces=several)
        kept = rounded(asked.aligner.find(PHOTOGRAPH))
        assert len(kept) == MOST_FACES
        assert min(each.box[2] - each.box[0] for each in kept) > 11.1 + 4.5 / 7
        alone = asked.place(PHOTOGRAPH, SIZE)
        np.testing.assert_array_equal(
            alone.placement, asked.choose(kept, (200, 300), SIZE).placement
        )
        assert alone.face is not None
        assert np.array_equal(alone.face.landmarks, np.float32(alone.face.landmarks))
