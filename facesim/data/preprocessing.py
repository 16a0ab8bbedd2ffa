"""Preprocessing: from an image file to the pixels that the network sees."""

import hashlib
import json
from collections import deque
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image

from facesim.alignment import alignment, crop, fit, template
from facesim.alignment.aligner import Aligner, Photograph
from facesim.alignment.alignment import Alignment, NoFaceError, Placed
from facesim.alignment.crop import crop_face
from facesim.alignment.fit import Fit
from facesim.arrays import FloatArray, UInt8Array
from facesim.data import decoding
from facesim.data.decoding import (
    convert_image,
    convert_upright,
    decode_content,
    decode_image,
    decode_upright,
    decoder_versions,
    read_image,
)
from facesim.errors import DataError

if TYPE_CHECKING:
    from facesim.experiment.sections import Image
    from facesim.registry import Spec

_SOURCES = (Path(__file__), Path(decoding.__file__), Path(fit.__file__))
_SOURCES_OF_ALIGNMENT = tuple(Path(str(each.__file__)) for each in (alignment, crop, template))

_ALWAYS_IN_PROVENANCE = ("size", "crop")
"""Further settings enter when they are not at their default: `calibration.json` files that were
written before a setting existed still match."""


@dataclass(frozen=True)
class Preprocessing:
    """Whatever decides the pixels of an image, random augmentation apart.

    It decodes, it is part of the key of cached features, and it is what a threshold's provenance
    says about pixels: a setting that is added here is part of all three.

    Attributes:
        size: (height, width) in pixels; CelebA's aligned faces are 218 x 178.
        crop: (left, top, width, height) in pixels of the upright image, cut out before it is
            resized; None takes the whole image.
        fit: how the size is reached from another aspect ratio. ``stretch`` is what was done before
            there was a choice, so that thresholds and packs of then, which do not say, still match;
            the section `image` of an experiment has another default.
        alignment: how a face is found in the image and cut out; None takes the image as it is.

    Raises:
        DataError: the size or the crop is empty, the crop begins outside of the image, or there
            are both an alignment and a crop or a fit.
    """

    size: tuple[int, int] = (218, 178)
    crop: tuple[int, int, int, int] | None = None
    fit: Fit = "stretch"
    alignment: Alignment | None = None

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise DataError(f"the size (height, width) is {self.size}; both must be at least 1")
        if self.crop is not None and (min(self.crop[:2]) < 0 or min(self.crop[2:]) < 1):
            raise DataError(
                f"the crop (left, top, width, height) is {self.crop}; left and top must be at "
                "least 0, width and height at least 1"
            )
        if self.crop is not None and self.alignment is not None:
            raise DataError("an aligner cuts the face out; leave the crop out")
        if self.fit != "stretch" and self.alignment is not None:
            raise DataError("an aligner cuts the face out; leave the fit out")

    @classmethod
    def of(cls, image: "Image") -> "Preprocessing":
        """That of an experiment's section `image`, all of whose settings it must know.

        Raises:
            FacesimError: the aligner cannot be built.
        """
        settings = dict(image)
        aligning = {name: settings.pop(name) for name in _ALIGNING}
        aligner, template = aligning.pop("aligner"), aligning.pop("template")
        if aligner is None:
            return cls(**settings)
        del settings["fit"]  # an aligned face has the size
        node = json.dumps(aligner.as_node(), sort_keys=True)
        return cls(**settings, alignment=Alignment(_built(aligner), node, template, **aligning))

    def decode(self, path: Path, placement: FloatArray | None = None) -> UInt8Array:
        """The pixels of an image file, RGB, uint8 [height, width, 3].

        Args:
            path: the file.
            placement: of the face, where it has been found before; see :meth:`Alignment.place`.

        Raises:
            DataError: the image cannot be used; the text names the file.
        """
        pixels = np.empty((*self.size, 3), np.uint8)
        self.decode_content(path, read_image(path), pixels, placement)
        return pixels

    def decode_content(
        self, path: Path, content: bytes, into: UInt8Array, placement: FloatArray | None = None
    ) -> None:
        """Decode the content of a file that has been read as :meth:`decode` does, into an array.

        Args:
            path: of the file, for errors.
            content: of the file, as :func:`~facesim.data.decoding.read_image` returns it.
            into: uint8 [height, width, 3], contiguous.
            placement: as of :meth:`decode`.

        Raises:
            DataError: as of :meth:`decode`; ``into`` holds anything then.
        """
        if placement is not None:
            upright = decode_upright(path, content, padded=True)
            into[...] = crop_face(upright, placement, self.size)
        elif self.alignment is not None:
            into[...] = self._aligned_file(self.alignment, path, content)[0]
        else:
            decode_content(path, content, into, self.crop, self.fit)

    def convert(self, image: PIL.Image.Image) -> UInt8Array:
        """The pixels of an image in memory, as :meth:`decode` returns those of a file.

        Raises:
            DataError: the image cannot be used.
        """
        return self.look(image)[0]

    def look(self, image: Path | PIL.Image.Image) -> tuple[UInt8Array, Placed | None]:
        """The pixels of an image, and the face that they show; None where none is looked for.

        Raises:
            DataError: the image cannot be used; the text names a file.
        """
        if isinstance(image, PIL.Image.Image):
            if self.alignment is None:
                return convert_image(image, self.size, self.crop, self.fit), None
            return self._aligned(self.alignment, convert_upright(image), None)
        if self.alignment is None:
            return decode_image(image, self.size, self.crop, self.fit), None
        return self._aligned_file(self.alignment, image, read_image(image))

    def _aligned_file(
        self, alignment: Alignment, path: Path, content: bytes
    ) -> tuple[UInt8Array, Placed]:
        upright = decode_upright(path, content)
        try:
            return self._aligned(alignment, upright, path)
        except DataError as error:
            raise type(error)(f"{path}: {error}") from None

    def _aligned(
        self, alignment: Alignment, upright: PIL.Image.Image, path: Path | None
    ) -> tuple[UInt8Array, Placed]:
        placed = alignment.place(Photograph(np.asarray(upright), path), self.size)
        if placed.placement is None:
            raise NoFaceError("no face was found")
        return crop_face(upright, placed.placement, self.size), placed

    @property
    def provenance(self) -> str:
        """The settings as JSON; thresholds apply only where this text is the same."""
        values = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name in _ALWAYS_IN_PROVENANCE or getattr(self, field.name) != field.default
        }
        return json.dumps(values, separators=(",", ":"), default=_settings_of)

    @property
    def cache_key(self) -> str:
        """32 hexadecimal digits that change with the settings, and with code that makes pixels.

        Code is the source of this package's decoding and the versions of its libraries, which may
        round differently.
        """
        digest = hashlib.blake2b(repr((self, decoder_versions())).encode(), digest_size=16)
        for source in (*_SOURCES, *(_SOURCES_OF_ALIGNMENT if self.alignment else ())):
            digest.update(source.read_bytes())
        return digest.hexdigest()


_BUILT: deque[tuple["Spec[Aligner]", Aligner]] = deque(maxlen=4)
"""Building an aligner may read a file; an experiment's is built once."""


def _built(spec: "Spec[Aligner]") -> Aligner:
    for known, aligner in _BUILT:
        if known is spec:
            return aligner
    aligner = spec.build()
    _BUILT.append((spec, aligner))
    return aligner


_ALIGNING = ("aligner", "template", "no_face", "several_faces", "min_confidence")
"""The settings of the section `image` that make an :class:`Alignment`."""


def _settings_of(alignment: Any) -> dict[str, Any]:
    settings: dict[str, Any] = alignment.settings
    return settings
