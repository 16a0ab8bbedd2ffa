"""CelebA's official files: image, identity, partition and attributes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from facesim import DataError, FacesimError
from facesim_plugins.datasets._whitespace_table import WhitespaceFile, WhitespaceTable, whole_number

PARTITIONS = ("train", "val", "test")
"""The names of the official 0, 1 and 2."""


@dataclass(frozen=True)
class CelebA:
    """The official files, one row per line of the identity file.

    Attributes:
        root: the folder of the official files.
        images: the folder of the images; it need not exist.
        files: str [N], names in ``images``.
        labels: str [N], the official number of each identity.
        partition: int8 [N], 0 train, 1 val, 2 test, -1 unknown.
        attributes: N rows, -1 and 1 (NaN where unknown) as in the file; no column without it.
        notes: what does not fit together, counted, one sentence each.
        place: says where a row stands: ``identity_CelebA.txt:17``.
    """

    root: Path
    images: Path
    files: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    partition: npt.NDArray[np.int8]
    attributes: pd.DataFrame
    notes: tuple[str, ...]
    place: Callable[[int], str]


def read_celeba(root: Path) -> CelebA:
    """Read ``identity_CelebA.txt`` and, where they are, the partition and the attributes.

    The latter two may be the official text files or the ``.csv`` files of the Kaggle archive, and
    the images may lie in ``img_align_celeba/`` or once deeper, as that archive has them.

    Raises:
        DataError: the root is another folder, or a line is malformed.
    """
    identity = root / "identity_CelebA.txt"
    if not identity.is_file():
        near = [*root.glob("*/identity_CelebA.txt"), root.parent / "identity_CelebA.txt"]
        found = [str(path.parent) for path in near if path.is_file()]
        raise DataError(
            f"{root}: CelebA's official files are not there"
            + (f" (did you mean {found[0]!r}?)" if found else "")
            + "; expected in it are identity_CelebA.txt (lines `000001.jpg 2880`), "
            "list_eval_partition.txt (lines `000001.jpg 0`), list_attr_celeba.txt (optional) and "
            f"the images as img_align_celeba/000001.jpg. {how_to_get(root)}"
        )
    rows = _read_numbers(identity)
    files = rows.frame["file"].to_numpy(dtype=object)
    partition, partition_notes = _partition(root, files)
    attributes, attribute_notes = _attributes(root, files)
    folder = root / "img_align_celeba"
    nested = folder / "img_align_celeba"
    return CelebA(
        root=root,
        images=nested if nested.is_dir() else folder,
        files=files,
        labels=rows.frame["number"].to_numpy(dtype=object),
        partition=partition,
        attributes=attributes,
        notes=(*partition_notes, *attribute_notes),
        place=rows.place,
    )


def how_to_get(root: Path) -> str:
    """Where the images come from and where they go, for messages."""
    return (
        "CelebA's aligned images are the archive img_align_celeba.zip of its official page "
        '("Large-scale CelebFaces Attributes (CelebA) Dataset", Multimedia Laboratory, The Chinese '
        "University of Hong Kong; for non-commercial research), also on Kaggle as "
        f"jessicali9530/celeba-dataset; unpack it to {root / 'img_align_celeba'}, or let "
        f"`facesim data celeba {root} --download` fetch all"
    )


def download_celeba(root: Path) -> None:
    """Fetch CelebA's official files and images into ``root``, about 1.5 GB; existing files stay.

    Raises:
        FacesimError: the files cannot be fetched or are damaged.
    """
    import torchvision

    class CelebAInRoot(torchvision.datasets.CelebA):  # type: ignore[misc]
        base_folder = ""  # torchvision would put everything into a further folder `celeba`

    try:
        CelebAInRoot(str(root), download=True)
    except Exception as error:
        # It raises what gdown, requests, zipfile and the operating system raise.
        raise FacesimError(
            f"{root}: CelebA could not be downloaded: {type(error).__name__}: {error}. The "
            'download needs `pip install "facesim[celeba]"`, and Google Drive refuses for a day '
            f"when many ask for it. By hand: {how_to_get(root)}"
        ) from error


def _find(root: Path, stem: str) -> Path | None:
    found = (path for path in (root / f"{stem}.txt", root / f"{stem}.csv") if path.is_file())
    return next(found, None)


def _read_numbers(path: Path) -> WhitespaceTable:
    """Rows of a file's name and a number, with or without a header."""
    file = WhitespaceFile.read(path)
    line, cells = file.first()
    has_header = len(cells) == 2 and not cells[1].isdigit()
    rows = WhitespaceTable.parse(file, ("file", "number"), above=line if has_header else 0)
    _refuse_twice(rows)
    wrong = ~rows.frame["number"].str.fullmatch("[0-9]+").to_numpy(dtype=bool)
    _refuse(rows, wrong, "number", "a whole number")
    return rows


