"""Finding the faces of a table's photographs, once per photograph and aligner."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facesim.alignment.aligner import Aligner, Face, Photograph
from facesim.alignment.alignment import MOST_FACES, rounded
from facesim.arrays import Float32Array, Int64Array
from facesim.console import warn_once
from facesim.data.decoding import decode_upright
from facesim.data.image_digests import DIGEST_BYTES, Digests, TableDigests
from facesim.data.preprocessing import Preprocessing
from facesim.errors import DataError
from facesim.interfaces import FaceTable
from facesim.model.cache_admin import StoreDescription, stores_root
from facesim.model.feature_store import FeatureStore, MissingFeaturesError, StoreUnwritableError
from facesim.model.trunk_key import TrunkRecipe
from facesim.plugin_source import source_digest
from facesim.registry import Spec
from facesim.reporters import Reporter
from facesim.version import installed_version
from facesim.worker_processes import worker_pool

_ROW_SHAPE = (1 + MOST_FACES, 16)
"""Of a record: number of faces, height, width; then box, landmarks and confidence of each."""

_CHANGED = "it, or a copy of it, has changed since it was listed"

_WORTH_PROCESSES = 64
_PHOTOGRAPHS_AT_A_TIME = 8


class FoundFaces(NamedTuple):
    """What an aligner found in a photograph.

    Attributes:
        faces: in no order; coordinates are rounded to float32.
        size: height and width of the upright photograph, in pixels.
    """

    faces: tuple[Face, ...]
    size: tuple[int, int]


class FaceFinder:
    """Finds faces, and keeps what was found beside the trunk cache.

    What is kept is found again by the photograph's content, and by the file's name where the
    aligner asks for it, in a store whose key changes with the aligner's parameters, code, models
    and packages, and with how photographs are decoded.

    Args:
        spec: the aligner with its parameters.
        aligner: built of it.
    """

    def __init__(self, spec: Spec[Aligner], aligner: Aligner) -> None:
        self._aligner = aligner
        plain = Preprocessing()
        parts = (
            json.dumps(spec.as_node(), sort_keys=True),
            aligner.fingerprint,
            source_digest(spec.plugin),
            *(f"{name} {installed_version(name)}" for name in spec.plugin.packages),
            _ROW_SHAPE,
            plain.cache_key,
        )
        key = hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()
        self.store = FeatureStore(stores_root() / key, _ROW_SHAPE, np.float32)
        self._description = StoreDescription.of(
            f"{spec.name}, faces", _ROW_SHAPE, TrunkRecipe(plain, dtype="float32")
        )

    def find(
        self,
        images: TableDigests,
        name: str,
        reporter: Reporter,
        failures: dict[int, DataError] | None = None,
    ) -> list[FoundFaces]:
        """The faces of all photographs of a table.

        It may be interrupted at any moment; what was found is kept, but for the last photographs.

        Args:
            images: the photographs.
            name: of the table, for the progress.
            reporter: shows the progress.
            failures: where given, photographs that cannot be used are added to it by their row, and
                have no face; they are tried again each time.

        Raises:
            DataError: a photograph cannot be read or decoded, or the aligner cannot judge it, and
                there are no ``failures``.
        """
        keys = self._keys(images)
        self._description.mark_used(self.store.folder)
        missing = self.store.missing(keys)
        computed: dict[bytes, Float32Array] = {}
        unusable: dict[bytes, int] = {}
        reasons: dict[int, DataError] = {}
        if len(missing):
            title = f"finding the faces of {name}"
            with reporter.task(title, len(keys), len(keys) - len(missing)) as advance:
                for records, broken in self._search(images, keys, missing):
                    if broken and failures is None:
                        raise next(iter(broken.values()))
                    computed.update(records)
                    unusable.update({keys[row].tobytes(): row for row in broken})
                    reasons.update(broken)
                    advance(len(records) + len(broken))
        computed.update(dict.fromkeys(unusable, np.zeros(_ROW_SHAPE, np.float32)))
        if failures is not None and unusable:
            for row, key in enumerate(keys):  # copies of a photograph are searched once
                first = unusable.get(key.tobytes())
                if first is not None:
                    said = str(reasons[first]).removeprefix(f"{images.table.path(first)}: ")
                    failures[row] = DataError(f"{images.table.path(row)}: {said}")
        return [_decoded(row) for row in self._read(keys, images.table, computed)]

    def _keys(self, images: TableDigests) -> Digests:
        if self._aligner.content_only:
            return images.get()
        names = (os.fsencode(str(file)) for file in images.table.files)
        parts = zip(images.get(), names, strict=True)
        keys = (
            hashlib.blake2b(content.tobytes() + name, digest_size=DIGEST_BYTES).digest()
            for content, name in parts
        )
        return np.frombuffer(b"".join(keys), np.uint8).reshape(-1, DIGEST_BYTES)

    def _search(
        self, images: TableDigests, keys: Digests, missing: Int64Array
    ) -> Iterator[tuple[dict[bytes, Float32Array], dict[int, DataError]]]:
        """Records by key, as they are found, and errors by row; full chunks are written at once."""
        waiting: dict[bytes, Float32Array] = {}
        rows: list[int] = missing.tolist()
        parts = [
            rows[start : start + _PHOTOGRAPHS_AT_A_TIME]
            for start in range(0, len(rows), _PHOTOGRAPHS_AT_A_TIME)
        ]
        paths = ([images.table.path(row) for row in part] for part in parts)
        try:
            with self._mapped(paths, len(rows)) as found:
                for part, records in zip(parts, found, strict=True):
                    fresh: dict[bytes, Float32Array] = {}
                    broken: dict[int, DataError] = {}
                    for row, each in zip(part, records, strict=True):
                        try:
                            images.require_unchanged(row, _CHANGED)
                        except DataError as error:
                            broken[row] = error
                            continue
                        if isinstance(each, DataError):
                            broken[row] = each
                        else:
                            fresh[keys[row].tobytes()] = each
                    waiting.update(fresh)
                    if len(waiting) >= min(256, self.store.rows_per_chunk):
                        self._write(waiting)
                    yield fresh, broken
        finally:
            self._write(waiting)

    @contextmanager
    def _mapped(
        self, paths: Iterator[list[Path]], photographs: int
    ) -> Iterator[Iterator[list[Float32Array | DataError]]]:
        """What is found in parts of the photographs, in processes where there are many."""
        if photographs < _WORTH_PROCESSES:
            yield map(partial(_records_of, self._aligner), paths)
            return
        # An aligner may be large: it is sent to a process once, not with every part.
        with worker_pool(16, "finds faces", _keep, self._aligner) as pool:
            yield pool.map(_records, paths)

    def _write(self, waiting: dict[bytes, Float32Array]) -> None:
        if not waiting:
            return
        keys = np.frombuffer(b"".join(waiting), np.uint8).reshape(-1, DIGEST_BYTES)
        try:
            self.store.append(keys, np.stack(list(waiting.values())))
        except StoreUnwritableError as error:
            warn_once(f"{error}. Until then faces are found anew by each command")
        waiting.clear()

    def _read(
        self, keys: Digests, table: FaceTable, computed: dict[bytes, Float32Array]
    ) -> Float32Array:
        records = np.empty((len(keys), *_ROW_SHAPE), np.float32)
        try:
            self.store.read(self.store.locate(keys), records)
        except MissingFeaturesError as error:  # not written, or damaged and dropped
            for row in error.indices.tolist():
                known = computed.get(keys[row].tobytes())
                if known is None:
                    known = _record(self._aligner, table.path(row))
                records[row] = known
        return records


_OF_WORKER: list[Aligner] = []


def _keep(aligner: Aligner) -> None:
    _OF_WORKER[:] = [aligner]


def _records(paths: list[Path]) -> list[Float32Array | DataError]:
    return _records_of(_OF_WORKER[0], paths)


def _records_of(aligner: Aligner, paths: list[Path]) -> list[Float32Array | DataError]:
    """What was found in each photograph, or why it cannot be used."""
    records: list[Float32Array | DataError] = []
    for path in paths:
        try:
            records.append(_record(aligner, path))
        except DataError as error:
            records.append(error)
    return records


def _record(aligner: Aligner, path: Path) -> Float32Array:
    pixels = np.asarray(decode_upright(path))
    try:
        found = aligner.find(Photograph(pixels, path))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    record = np.zeros(_ROW_SHAPE, np.float32)
    faces = rounded(found)
    record[0, :3] = len(faces), *pixels.shape[:2]
    for row, face in zip(record[1:], faces, strict=False):
        row[:15] = *face.box, *face.landmarks.flatten(), face.confidence
    return record


def _decoded(record: Float32Array) -> FoundFaces:
    count, height, width = record[0, :3].astype(int).tolist()
    faces = []
    for row in record[1 : 1 + count].astype(np.float64):
        left, top, right, bottom = row[:4].tolist()
        faces.append(Face((left, top, right, bottom), row[4:14].reshape(5, 2), float(row[14])))
    return FoundFaces(tuple(faces), (height, width))
