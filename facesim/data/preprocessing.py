"""Preprocessing: from an image file to the pixels that the network sees."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import PIL.Image

from facesim.arrays import UInt8Array
from facesim.data import decoding
from facesim.data.decoding import convert_image, decode_image, decoder_versions
from facesim.errors import DataError

if TYPE_CHECKING:
    from facesim.experiment.sections import Image

_SOURCES = (
    Path(__file__),
    Path(decoding.__file__),
)

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

    Raises:
        DataError: the size or the crop is empty, or the crop begins outside of the image.
    """

    size: tuple[int, int] = (218, 178)
    crop: tuple[int, int, int, int] | None = None

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise DataError(f"the size (height, width) is {self.size}; both must be at least 1")
        if self.crop is not None and (min(self.crop[:2]) < 0 or min(self.crop[2:]) < 1):
            raise DataError(
                f"the crop (left, top, width, height) is {self.crop}; left and top must be at "
                "least 0, width and height at least 1"
            )

    @classmethod
    def of(cls, image: "Image") -> "Preprocessing":
        """That of an experiment's section `image`, all of whose settings it must know."""
        return cls(**dict(image))

    def decode(self, path: Path) -> UInt8Array:
        """The pixels of an image file, RGB, uint8 [height, width, 3].

        Raises:
            DataError: the image cannot be used; the text names the file.
        """
        return decode_image(path, self.size, self.crop)

    def convert(self, image: PIL.Image.Image) -> UInt8Array:
        """The pixels of an image in memory, as :meth:`decode` returns those of a file.

        Raises:
            DataError: the image cannot be used.
        """
        return convert_image(image, self.size, self.crop)

    @property
    def provenance(self) -> str:
        """The settings as JSON; thresholds apply only where this text is the same."""
        defaults = {field.name: field.default for field in fields(self)}
        values = {
            name: value
            for name, value in asdict(self).items()
            if name in _ALWAYS_IN_PROVENANCE or value != defaults[name]
        }
        return json.dumps(values, separators=(",", ":"))

    @property
    def cache_key(self) -> str:
        """32 hexadecimal digits that change with the settings, and with code that makes pixels.

        Code is the source of this package's decoding and the versions of its libraries, which may
        round differently.
        """
        digest = hashlib.blake2b(repr((self, decoder_versions())).encode(), digest_size=16)
        for source in _SOURCES:
            digest.update(source.read_bytes())
        return digest.hexdigest()
