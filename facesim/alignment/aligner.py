"""Aligners: plugins that find the faces of a photograph and their landmarks."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facesim.arrays import FloatArray, UInt8Array
from facesim.registry import Registry


class Photograph(NamedTuple):
    """A decoded photograph.

    Attributes:
        pixels: RGB, uint8 [H, W, 3], turned upright; not to be written to.
        path: its file; None where it is in memory only.
    """

    pixels: UInt8Array
    path: Path | None = None


@dataclass(frozen=True, eq=False)
class Face:
    """A detected face. Coordinates are in pixels; (0, 0) is the centre of the top left pixel.

    Attributes:
        box: left, top, right and bottom.
        landmarks: float64 [5, 2], x and y of the left eye, the right eye, the tip of the nose, the
            left and the right corner of the mouth, where left is the left of the photograph. NaN
            for those that a detector does not give; at least two are there.
        confidence: of the detection, in the detector's own unit; higher is surer.

    Raises:
        ValueError: an array or a number is not as described.
    """

    box: tuple[float, float, float, float]
    landmarks: FloatArray
    confidence: float

    def __post_init__(self) -> None:
        left, top, right, bottom = self.box
        if not (np.isfinite(self.box).all() and left < right and top < bottom):
            raise ValueError(f"the box (left, top, right, bottom) is {self.box}")
        if self.landmarks.shape != (5, 2):
            raise ValueError(f"landmarks are [5, 2], not {list(self.landmarks.shape)}")
        if np.isinf(self.landmarks).any() or len(np.unique(_present(self.landmarks), axis=0)) < 2:
            raise ValueError(f"two distinct landmarks are needed, not {self.landmarks.tolist()}")
        if not np.isfinite(self.confidence):
            raise ValueError(f"the confidence is {self.confidence}")


class Aligner(ABC):
    """Finds the faces of a photograph.

    It may be pickled and sent to another process: load models on first use.

    Attributes:
        content_only: False if its answer depends on the file's name and not on its pixels alone, as
            where landmarks are looked up; its answers are then kept by both.
        fingerprint: of what its answers depend on besides its code, its parameters and the versions
            of its packages: the digest of a model file, say.
    """

    content_only: bool = True
    fingerprint: str = ""

    @abstractmethod
    def find(self, photograph: Photograph) -> Sequence[Face]:
        """All faces, in any order; the same ones each time.

        Raises:
            DataError: the photograph cannot be judged.
        """


aligners: Registry[Aligner] = Registry("aligner", "aligners", base=Aligner)


def _present(landmarks: FloatArray) -> FloatArray:
    found: FloatArray = landmarks[np.isfinite(landmarks).all(axis=1)]
    return found
