"""Alignment: an aligner with its template and its policies, from a photograph to a placement."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, NamedTuple

import numpy as np

from facesim.alignment.aligner import Aligner, Face, Photograph
from facesim.alignment.crop import centred
from facesim.alignment.template import TEMPLATES, Template
from facesim.arrays import FloatArray
from facesim.errors import DataError

NoFace = Literal["error", "skip", "centre_crop"]
SeveralFaces = Literal["largest", "most_central", "error"]


class Acquisition(StrEnum):
    """What became of a photograph."""

    FACE = "one face"
    SEVERAL = "several faces"
    UNSURE = "only faces of low confidence"
    NONE = "no face"


class Placed(NamedTuple):
    """A face that was chosen, and its crop.

    Attributes:
        acquisition: what the photograph held.
        placement: see :meth:`Template.place`; None if the photograph is not used.
        face: None if there is none.
        faces: how many it was chosen among.
    """

    acquisition: Acquisition
    placement: FloatArray | None
    face: Face | None = None
    faces: int = 0


class NoFaceError(DataError):
    """A photograph without a face that could be used, or with several where one is wanted."""


MOST_FACES = 15
"""Per photograph; of more, the largest are kept."""


def rounded(faces: Sequence[Face]) -> list[Face]:
    """The `MOST_FACES` largest faces, coordinates rounded to float32, as they are kept on disk.

    So a photograph has the same crop whether or not its faces were found before.
    """
    found = []
    for face in sorted(faces, key=area, reverse=True)[:MOST_FACES]:
        left, top, right, bottom = np.array(face.box, np.float32).tolist()
        landmarks = face.landmarks.astype(np.float32).astype(np.float64)
        confidence = float(np.float32(face.confidence))
        found.append(Face((left, top, right, bottom), landmarks, confidence))
    return found


def area(face: Face) -> float:
    """Of the box, in pixels."""
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)


@dataclass(frozen=True)
class Alignment:
    """How photographs become crops of faces.

    Attributes:
        aligner: finds the faces.
        node: the aligner's name and parameters, as JSON.
        template: the name of a built-in one, or the five landmarks in pixels of the crop.
        no_face: what is done with a photograph in which no face is found.
        several_faces: which of several faces is meant.
        min_confidence: faces below it are not used, in the detector's own unit; None takes all.
    """

    aligner: Aligner
    node: str
    template: str | tuple[tuple[float, float], ...]
    no_face: NoFace = "error"
    several_faces: SeveralFaces = "largest"
    min_confidence: float | None = None

    def __repr__(self) -> str:
        return json.dumps(self.settings)

    @property
    def settings(self) -> dict[str, Any]:
        """What placements depend on, besides the photograph and the aligner's code."""
        return {
            "aligner": json.loads(self.node),
            "template": self.template,
            "no_face": self.no_face,
            "several_faces": self.several_faces,
            "min_confidence": self.min_confidence,
            "fingerprint": self.aligner.fingerprint,
        }

    def template_for(self, size: tuple[int, int]) -> Template:
        """The template in a crop of this height and width."""
        if isinstance(self.template, str):
            return TEMPLATES[self.template].scaled_to(size)
        return Template(size, self.template)

    def place(self, photograph: Photograph, size: tuple[int, int]) -> Placed:
        """Find the face that is meant, and its crop.

        Raises:
            NoFaceError: there is none, or there are several, where that is an error.
            DataError: the photograph cannot be judged.
        """
        height, width = photograph.pixels.shape[:2]
        faces = rounded(self.aligner.find(photograph))
        return self.choose(faces, (height, width), size)

    def choose(
        self, faces: Sequence[Face], photograph: tuple[int, int], size: tuple[int, int]
    ) -> Placed:
        """As :meth:`place`, from the faces of a photograph of this height and width.

        Raises:
            NoFaceError: as there.
        """
        least = -np.inf if self.min_confidence is None else self.min_confidence
        sure = [face for face in faces if face.confidence >= least]
        if not sure:
            acquisition = Acquisition.UNSURE if faces else Acquisition.NONE
            if self.no_face == "error":
                raise NoFaceError(self._nothing_found(faces))
            centre = centred(photograph, size) if self.no_face == "centre_crop" else None
            return Placed(acquisition, centre)
        if len(sure) > 1 and self.several_faces == "error":
            raise NoFaceError(f"{len(sure)} faces were found where one is wanted")
        face = max(sure, key=self._preference(photograph))
        acquisition = Acquisition.SEVERAL if len(sure) > 1 else Acquisition.FACE
        return Placed(acquisition, self.template_for(size).place(face), face, len(sure))

    def _nothing_found(self, faces: Sequence[Face]) -> str:
        if not faces:
            return "no face was found"
        best = max(face.confidence for face in faces)
        return (
            f"no face was found with a confidence of {self.min_confidence:g}; the highest of "
            f"{len(faces)} is {best:.3g}"
        )

    def _preference(self, photograph: tuple[int, int]) -> Any:
        height, width = photograph

        def centrality(face: Face) -> float:
            left, top, right, bottom = face.box
            x, y = (left + right + 1) / 2 - width / 2, (top + bottom + 1) / 2 - height / 2
            return -(x**2 + y**2)

        first, second = (
            (centrality, area) if self.several_faces == "most_central" else (area, centrality)
        )
        # Faces of the same rank are told apart by their place, so that the order does not matter.
        return lambda face: (first(face), second(face), face.box)