def _partition(root: Path, files: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int8], tuple[str, ...]]:
    path = _find(root, "list_eval_partition")
    if path is None:
        return np.full(len(files), -1, dtype=np.int8), ()
    rows = _read_numbers(path)
    wrong = ~rows.frame["number"].isin(["0", "1", "2"]).to_numpy()
    _refuse(rows, wrong, "number", "0 (train), 1 (val) or 2 (test)")
    numbers = rows.frame.set_index("file")["number"].astype(np.int8)
    partition = np.asarray(numbers.reindex(files, fill_value=-1), dtype=np.int8)
    notes = (
        _count(f"Rows of {path.name} without an identity, left out", ~numbers.index.isin(files)),
        _count(f"Images with an identity but no row in {path.name}", partition == -1),
    )
    return partition, tuple(note for note in notes if note)


def _attributes(root: Path, files: npt.NDArray[Any]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    path = _find(root, "list_attr_celeba")
    if path is None:
        return pd.DataFrame(), ()
    file = WhitespaceFile.read(path)
    line, cells = file.first()
    # The official file begins with the number of rows, that of Kaggle's archive with the header.
    announced = whole_number(cells[0]) if len(cells) == 1 else None
    if announced is not None:
        line, cells = file.first(after=line)
    # A header names the attributes alone, or the column of the file as well.
    names = cells[1:] if len(cells) == len(file.first(after=line)[1]) else cells
    rows = WhitespaceTable.parse(file, ("file", *names), above=line)
    _refuse_twice(rows)
    if announced not in (None, len(rows.frame)):
        raise DataError(f"{path}:1: it announces {announced:,} rows and has {len(rows.frame):,}")
    for name in names:
        _refuse(rows, ~rows.frame[name].isin(["-1", "1"]).to_numpy(), name, "-1 or 1")
    numbers = rows.frame.set_index("file").astype(np.int8)
    unknown = ~pd.Index(files).isin(numbers.index)
    note = _count(f"Images without a row in {path.name}, whose attributes are empty", unknown)
    attributes = numbers.reindex(files).reset_index(drop=True)
    return attributes, (note,) if note else ()


def _refuse_twice(rows: WhitespaceTable) -> None:
    twice = rows.frame["file"].duplicated().to_numpy()
    if twice.any():
        row = int(twice.argmax())
        file = rows.frame["file"].iloc[row]
        first = rows.place(int((rows.frame["file"] == file).to_numpy().argmax()))
        raise DataError(f"{rows.place(row)}: the image {file!r} is in {first} already")


def _refuse(rows: WhitespaceTable, wrong: npt.NDArray[np.bool_], column: str, wanted: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        cell = rows.frame[column].iloc[row]
        raise DataError(f"{rows.place(row)}: {cell!r} is not {wanted}")


def _count(what: str, rows: npt.NDArray[np.bool_]) -> str:
    return f"{what}: {np.count_nonzero(rows):,}." if rows.any() else ""
