"""CelebA in its official layout."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from facesim import DataError, FaceTable, build_table, datasets
from facesim_plugins.datasets._celeba_files import PARTITIONS, how_to_get, read_celeba

STARTER = """\
# The official partition; `facesim data celeba ROOT` says where to get the files.
train: {name: celeba, root: ROOT, split: train}
val: {name: celeba, root: ROOT, split: val}
test: {name: celeba, root: ROOT, split: test}"""


@datasets("celeba", starter=STARTER)
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
