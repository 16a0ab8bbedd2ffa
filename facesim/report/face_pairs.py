"""Scored pairs as two faces with what is known of them."""

import base64
import io
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image, ImageOps

from facesim.data.decoding import opened_image, read_image
from facesim.data.preprocessing import Preprocessing
from facesim.errors import DataError
from facesim.page import Face, FacePair
from facesim.report.formatting import number
from facesim.runs.scored_pairs import NamedPairs, ScoredImages

LONGEST_SIDE = 144
_QUALITY = 80


@dataclass(frozen=True, eq=False)
class FacePairPresenter:
    """Shows pairs of one evaluation.

    Attributes:
        pairs: the scored pairs.
        images: of the pairs; None where the page names their files only.
        preprocessing: of the evaluation; what the network saw of an image is shown, but smaller;
            not used without images.
    """

    pairs: NamedPairs
    images: ScoredImages | None
    preprocessing: Preprocessing
    _uris: dict[int, str | None] = field(default_factory=dict, repr=False)

    def show(self, position: int, *facts: str) -> FacePair:
        """One pair, its score, its probability and further facts."""
        score = f"score {number(float(self.pairs.scores[position]))}"
        if self.pairs.probabilities is not None:
            probability = float(self.pairs.probabilities[position])
            facts = (f"probability of one person: {probability:.1%}", *facts)
        first, second = (
            Face(str(self.pairs.files[position, side]), self._image(position, side))
            for side in (0, 1)
        )
        return FacePair((first, second), (score, *facts))

    def _image(self, position: int, side: int) -> str | None:
        """A JPEG as a data URI; None where it is left out or cannot be read."""
        if self.images is None:
            return None
        row = int(self.images.rows[position, side])
        if row not in self._uris:
            self._uris[row] = self._data_uri(row, self.images)
        return self._uris[row]

    def _data_uri(self, row: int, images: ScoredImages) -> str | None:
        height, width = self.preprocessing.size
        scale = min(1.0, LONGEST_SIDE / max(height, width))
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        try:
            smaller = replace(self.preprocessing, size=size)
            pixels = smaller.decode(images.table.path(row), images.table.placement(row))
        except DataError:
            return None
        return as_data_uri(Image.fromarray(pixels))


def whole_image(path: Path) -> Face:
    """An image file as it is, but smaller; only its name if it cannot be read."""
    try:
        with opened_image(read_image(path)) as image:
            image.draft("RGB", (2 * LONGEST_SIDE, 2 * LONGEST_SIDE))
            small = ImageOps.exif_transpose(image).convert("RGB")
    except DataError:
        return Face(path.name, None)
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return Face(path.name, as_data_uri(small))


def as_data_uri(image: Image.Image) -> str:
    """An image as a JPEG that stands in the page itself."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
