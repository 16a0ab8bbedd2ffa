"""One folder of images per identity."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from facesim import DataError, FaceTable, Recognised, build_table, datasets

EXTENSIONS = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)

STARTER = """\
# <split>/<identity>/<image>
train: {name: folder, root: ROOT/train}
val: {name: folder, root: ROOT/val}
test: {name: folder, root: ROOT/test}"""

SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
"""What a folder, or a file, of each split may be called, in capitals too."""


def suggest(path: Path) -> Recognised | None:
    """Recognise one folder per person, also below folders of train, val and test.

    Raises:
        DataError: there are images, and not in a folder of each person.
    """
    if not path.is_dir():
        return None
    of_splits = _of_splits(path)
    if "train" in of_splits:
        return _divided(of_splits)
    people = _people(path)
    if len(people) >= 2:
        return Recognised("one folder per person", {"source": {"name": "folder", "root": path}})
    if people and len(_people(path / people[0])) >= 2:
        raise DataError(f"{path}: its people are one folder deeper; name {path / people[0]}")
    if people or any(map(_is_image, _files(path))):
        raise DataError(_how_to_name_people(path))
    return None


def _of_splits(path: Path) -> dict[str, Path]:
    with os.scandir(path) as entries:
        folders = {entry.name.lower(): Path(entry.path) for entry in entries if entry.is_dir()}
    found = {
        split: [folders[name] for name in names if name in folders]
        for split, names in SPLITS.items()
    }
    return {split: paths[0] for split, paths in found.items() if paths}


def _divided(of_splits: dict[str, Path]) -> Recognised:
    for part in of_splits.values():
        if len(_people(part)) < 2:
            raise DataError(_how_to_name_people(part))
    nodes = {split: {"name": "folder", "root": root} for split, root in of_splits.items()}
    what = f"one folder per person in {', '.join(root.name for root in of_splits.values())}"
    if len(nodes) == len(SPLITS):
        return Recognised(what, nodes)
    missing = " and ".join(split for split in SPLITS if split not in nodes)
    note = f"No folder holds {missing}; people of {of_splits['train'].name} are taken."
    return Recognised(what, {"source": nodes.pop("train"), **nodes}, notes=(note,))


def _people(path: Path) -> list[str]:
    """The first two subfolders with an image."""
    with os.scandir(path) as entries:
        folders = sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    named = (name for name in folders if any(map(_is_image, _files(path / name))))
    return list(islice(named, 2))


def _how_to_name_people(path: Path) -> str:
    return (
        f"{path}: there are images, and nothing says who is on them; put those of each person into "
        f"a folder of its own, such as {path / 'ann' / '1.jpg'}, or write a CSV file with the "
        "header `img,ids` and a line per image, such as `1.jpg,ann`, and name that file"
    )


@datasets("folder", starter=STARTER, suggest=suggest)
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
        with os.scandir(root) as entries:
            flat = sum(entry.is_file() and _is_image(entry.name) for entry in entries)
        beside = (
            f"; {flat:,} images lie in it directly: move those of each person into a folder, or "
            "list them with their people in a table for the dataset csv"
        )
        raise DataError(
            f"{root}: no image is in a subfolder of it; it must hold <identity>/<image>, the "
            f"image's extension one of {' '.join(sorted(EXTENSIONS))}{beside if flat else ''}"
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
