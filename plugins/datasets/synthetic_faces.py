"""Procedurally drawn faces: a data set that needs no download."""

import hashlib
import inspect
import os
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import PIL
from pydantic import Field

from facesim import (
    DataError,
    FaceTable,
    ProcessLock,
    cache_dir,
    datasets,
    make_folder,
    worker_pool,
)
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
    images = [(number, image) for number in numbers for image in range(images_per_identity)]
    _complete(folder, seed, size, images)
    of_rows = np.repeat(np.arange(identities), images_per_identity)
    looks = pd.DataFrame([face.attributes for face in faces])
    return FaceTable(
        root=folder,
        files=np.array([_file(*each) for each in images]),
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


_IMAGES_PER_TASK = 25
"""Drawn in a twentieth of a second, which is waited for where drawing is interrupted."""

_FEW_IMAGES = 200
"""Are drawn sooner than processes to draw them start."""


def _complete(folder: Path, seed: int, size: int, images: Sequence[tuple[int, int]]) -> None:
    """Draw the images whose files are missing; of two processes, one draws and the other waits."""
    if not _missing(folder, images):
        return
    make_folder(folder)
    with ProcessLock(folder.with_name(folder.name + ".lock")):
        missing = _missing(folder, images)
        draw = partial(_draw, folder, seed, size)
        if len(missing) < _FEW_IMAGES:
            draw(missing)
            return
        starts = range(0, len(missing), _IMAGES_PER_TASK)
        with worker_pool(16, "draws faces") as pool:
            for _ in pool.map(draw, (missing[at : at + _IMAGES_PER_TASK] for at in starts)):
                pass


def _draw(folder: Path, seed: int, size: int, images: Sequence[tuple[int, int]]) -> None:
    for number, image in images:
        drawn = render_face(_known_face(seed, number), view_of(seed, number, image), size)
        path = folder / _file(number, image)
        unfinished = path.with_suffix(".partial")
        # Uncompressed: the noise would hardly shrink, and reading takes half the time.
        drawn.save(unfinished, "PNG", compress_level=0)
        unfinished.replace(path)


def _missing(folder: Path, images: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those whose file does not exist, or is empty as a power cut leaves it."""
    try:
        with os.scandir(folder) as entries:
            present = {entry.name for entry in entries if entry.stat().st_size}
    except FileNotFoundError:
        present = set()
    return [each for each in images if _file(*each) not in present]


def _file(number: int, image: int) -> str:
    """The name of the file of an identity's image."""
    return f"{number:07d}_{image:05d}.png"
