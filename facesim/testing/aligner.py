"""Contract of aligners."""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np

from facesim.alignment.aligner import Aligner, Face, Photograph
from facesim.arrays import UInt8Array
from facesim.registry import Spec
from facesim.testing.contract import Contract, promises_of_every_kind, require
from facesim.testing.modules import pickled

SIZES = ((218, 178), (64, 300), (8, 8), (1, 1))
"""Height and width of the photographs."""

FILE = Path("photograph.png")
"""Of each photograph: an aligner may answer for its name. It need not exist."""

ALIGNER: Contract[Aligner] = Contract("aligner", promises_of_every_kind())


@ALIGNER.promise(hint="return a list of facesim.Face, an empty one where there is no face")
def any_photograph_has_its_faces_or_none(spec: Spec[Aligner]) -> None:
    """A photograph of any size gives a list of faces, or an empty one; noise raises nothing."""
    aligner = spec.build()
    for height, width in SIZES:
        for pixels in (_noise(height, width), np.zeros((height, width, 3), np.uint8)):
            found = aligner.find(Photograph(pixels, FILE))
            observed = f"{height} x {width} pixels gave {type(found).__name__}"
            require(isinstance(found, Sequence), observed)
            for face in found:
                require(isinstance(face, Face), f"{observed} of {type(face).__name__}")


@ALIGNER.promise(hint="draw nothing, and keep no state between photographs")
def faces_are_the_same_each_time(spec: Spec[Aligner]) -> None:
    """The faces of a photograph are the same each time, and for another instance."""
    first, second = spec.build(), spec.build()
    for height, width in SIZES:
        photograph = Photograph(_noise(height, width), FILE)
        once = first.find(photograph)
        _require_same(once, first.find(photograph))
        _require_same(once, second.find(photograph))


@ALIGNER.promise(hint="copy the pixels before changing them")
def pixels_stay_as_they_were(spec: Spec[Aligner]) -> None:
    """The photograph is not changed."""
    pixels = _noise(218, 178)
    before = pixels.copy()
    pixels.flags.writeable = False
    spec.build().find(Photograph(pixels, FILE))
    require(np.array_equal(pixels, before), "the pixels have changed")


@ALIGNER.promise(hint="keep parameters and paths in the object; load models on first use")
def it_can_be_pickled(spec: Spec[Aligner]) -> None:
    """It can be pickled, also once it has been used, and so be sent to a worker process."""
    aligner = spec.build()
    photograph = Photograph(_noise(218, 178), FILE)
    found = aligner.find(photograph)
    copy = pickled(aligner)
    _require_same(found, copy.find(photograph))
    same = copy.fingerprint == aligner.fingerprint
    require(same, f"the fingerprint {aligner.fingerprint!r} became {copy.fingerprint!r}")


@ALIGNER.promise(hint="set fingerprint from what is loaded: the digest of a model file")
def fingerprint_is_text_and_lasts(spec: Spec[Aligner]) -> None:
    """The fingerprint is text, and the same for two instances, before and after use."""
    first, second = spec.build(), spec.build()
    first.find(Photograph(_noise(64, 64), FILE))
    require(isinstance(first.fingerprint, str), f"it is {type(first.fingerprint).__name__}")
    same = first.fingerprint == second.fingerprint
    require(same, f"{first.fingerprint!r} of one is {second.fingerprint!r} of another")


def _noise(height: int, width: int) -> UInt8Array:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _require_same(first: Sequence[Face], second: Sequence[Face]) -> None:
    for one, other in zip_longest(first, second):
        same = (
            one is not None
            and other is not None
            and one.box == other.box
            and one.confidence == other.confidence
            and np.array_equal(one.landmarks, other.landmarks, equal_nan=True)
        )
        require(same, f"it found {one}, and then {other}")
