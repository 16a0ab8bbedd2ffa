"""One folder of images per identity."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from facesim import DataError, FaceTable, build_table, datasets

EXTENSIONS = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)


STARTER = """\
# <split>/<identity>/<image>
train: {name: folder, root: ROOT/train}
val: {name: folder, root: ROOT/val}
test: {name: folder, root: ROOT/test}"""


@datasets("folder", starter=STARTER)
def folder(
    *,
    root: Annotated[Path, Field(description="folder with one subfolder of images per identity")],
) -> FaceTable:
    """Each subfolder is an identity, the images in it and below are its faces.

    Files whose extension is not an image's are left out and counted, and so are folders without an
    image; hidden files and those beside the subfolders are ignored.

    Raises:
        DataError: no such folder, or no image in any subfolder.
    """
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder; it must hold one folder per identity")
    with os.scandir(root) as entries:
        people = sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    files = {label: sorted(_files(root / label)) for label in people}
    images = {label: [f for f in found if _is_image(f)] for label, found in files.items()}
    rows = [(f"{label}/{image}", label) for label, found in images.items() for image in found]
    if not rows:
        raise DataError(
            f"{root}: no image is in a subfolder of it; it must hold <identity>/<image>, the "
            f"image's extension one of {' '.join(sorted(EXTENSIONS))}"
        )
    paths, labels = np.array(rows, dtype=object).T
    return build_table(root, paths, labels, notes=tuple(_notes(files, images)))


def _files(folder: Path) -> Iterator[str]:
    """Every file that is not hidden, relative to the folder, with ``/`` between folders."""
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = Path(path).relative_to(folder)
        yield from ((inside / name).as_posix() for name in names if not name.startswith("."))


def _is_image(file: str) -> bool:
    return file[file.rfind(".") :].lower() in EXTENSIONS


def _notes(files: dict[str, list[str]], images: dict[str, list[str]]) -> Iterator[str]:
    others = [f"{label}/{f}" for label, found in files.items() for f in found if not _is_image(f)]
    if others:
        first = others[0]
        told = f"{len(others):,} file{'s' * (len(others) > 1)}"
        yield f"Left out because they are not images: {told} (the first: {first})."
    empty = [label for label, found in images.items() if not found]
    if empty:
        yield f"Folders without an image: {len(empty):,} (the first: {empty[0]})."
