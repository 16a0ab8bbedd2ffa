"""Galleries: folders that hold one template per enrolled identity.

``gallery.json`` lists segments; each is a file of templates (raw float32, memory-mapped) and one of
the identities' names, both never changed once they are written. A commit writes new segments, then
replaces ``gallery.json``, then removes the segments that it no longer lists, so that a reader and a
kill see the gallery before the commit or after it. Segments of similar sizes are merged: there are
about as many as the number of templates has binary digits.
"""

import hashlib
import mmap
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, StringConstraints

from facesim.arrays import Float32Array, FloatArray, Int64Array
from facesim.bounded import open_file
from facesim.errors import DataError
from facesim.json_files import JsonModel, parse_json
from facesim.verifier.foreign_files import read_description, reading

GALLERY_FILE = "gallery.json"

MOST_TEMPLATES = 2**24
"""A gallery that declares more is refused."""

TEMPLATES_BYTES = 2**36
"""All templates of a gallery, at most: 64 GiB, which are as many of dimension 1024."""

IDENTITIES_BYTES = 2**31
"""All files of identities, at most: they are held in memory."""

LONGEST_NAME = 255
"""In characters, of an identity: what file systems allow for a folder."""

_INDEX_BYTES = 2**20
_NAME_BYTES = 12 * LONGEST_NAME + 32
"""Of one identity in a segment's JSON, at most: characters may be escaped."""

_REMEDY = "take the gallery from a backup, or enroll anew into another folder"
_ATTEMPTS = 20
_UNIT_TOLERANCE = 1e-3
_BLOCK_BYTES = 2**24

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=1, le=MOST_TEMPLATES)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME)]


class EmbeddingKind(JsonModel):
    """What templates must share to be compared.

    Attributes:
        pack: the pack's name, for messages.
        sha256: digest of all that makes embeddings and scores: network, pixels, score.
        dimension: of an embedding.
        unit_length: whether templates have length 1, because scores depend on directions only.
    """

    pack: Annotated[str, StringConstraints(max_length=500)]
    sha256: Sha256
    dimension: Annotated[int, Field(ge=1, le=65536)]
    unit_length: bool


class Segment(JsonModel):
    """Two files that are never changed.

    Attributes:
        number: in the names of both.
        rows: templates in it, and identities.
        templates_sha256: of the templates' file.
        identities_sha256: of the identities' file.
    """

    number: Annotated[int, Field(ge=1, le=10**15)]
    rows: Count
    templates_sha256: Sha256
    identities_sha256: Sha256

    @property
    def templates_name(self) -> str:
        """Of the file of float32 templates, row by row, little-endian."""
        return f"templates-{self.number}.f32"

    @property
    def identities_name(self) -> str:
        """Of the file of :class:`Identities`."""
        return f"identities-{self.number}.json"


class GalleryFile(JsonModel):
    """The model of ``gallery.json``.

    Attributes:
        format: of the gallery.
        embeddings: what its templates are.
        segments: in which they are.
    """

    format: Literal[1] = 1
    embeddings: EmbeddingKind
    segments: Annotated[tuple[Segment, ...], Field(max_length=256)] = ()


class Identities(JsonModel):
    """The identities of a segment, row by row.

    Attributes:
        names: distinct in the whole gallery.
        images: from how many each template is the mean.
    """

    names: tuple[Name, ...]
    images: tuple[Count, ...]


@dataclass(frozen=True)
class SegmentRows:
    """The content of a segment.

    Attributes:
        segment: its entry in ``gallery.json``.
        templates: float32 [N, D], memory-mapped.
        lengths: float64 [N], Euclidean.
        identities: of the N rows.
    """

    segment: Segment
    templates: Float32Array
    lengths: FloatArray
    identities: Identities

    def __len__(self) -> int:
        return len(self.identities.names)


@dataclass(frozen=True)
class Gallery:
    """A gallery as it was when it was opened, whatever is enrolled since.

    Attributes:
        folder: of the gallery.
        embeddings: what its templates are.
        parts: its segments.
        names: of all identities, in the order of the rows.
        images: int64 [N], of how many images each template is the mean.
    """

    folder: Path
    embeddings: EmbeddingKind
    parts: tuple[SegmentRows, ...]
    names: tuple[str, ...] = field(init=False)
    images: Int64Array = field(init=False)

    def __post_init__(self) -> None:
        all_of_them = [part.identities for part in self.parts]
        names = tuple(name for part in all_of_them for name in part.names)
        images = np.array([count for part in all_of_them for count in part.images], dtype=np.int64)
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "images", images)

    def __len__(self) -> int:
        return len(self.names)

    def require(self, kind: EmbeddingKind) -> None:
        """Raise DataError unless the templates are of this kind."""
        if self.embeddings.sha256 == kind.sha256:
            return
        raise DataError(
            f"{self.folder}: its templates were made by another pack ({self.embeddings.pack!r}), "
            f"whose embeddings cannot be compared with those of {kind.pack!r}; use that pack, or "
            "enroll into a new gallery"
        )


