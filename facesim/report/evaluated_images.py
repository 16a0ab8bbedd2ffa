"""The images behind an evaluation's pairs: who is on them, and small pictures of them."""

import base64
import io
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from facesim.arrays import Int64Array
from facesim.data.decoding import decode_image
from facesim.data.framing import Framing
from facesim.errors import DataError, FacesimError
from facesim.evaluation.pair_identities import effective_pair_identities
from facesim.interfaces import FaceTable, PairSet
from facesim.page import Face
from facesim.runs.run_files import RunFiles
from facesim.runs.scored_pairs import NamedPairs, rows_of

LONGEST_SIDE = 144
_QUALITY = 80


@dataclass(frozen=True, eq=False)
class EvaluatedImages:
    """The table of an evaluation, and where its pairs stand in it.

    Attributes:
        table: the images.
        rows: int64 [P, 2], the rows of each scored pair.
        identities: int64 [P, 2], the identities of each scored pair, as the pairs have them.
        framing: the part of an image that the network saw.
        with_pictures: whether :meth:`face` shows them.
    """

    table: FaceTable
    rows: Int64Array
    identities: Int64Array
    framing: Framing
    with_pictures: bool
    _faces: dict[int, Face] = field(default_factory=dict, repr=False)

    def face(self, row: int) -> Face:
        """One image; without a picture if its file cannot be read."""
        if row not in self._faces:
            self._faces[row] = Face(str(self.table.files[row]), self._picture(row))
        return self._faces[row]

    def _picture(self, row: int) -> str | None:
        """A JPEG of what the network saw, as a data URI."""
        if not self.with_pictures:
            return None
        height, width = self.framing.size
        scale = min(1.0, LONGEST_SIDE / max(height, width))
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        try:
            pixels = decode_image(self.table.path(row), size, self.framing.crop)
        except DataError:
            return None
        file = io.BytesIO()
        image = Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
        image.save(file, "JPEG", quality=_QUALITY)
        return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def load_images(files: RunFiles, pairs: NamedPairs, *, with_pictures: bool) -> EvaluatedImages:
    """Read the table that an evaluation was made on.

    Raises:
        FacesimError: it cannot be read, or is not the one that was evaluated.
    """
    try:
        table = files.evaluated_dataset.build()
    except OSError as error:
        raise FacesimError(f"{error.filename}: {error.strerror}") from error
    image = files.evaluated.image
    rows = rows_of(pairs, table)
    identities = effective_pair_identities(PairSet(rows, pairs.same), table.identities)
    return EvaluatedImages(
        table,
        rows,
        np.stack(identities, axis=1),
        Framing(image.size, image.crop),
        with_pictures,
    )
