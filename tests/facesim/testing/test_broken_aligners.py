"""Broken aligners are found, with what was seen."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from facesim import Aligner, DataError, Face, Photograph, aligners
from tests.facesim.testing.test_broken_parts import observed

FACE = Face((1.0, 2.0, 5.0, 6.0), np.arange(10.0).reshape(5, 2), 0.9)


class Sound(Aligner):
    """Finds one face in the upper half."""

    def find(self, photograph: Photograph) -> Sequence[Face]:
        height, width = photograph.pixels.shape[:2]
        return [replace(FACE, box=(0.0, 0.0, float(width), float(height)))]


class OnlyLarge(Sound):
    def find(self, photograph: Photograph) -> Sequence[Face]:
        if min(photograph.pixels.shape[:2]) < 20:
            raise DataError("the photograph is too small")
        return super().find(photograph)


class NoneAtAll(Sound):
    def find(self, photograph: Photograph) -> Any:
        del photograph


class Boxes(Sound):
    def find(self, photograph: Photograph) -> Any:
        return [face.box for face in super().find(photograph)]


class Drawing(Sound):
    calls = itertools.count()

    def find(self, photograph: Photograph) -> Sequence[Face]:
        return [replace(FACE, confidence=float(next(self.calls)))]


class Remembering(Sound):
    def __init__(self) -> None:
        self.seen = False

    def find(self, photograph: Photograph) -> Sequence[Face]:
        found, self.seen = ([] if self.seen else super().find(photograph)), True
        return found


class Moving(Sound):
    calls = itertools.count()

    def find(self, photograph: Photograph) -> Sequence[Face]:
        return [replace(FACE, landmarks=FACE.landmarks + next(self.calls))]


class Wandering(Sound):
    calls = itertools.count()

    def find(self, photograph: Photograph) -> Sequence[Face]:
        return [replace(FACE, box=(1.0, 2.0, 5.0, 6.0 + next(self.calls)))]


class Blackening(Sound):
    def find(self, photograph: Photograph) -> Sequence[Face]:
        photograph.pixels[:] = 0
        return super().find(photograph)


class Unlocking(Sound):
    def find(self, photograph: Photograph) -> Sequence[Face]:
        photograph.pixels.flags.writeable = True
        photograph.pixels[:] = 0
        return super().find(photograph)


class Loaded(Sound):
    def __init__(self) -> None:
        self.model = lambda: None


class LoadedOnUse(Sound):
    def find(self, photograph: Photograph) -> Sequence[Face]:
        self.model = lambda: None
        return super().find(photograph)


class Forgetful(Sound):
    def __init__(self) -> None:
        self.fingerprint = "the digest"

    def __getstate__(self) -> dict[str, Any]:
        return {}


class NamedLate(Sound):
    def find(self, photograph: Photograph) -> Sequence[Face]:
        self.fingerprint = "the digest of what was loaded"
        return super().find(photograph)


class NumberedOnes(Sound):
    fingerprint: Any = 3


ANY, SAME = "any_photograph_has_its_faces_or_none", "faces_are_the_same_each_time"
PICKLED, FINGERPRINT = "it_can_be_pickled", "fingerprint_is_text_and_lasts"


@pytest.mark.parametrize(
    ("broken", "promise", "told"),
    [
        (OnlyLarge, ANY, "the photograph is too small"),
        (NoneAtAll, ANY, "218 x 178 pixels gave NoneType"),
        (Boxes, ANY, "of tuple"),
        (Drawing, SAME, "and then Face"),
        (Remembering, SAME, "and then None"),
        (Moving, SAME, "and then Face"),
        (Wandering, SAME, "and then Face"),
        (Blackening, "pixels_stay_as_they_were", "read-only"),
        (Unlocking, "pixels_stay_as_they_were", "the pixels have changed"),
        (Loaded, PICKLED, "pickle"),
        (LoadedOnUse, PICKLED, "pickle"),
        (Forgetful, PICKLED, "the fingerprint 'the digest' became ''"),
        (NamedLate, FINGERPRINT, "'the digest of what was loaded' of one is '' of another"),
        (NumberedOnes, FINGERPRINT, "it is int"),
    ],
)
def test_what_is_wrong_with_an_aligner_is_said(
    broken: type[Aligner], promise: str, told: str
) -> None:
    with aligners.isolated():
        aligners("broken")(broken)
        assert told in observed(aligners.spec("broken"), promise)
        aligners("sound")(Sound)
        assert observed(aligners.spec("sound"), promise) == ""