def open_gallery(folder: str | Path) -> Gallery:
    """Open a gallery for reading; a writer may go on meanwhile.

    All of it is checked: sizes, digests, names, and that templates are finite.

    Raises:
        DataError: there is none, or it is not what facesim wrote.
    """
    folder = Path(folder)
    index = read_index(folder)
    for _ in range(_ATTEMPTS):
        try:
            return _read(folder, index)
        except (DataError, OSError):
            before, index = index, read_index(folder)
            if before == index:  # else a writer has replaced what was being read
                raise
    raise DataError(f"{folder}: it is rewritten all the time; try again later")


def read_index(folder: Path) -> GalleryFile:
    """The content of ``gallery.json``.

    Raises:
        DataError: there is none, or it is not what facesim wrote.
    """
    path = folder / GALLERY_FILE
    missing = f"there is no gallery; make one with `facesim enroll PACK {folder} FOLDER`"
    index = read_description(path, GalleryFile, _INDEX_BYTES, missing, _REMEDY)
    require_bounded(path, index)
    if len({segment.number for segment in index.segments}) < len(index.segments):
        raise DataError(f"{path}: it lists a segment twice; {_REMEDY}")
    return index


def require_bounded(path: Path, index: GalleryFile) -> None:
    """Raise DataError if a gallery lists more templates than one may hold."""
    rows = sum(segment.rows for segment in index.segments)
    if rows > MOST_TEMPLATES:
        raise DataError(f"{path}: it lists more than {MOST_TEMPLATES:,} templates, the most")
    if rows * index.embeddings.dimension * 4 > TEMPLATES_BYTES:
        raise DataError(f"{path}: its templates take more than {TEMPLATES_BYTES:,} bytes, the most")


def _read(folder: Path, index: GalleryFile) -> Gallery:
    names = [folder / segment.identities_name for segment in index.segments]
    if sum(map(_size, names)) > IDENTITIES_BYTES:
        raise DataError(
            f"{folder}: its files of identities have more than {IDENTITIES_BYTES:,} bytes, the most"
        )
    gallery = Gallery(
        folder,
        index.embeddings,
        tuple(read_segment(folder, segment, index.embeddings) for segment in index.segments),
    )
    if len(set(gallery.names)) < len(gallery):
        raise DataError(f"{folder}: an identity is in it twice; {_REMEDY}")
    return gallery


def _size(path: Path) -> int:
    with reading(path, _REMEDY):
        return path.lstat().st_size


def read_segment(folder: Path, segment: Segment, kind: EmbeddingKind) -> SegmentRows:
    """Map a segment's templates and read its identities.

    Raises:
        DataError: a file is missing, or is not what facesim wrote.
    """
    identities = _read_identities(folder / segment.identities_name, segment)
    path = folder / segment.templates_name
    size = segment.rows * kind.dimension * 4
    with reading(path, _REMEDY):
        mapped = _map(path, size)
    if mapped is None or hashlib.sha256(mapped).hexdigest() != segment.templates_sha256:
        raise DataError(f"{path}: is damaged, or was edited; {_REMEDY}")
    templates = np.frombuffer(mapped, "<f4").reshape(segment.rows, kind.dimension)
    return SegmentRows(segment, templates, _checked_lengths(path, templates, kind), identities)


def _read_identities(path: Path, segment: Segment) -> Identities:
    limit = min(segment.rows * _NAME_BYTES + 1024, IDENTITIES_BYTES)
    with reading(path, _REMEDY), open_file(path, limit, follow_links=False) as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != segment.identities_sha256:
            raise DataError(f"{path}: is damaged, or was edited; {_REMEDY}")
        file.seek(0)
        content = file.read(limit)
    identities = parse_json(path, content, Identities, remedy=_REMEDY)
    if not len(identities.names) == len(identities.images) == segment.rows:
        raise DataError(f"{path}: it does not have {segment.rows} identities; {_REMEDY}")
    return identities


def _map(path: Path, size: int) -> mmap.mmap | None:
    """The content of a file of this size, memory-mapped; None if it has another size."""
    with open_file(path, size, follow_links=False) as file:
        if os.fstat(file.fileno()).st_size != size:
            return None
        return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)


def _checked_lengths(path: Path, templates: Float32Array, kind: EmbeddingKind) -> FloatArray:
    """The lengths, float64 [N], of templates that are finite and as long as they must be."""
    lengths = np.empty(len(templates))
    step = max(1, _BLOCK_BYTES // (4 * kind.dimension))
    with np.errstate(over="ignore", invalid="ignore"):
        for begin in range(0, len(templates), step):
            block = templates[begin : begin + step]
            lengths[begin : begin + step] = np.sqrt(np.einsum("nd,nd->n", block, block))
    if not np.isfinite(lengths).all():
        raise DataError(f"{path}: a template is not finite; {_REMEDY}")
    if kind.unit_length and (np.abs(lengths - 1) > _UNIT_TOLERANCE).any():
        raise DataError(f"{path}: a template does not have length 1; {_REMEDY}")
    return lengths


def segment_files(folder: Path) -> list[Path]:
    """The files of segments in a folder, whether ``gallery.json`` lists them or not."""
    return [*folder.glob("templates-*.f32"), *folder.glob("identities-*.json")]


def remove_files(paths: list[Path]) -> None:
    """Remove files, where they are still there and may be removed."""
    for path in paths:
        with suppress(OSError):
            path.unlink()
