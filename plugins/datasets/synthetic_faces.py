"""Procedurally drawn faces: a data set that needs no download."""

import hashlib
import inspect
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import PIL
from PIL import Image
from pydantic import Field

from facesim import DataError, FaceTable, ProcessLock, cache_dir, datasets, make_folder
from facesim_plugins.datasets import _face, _face_parts, _face_rendering
from facesim_plugins.datasets._face import Face, face_of, view_of
from facesim_plugins.datasets._face_rendering import render_face

STARTER = """\
# Drawn by the computer; the ranges of identities do not meet.
train: {name: synthetic_faces, identities: 400, images_per_identity: 6}
val: {name: synthetic_faces, identities: 100, images_per_identity: 4, first_identity: 10000}
test: {name: synthetic_faces, identities: 100, images_per_identity: 4, first_identity: 20000}"""


MAX_IMAGES = 10**7


@datasets("synthetic_faces", aliases=("synthetic",), starter=STARTER)
def synthetic_faces(
    *,
    identities: Annotated[int, Field(description="number of identities", gt=0, le=10**6)] = 200,
    images_per_identity: Annotated[
        int, Field(description="images per identity", gt=0, le=10**4)
    ] = 10,
    first_identity: Annotated[
        int, Field(description="number of the first; splits need disjoint ranges", ge=0, le=2**31)
    ] = 0,
    seed: Annotated[int, Field(description="another seed draws other people", ge=0)] = 0,
    size: Annotated[int, Field(description="width and height in pixels", ge=16, le=1024)] = 64,
    root: Annotated[
        Path | None,
        Field(description="folder of the drawn images; null: in facesim's cache"),
    ] = None,
) -> FaceTable:
    """Draw faces: an identity is a set of face parameters, an image one view of it.

    A face depends on ``(seed, identity)`` alone and an image on ``(seed, identity, image)``, so a
    larger data set contains the smaller one. Images are drawn once, as PNG files, and reused;
    the attributes describe an identity's looks (skin, hair, glasses, ...).

    Returns:
        A table whose labels are the identities' numbers, and whose ``root`` is a subfolder for
        this seed, size and version of the drawing.

    Raises:
        DataError: more than ten million images are asked for.
        OSError: the images cannot be written.
    """
    if identities * images_per_identity > MAX_IMAGES:
        raise DataError(
            f"identities and images_per_identity ask for {identities * images_per_identity:,} "
            f"images; at most {MAX_IMAGES:,} are drawn"
        )
    folder = (root or cache_dir() / "synthetic_faces") / _version(seed, size)
    numbers = range(first_identity, first_identity + identities)
    faces = [_known_face(seed, number) for number in numbers]
    images = range(images_per_identity)
    files = [f"{number:07d}_{image:05d}.png" for number in numbers for image in images]

    def draw(row: int) -> Image.Image:
        person, image = divmod(row, images_per_identity)
        return render_face(faces[person], view_of(seed, numbers[person], image), size)

    _complete(folder, files, draw)
    of_rows = np.repeat(np.arange(identities), images_per_identity)
    looks = pd.DataFrame([face.attributes for face in faces])
    return FaceTable(
        root=folder,
        files=np.array(files),
        identities=of_rows,
        labels=np.array([str(number) for number in numbers]),
        attributes=looks.iloc[of_rows].reset_index(drop=True),
    )


@lru_cache(maxsize=1 << 16)
def _known_face(seed: int, identity: int) -> Face:
    """A search builds the same tables for each of its trials."""
    return face_of(seed, identity)


def _version(seed: int, size: int) -> str:
    """A folder name that changes with everything that the pixels depend on."""
    digest = hashlib.sha256(f"numpy {np.__version__}, Pillow {PIL.__version__}".encode())
    for module in (_face, _face_parts, _face_rendering):
        digest.update(inspect.getsource(module).encode())
    return f"seed{seed}-size{size}-{digest.hexdigest()[:12]}"


def _complete(folder: Path, files: Sequence[str], draw: Callable[[int], Image.Image]) -> None:
    """Draw the files that are missing; of two processes, one draws and the other waits."""
    if not _missing(folder, files):
        return
    make_folder(folder)
    with ProcessLock(folder.with_name(folder.name + ".lock")):
        for row in _missing(folder, files):
            path = folder / files[row]
            partial = path.with_suffix(".partial")
            # Uncompressed: the noise would hardly shrink, and reading takes half the time.
            draw(row).save(partial, "PNG", compress_level=0)
            partial.replace(path)


def _missing(folder: Path, files: Sequence[str]) -> list[int]:
    """The rows whose file does not exist, or is empty as a power cut leaves it."""
    try:
        with os.scandir(folder) as entries:
            present = {entry.name for entry in entries if entry.stat().st_size}
    except FileNotFoundError:
        present = set()
    return [row for row, file in enumerate(files) if file not in present]
