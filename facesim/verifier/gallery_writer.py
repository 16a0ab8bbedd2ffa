"""Writing galleries: one process at a time, each commit whole or not at all."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from pydantic_core import to_json

from facesim.arrays import Float32Array, Int64Array
from facesim.atomic import remove_leftovers, replacing
from facesim.errors import DataError, did_you_mean
from facesim.folders import make_folder
from facesim.json_files import write_json
from facesim.locks import ProcessLock
from facesim.verifier.gallery import (
    GALLERY_FILE,
    LONGEST_NAME,
    EmbeddingKind,
    Gallery,
    GalleryFile,
    Identities,
    Segment,
    SegmentRows,
    open_gallery,
    read_segment,
    remove_files,
    require_bounded,
    segment_files,
)

_LOCK = ".lock"
_BLOCK_ROWS = 65536
_MOST_SEGMENTS = 64


@dataclass(frozen=True)
class Template:
    """What is enrolled of one identity.

    Attributes:
        name: of the identity.
        vector: float32 [D].
        images: of which it is the mean.
    """

    name: str
    vector: Float32Array
    images: int = 1


@dataclass(frozen=True)
class _Rows:
    """Rows of a segment that is to be: of other segments, or new."""

    templates: tuple[tuple[Float32Array, Int64Array], ...]  # arrays, and which rows of them
    identities: Identities

    def __len__(self) -> int:
        return len(self.identities.names)

    def __add__(self, other: "_Rows") -> "_Rows":
        mine, others = self.identities, other.identities
        merged = Identities(names=mine.names + others.names, images=mine.images + others.images)
        return _Rows(self.templates + other.templates, merged)

    def blocks(self) -> Iterator[Float32Array]:
        for array, rows in self.templates:
            for begin in range(0, len(rows), _BLOCK_ROWS):
                yield array[rows[begin : begin + _BLOCK_ROWS]]


class GalleryWriter:
    """Enrolls into a gallery and removes from it; a context manager that holds the gallery's lock.

    Args:
        folder: of the gallery; made where there is none.
        kind: of the templates that will be put; None if none will, and the gallery exists.

    Raises:
        DataError: another process writes there, the gallery is of another pack or damaged, or the
            folder holds something else.
    """

    def __init__(self, folder: Path, kind: EmbeddingKind | None = None) -> None:
        self._folder = folder
        self._kind = kind
        self._lock = ProcessLock(folder / _LOCK)

    def __enter__(self) -> Self:
        if self._kind is not None and not (self._folder / GALLERY_FILE).is_symlink():
            make_folder(self._folder)
        self._acquire()
        try:
            self._gallery = self._opened()
            listed = {path for part in self._gallery.parts for path in self._files(part.segment)}
            remove_leftovers(self._folder)  # of a writer that was killed
            remove_files([path for path in segment_files(self._folder) if path not in listed])
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()

    @property
    def gallery(self) -> Gallery:
        """As of the last commit."""
        return self._gallery

    def put(self, templates: Sequence[Template]) -> None:
        """Enroll, all or none; an identity that is enrolled already is replaced.

        Raises:
            DataError: a name that a gallery cannot hold, a template of another shape or length.
        """
        for template in templates:
            self._check(template)
        by_name = {template.name: template for template in templates}  # the last of a name counts
        self._commit(set(by_name), list(by_name.values()))

    def remove(self, names: Collection[str]) -> None:
        """Remove identities, all or none.

        Raises:
            DataError: one is not enrolled.
        """
        enrolled = set(self._gallery.names)
        for name in names:
            if name not in enrolled:
                close = did_you_mean(name, self._gallery.names)
                raise DataError(f"{self._folder}: there is no identity {name!r}{close}")
        self._commit(set(names), [])

    def _acquire(self) -> None:
        path = self._folder / _LOCK
        try:
            if not self._lock.acquire(wait=False):
                raise DataError(
                    f"{self._folder}: another process writes this gallery; try again when it ends"
                )
        except FileNotFoundError:
            raise DataError(f"{self._folder}: there is no such gallery") from None
        except OSError as error:
            raise DataError(f"{path}: cannot be used: {error.strerror}") from error

    def _opened(self) -> Gallery:
        if self._kind is not None and not (self._folder / GALLERY_FILE).exists():
            ours = (_LOCK, f".{GALLERY_FILE}.")
            if any(not path.name.startswith(ours) for path in self._folder.iterdir()):
                raise DataError(
                    f"{self._folder}: the folder holds something else and no {GALLERY_FILE}; name "
                    "a gallery, or a folder that does not exist yet"
                )
            write_json(self._folder / GALLERY_FILE, GalleryFile(embeddings=self._kind))
        gallery = open_gallery(self._folder)
        if self._kind is not None:
            gallery.require(self._kind)
        return gallery

    def _check(self, template: Template) -> None:
        kind = self._gallery.embeddings
        name = template.name
        if not 0 < len(name) <= LONGEST_NAME:
            raise DataError(f"the name of an identity has 1 to {LONGEST_NAME} characters: {name!r}")
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DataError(f"the name {name!r} is not UTF-8") from None
        if template.vector.shape != (kind.dimension,) or template.vector.dtype != np.float32:
            raise DataError(f"{name}: its template is not float32 [{kind.dimension}]")
        length = float(np.linalg.norm(template.vector.astype(np.float64)))
        if not np.isfinite(length) or (kind.unit_length and abs(length - 1) > 1e-4):
            raise DataError(f"{name}: its template has length {length:g}")

    def _commit(self, dropped: set[str], added: Sequence[Template]) -> None:
        if not dropped and not added:
            return
        parts: list[SegmentRows | _Rows] = [
            part if dropped.isdisjoint(part.identities.names) else _without(part, dropped)
            for part in self._gallery.parts
        ]
        if added:
            vectors = np.stack([template.vector for template in added])
            names = tuple(template.name for template in added)
            images = tuple(template.images for template in added)
            rows = np.arange(len(added))
            parts.append(_Rows(((vectors, rows),), Identities(names=names, images=images)))
        parts = [part for part in parts if len(part)]
        while len(parts) > 1 and (
            len(parts[-2]) < 2 * len(parts[-1]) or len(parts) > _MOST_SEGMENTS
        ):
            last = parts.pop()
            parts[-1] = _rows(parts[-1]) + _rows(last)
        self._replace(parts)

    def _replace(self, parts: Sequence[SegmentRows | _Rows]) -> None:
        before = self._gallery
        number = 1 + max((part.segment.number for part in before.parts), default=0)
        kept = []
        for part in parts:
            if isinstance(part, _Rows):
                segment = self._write(part, number)
                part = read_segment(self._folder, segment, before.embeddings)  # noqa: PLW2901
                number += 1
            kept.append(part)
        index = GalleryFile(
            embeddings=before.embeddings, segments=tuple(part.segment for part in kept)
        )
        require_bounded(self._folder / GALLERY_FILE, index)
        write_json(self._folder / GALLERY_FILE, index)
        self._gallery = Gallery(self._folder, before.embeddings, tuple(kept))
        gone = [part.segment for part in before.parts if part.segment not in index.segments]
        remove_files([path for segment in gone for path in self._files(segment)])

    def _write(self, rows: _Rows, number: int) -> Segment:
        unwritten = "0" * 64
        segment = Segment(
            number=number,
            rows=len(rows),
            templates_sha256=unwritten,
            identities_sha256=unwritten,
        )
        digest = hashlib.sha256()
        with replacing(self._folder / segment.templates_name) as file:
            for block in rows.blocks():
                content = block.astype("<f4", copy=False).tobytes()
                digest.update(content)
                file.write(content)
        names = to_json(rows.identities)
        with replacing(self._folder / segment.identities_name) as file:
            file.write(names)
        return segment.model_copy(
            update={
                "templates_sha256": digest.hexdigest(),
                "identities_sha256": hashlib.sha256(names).hexdigest(),
            }
        )

    def _files(self, segment: Segment) -> tuple[Path, Path]:
        return self._folder / segment.templates_name, self._folder / segment.identities_name


def _rows(part: SegmentRows | _Rows) -> _Rows:
    return part if isinstance(part, _Rows) else _without(part, frozenset())


def _without(part: SegmentRows, dropped: Collection[str]) -> _Rows:
    identities = part.identities
    kept = [row for row, name in enumerate(identities.names) if name not in dropped]
    remaining = Identities(
        names=tuple(identities.names[row] for row in kept),
        images=tuple(identities.images[row] for row in kept),
    )
    return _Rows(((part.templates, np.array(kept, dtype=np.int64)),), remaining)
