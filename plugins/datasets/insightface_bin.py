"""InsightFace's verification sets: ``lfw.bin``, ``cfp_fp.bin``, ``agedb_30.bin``, ..."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from facesim import DataError, FaceTable, Int64Array, PairSet, cache_dir, datasets, make_folder
from facesim_plugins.datasets._folds import contiguous_folds
from facesim_plugins.datasets._restricted_pickle import (
    MAX_BYTES,
    Uint8Array,
    read_restricted_pickle,
)

Encoded = bytes | bytearray

_EXTENSIONS = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png"}


@datasets("insightface_bin")
def insightface_bin(
    *,
    file: Annotated[Path, Field(description="the .bin file")],
    folds: Annotated[
        int | None,
        Field(
            ge=2,
            le=10**6,
            description="number of folds into which the pairs are divided in their order; "
            "InsightFace uses 10",
        ),
    ] = None,
) -> FaceTable:
    """Read pairs of aligned faces from one of InsightFace's ``.bin`` files.

    The file is a pickle of two lists: the encoded images and, for each two of them, whether they
    show one person. It is unpickled with restrictions, so that nothing in it can run. The images
    are extracted to the cache folder, each content once.

    The file has no identities. Images that genuine pairs connect become one identity, and so one
    person may count as several.

    Raises:
        DataError: the file cannot be read, or holds anything else.
    """
    images, same = _read(file)
    named = _named(file, images)
    contents = dict(zip(named, images, strict=True))
    folder = cache_dir() / "insightface-bin" / _digest(b"".join(map(str.encode, named)))
    _extract(contents, folder)
    files = list(contents)
    row_of = {name: row for row, name in enumerate(files)}
    rows = np.array([row_of[name] for name in named], np.int64).reshape(-1, 2)
    persons, identities = np.unique(_connected(len(files), rows[same]), return_inverse=True)
    note = (
        f"The file does not say who is on its images: {len(files):,} different ones are taken for "
        f"{len(persons):,} identities, joined by the genuine pairs. One person may count as "
        "several of them, and then intervals are too narrow."
    )
    return FaceTable(
        root=folder,
        files=np.array(files),
        identities=identities.astype(np.int64),
        # Named by content, so that two files have a label in common only if they share images.
        labels=np.array([files[person].partition(".")[0] for person in persons]),
        notes=(note,),
        pairs=PairSet(rows, same, None if folds is None else contiguous_folds(len(rows), folds)),
    )


def _read(path: Path) -> tuple[list[Encoded], npt.NDArray[np.bool_]]:
    found = read_restricted_pickle(path)
    if type(found) not in (tuple, list) or [type(part) for part in found] != [list, list]:
        raise DataError(f"{path}: it holds something else than a list of images and one of pairs")
    images: list[Encoded] = []
    for number, item in enumerate(found[0]):
        content = item.content if isinstance(item, Uint8Array) else item
        if not isinstance(content, bytes | bytearray):
            raise DataError(f"{path}: image {number} is not made of bytes")
        images.append(content)
    if sum(map(len, images)) > MAX_BYTES:
        raise DataError(f"{path}: its images take more than {MAX_BYTES:,} bytes, some repeated")
    same: Sequence[Any] = found[1]
    if not all(type(item) is bool for item in same):
        raise DataError(f"{path}: the second list holds something else than booleans")
    if not same or len(images) != 2 * len(same):
        raise DataError(
            f"{path}: {len(images):,} images for {len(same):,} pairs; there must be two of each"
        )
    return images, np.array(same)


def _named(path: Path, images: Sequence[Encoded]) -> list[str]:
    """The file name of each image, by its content."""
    names = []
    for number, image in enumerate(images):
        known = [_EXTENSIONS[magic] for magic in _EXTENSIONS if image.startswith(magic)]
        if not known:
            raise DataError(f"{path}: image {number} is neither JPEG nor PNG")
        names.append(_digest(image) + known[0])
    return names


def _digest(content: Encoded) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _extract(contents: Mapping[str, Encoded], folder: Path) -> None:
    """Write the files that do not exist yet, each of them atomically."""
    try:
        make_folder(folder)
        with os.scandir(folder) as entries:
            sizes = {entry.name: entry.stat().st_size for entry in entries}
        for name, content in contents.items():
            if sizes.get(name) != len(content):
                _write(folder / name, content)
    except OSError as error:
        raise DataError(f"{folder}: images cannot be written: {error.strerror}") from None


def _write(path: Path, content: Encoded) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(path)


def _connected(images: int, genuine: Int64Array) -> Int64Array:
    """Connected components of the genuine pairs: the lowest row of each image's component."""
    lowest = np.arange(images)
    while True:
        of_pairs = lowest[genuine].min(axis=1)
        lower = lowest.copy()
        np.minimum.at(lower, genuine.ravel(), of_pairs.repeat(2))
        lower = lower[lower]
        if np.array_equal(lower, lowest):
            return lowest
        lowest = lower
