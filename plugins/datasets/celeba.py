"""CelebA in its official layout."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from facesim import DataError, FaceTable, Recognised, build_table, datasets
from facesim_plugins.datasets._celeba_files import PARTITIONS, how_to_get, read_celeba

STARTER = """\
# The official partition; `facesim data celeba ROOT` says where to get the files.
train: {name: celeba, root: ROOT, split: train}
val: {name: celeba, root: ROOT, split: val}
test: {name: celeba, root: ROOT, split: test}"""


def suggest(path: Path) -> Recognised | None:
    """Recognise the folder of the official files.

    Raises:
        DataError: the images are there without the file of identities, or the file without them.
    """
    images = path / "img_align_celeba"
    if not (path / "identity_CelebA.txt").is_file():
        if images.is_dir() or any(path.glob("*/identity_CelebA.txt")):
            read_celeba(path)  # which says what is missing, and where it may be
        return None
    if not images.is_dir():
        raise DataError(f"{images}: there is no such folder. {how_to_get(path)}")
    data = read_celeba(path)
    with os.scandir(data.images) as entries:
        there = np.isin(data.files.astype(str), [entry.name for entry in entries])
    node: dict[str, Any] = {"name": "celeba", "root": path}
    if not there.all():
        node["missing"] = "drop"
    if {0, 1, 2} <= {*data.partition[there].tolist()}:
        what = "CelebA with its official partition"
        splits = {split: node | {"split": split} for split in PARTITIONS}
        return Recognised(what, splits, certain=True)
    note = "A split of the official partition has no image here, so people are divided anew."
    source = {"source": node | {"split": "all"}}
    return Recognised("CelebA", source, certain=True, notes=(note,))


@datasets("celeba", starter=STARTER, suggest=suggest)
def celeba(
    *,
    root: Annotated[Path, Field(description="folder of identity_CelebA.txt and img_align_celeba/")],
    split: Annotated[
        Literal["train", "val", "test", "all"], Field(description="official partition, or all")
    ],
    missing: Annotated[
        Literal["error", "drop"],
        Field(description="what to do about a row whose image does not exist"),
    ] = "error",
) -> FaceTable:
    """Read CelebA from its official files, with its 40 attributes if their file exists.

    Raises:
        DataError: the folder is another one, a line is malformed, or images are missing.

    Reference:
        Liu, Luo, Wang, Tang: Deep Learning Face Attributes in the Wild (2015).
    """
    data = read_celeba(root)
    if not data.images.is_dir():
        raise DataError(f"{data.images}: there is no such folder. {how_to_get(root)}")
    rows = np.arange(len(data.files))
    if split != "all":
        rows = np.flatnonzero(data.partition == PARTITIONS.index(split))
    if not len(rows):
        raise DataError(
            f"{root}: no image belongs to the partition {split!r}; list_eval_partition.txt must "
            "be beside identity_CelebA.txt with lines like `000001.jpg 0`"
        )
    return build_table(
        data.images,
        data.files[rows],
        data.labels[rows],
        attributes=data.attributes.iloc[rows] if len(data.attributes) else None,
        missing=missing,
        place=lambda row: data.place(int(rows[row])),
        notes=data.notes,
    )
