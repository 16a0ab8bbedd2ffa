"""Content of a table: the same on every machine, wherever its images lie."""

import hashlib
from typing import Any

import numpy as np

from facesim.data.image_digests import TableDigests
from facesim.interfaces import FaceTable
from facesim.json_files import JsonModel


class TableContent(JsonModel):
    """What a table lists and what its image files hold, by digests.

    Attributes:
        images: how many.
        rows: SHA-256 of files' names, identities, attributes and pairs.
        files: SHA-256 of the digests of the image files, in order; where faces are aligned, with
            the places of their crops.
    """

    images: int
    rows: str
    files: str

    @classmethod
    def of(cls, images: TableDigests) -> "TableContent":
        """The content of a table.

        Raises:
            DataError: an image cannot be read.
        """
        return cls(
            images=len(images.table),
            rows=rows_digest(images.table),
            files=hashlib.sha256(images.keys().tobytes()).hexdigest(),
        )


def rows_digest(table: FaceTable) -> str:
    """SHA-256 of all that a table says of its images, but not of the folder that they are in."""
    digest = hashlib.sha256()

    def add(title: str, values: Any) -> None:
        values = np.asarray(values)
        digest.update(f"\0{title} {len(values)} ".encode())
        # In one form on every machine and for every version of pandas.
        if values.dtype.kind in "biu":
            digest.update(values.astype("<i8").tobytes())
        elif values.dtype.kind == "f":
            digest.update(values.astype("<f8").tobytes())
        else:
            text = "\0".join(map(str, values.tolist()))
            digest.update(text.encode("utf-8", "surrogateescape"))

    add("files", table.files)
    add("identities", table.identities)
    add("labels", table.labels)
    for name, column in table.attributes.items():
        add(f"attribute {name}", column.to_numpy())
    if table.pairs is not None:
        add("pairs", table.pairs.rows.reshape(-1))
        add("same", table.pairs.same)
        if table.pairs.fold is not None:
            add("fold", table.pairs.fold)
    return digest.hexdigest()
