"""Building a FaceTable from columns of files and labels."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path, PureWindowsPath
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from facesim.arrays import Int64Array
from facesim.console import printable
from facesim.errors import DataError, count, did_you_mean
from facesim.interfaces import FaceTable, PairSet

_NAMES_AT_A_TIME = 1 << 16  # their strings take more memory than the table's columns


def folders_of(files: Iterable[str]) -> set[str]:
    """The distinct folders of some paths, each with its trailing slash; ``""`` is the root."""
    return {file[: file.rfind("/") + 1] for file in files}


def on_disk(root: Path, folders: set[str], files: "pd.Index[str]") -> npt.NDArray[np.bool_]:
    """Which of the files exist; nothing outside ``folders`` is found.

    Args:
        root: what the paths are relative to.
        folders: of the files, as :func:`folders_of` returns them.
        files: str [N], distinct.

    Raises:
        DataError: no such root, or a folder that may not be listed.
    """
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder of images")
    present = np.zeros(len(files), dtype=bool)
    listing = (name for folder in folders for name in _names(root, folder))
    while names := list(islice(listing, _NAMES_AT_A_TIME)):
        rows = files.get_indexer(pd.Index(names, dtype=object))
        present[rows[rows >= 0]] = True
    return present


def _names(root: Path, folder: str) -> Iterator[str]:
    try:
        with os.scandir(root / folder) as entries:
            yield from (folder + entry.name for entry in entries if entry.is_file())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise DataError(f"{root / folder}: cannot be listed: {error.strerror}") from error


Missing = Literal["error", "drop"]
"""What to do with a row whose image does not exist."""


def build_table(
    root: Path,
    files: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    *,
    attributes: pd.DataFrame | None = None,
    missing: Missing = "error",
    place: Callable[[int], str] = "row {}".format,
    notes: tuple[str, ...] = (),
) -> FaceTable:
    """Build a table: check the files and encode the identities.

    Folders are listed once and the columns are hashed by pandas, so that ten million rows stay
    well under a minute.

    Args:
        root: the folder that holds the images.
        files: str [N], paths relative to ``root`` with ``/`` between folders.
        labels: str [N], the identity of each; the class indices follow their sorted order.
        attributes: N rows of further columns.
        missing: ``error``, or ``drop`` the rows whose image does not exist and note their number.
        place: where a row was read, for errors: ``train.csv:17``.
        notes: the caller's own notes, put first.

    Raises:
        DataError: an absolute path or one that leaves ``root``, a duplicate image, a missing image,
            no image at all, or a name that a text file cannot hold on one line.
    """
    require_plain_names(files, labels, place)
    folders = folders_of(files)
    _refuse_outside(folders, files, place)
    index = pd.Index(files, dtype=object)
    if not index.is_unique:
        raise _twice(index, place)
    present = on_disk(root, folders, index)
    if missing == "error":
        _refuse_missing(present, root, files, place)
    kept = np.flatnonzero(present)
    if not len(kept):
        raise DataError(f"{root} has none of the table's images, {len(files):,} in all")
    identities, names = pd.factorize(labels[kept], sort=True)
    columns = pd.DataFrame() if attributes is None else attributes.iloc[kept]
    return FaceTable(
        root=root,
        files=files[kept].astype(str),
        identities=identities.astype(np.int64),
        labels=np.asarray(names, dtype=str),
        attributes=columns.reset_index(drop=True),
        notes=(*notes, *_note_dropped(present, root, files, labels), *_note_single(identities)),
    )


_NOT_PLAIN = re.compile("[\0-\x1f\x7f\ud800-\udfff]")


def require_plain_names(
    files: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    place: Callable[[int], str] = "row {}".format,
) -> None:
    """Refuse names that the files of a run, which are text in lines, cannot hold.

    Args:
        files: str [N], paths of images.
        labels: str, of identities.
        place: where the file of a row was read, and the label if there are N of them.

    Raises:
        DataError: a name holds a control character, or bytes that are not UTF-8.
    """
    for what, names in (("path of the image", files), ("label of an identity", labels)):
        found = _NOT_PLAIN.search("/".join(names.tolist()))  # one search, for millions of names
        if found is None:
            continue
        row = next(row for row, name in enumerate(names.tolist()) if _NOT_PLAIN.search(name))
        fault = (
            "has bytes that are not UTF-8"
            if found[0] >= "\ud800"
            else f"holds the control character \\x{ord(found[0]):02x}"
        )
        where = f"{place(row)}: " if len(names) == len(files) else ""
        remedy = "rename the file" if names is files else "write it without"
        raise DataError(f"{where}the {what} {printable(names[row])!r} {fault}; {remedy}")


def drop_images(table: FaceTable, files: Sequence[str], place: Callable[[str], str]) -> FaceTable:
    """A table without some of its images, which a note counts.

    Identities without an image go, too, and so do those of the dataset's own pairs that compare
    one of the images.

    Args:
        table: of one split.
        files: the images' paths, as the table has them.
        place: where it is written that a file is dropped, for errors: ``leaks.csv:3``.

    Raises:
        DataError: a file is no image of the table.
    """
    row_of = {file: row for row, file in enumerate(table.files.tolist())}
    rows = np.array([row_of.get(file, -1) for file in files], dtype=np.int64)
    if (rows < 0).any():
        file = files[int((rows < 0).argmax())]
        raise DataError(
            f"{place(file)}: {file!r} is no image of this split, whose first one is "
            f"{str(table.files[0])!r}{did_you_mean(file, table.files.tolist())}"
        )
    kept = np.delete(np.arange(len(table)), rows)
    return keep_rows(
        table,
        kept,
        f"Excluded by data.exclude: {len(rows):,} of {len(table):,} images "
        f"(the first: {files[0]}).",
    )


def keep_rows(table: FaceTable, kept: Int64Array, note: str = "") -> FaceTable:
    """Some of the rows of a table, with a note that says why the others are gone, if it says so.

    Identities without an image go, too, and so do those of the dataset's own pairs that compare
    one of the images.

    Args:
        table: of one split.
        kept: int64 [K], ascending.
        note: one sentence, or nothing.
    """
    people, identities = np.unique(table.identities[kept], return_inverse=True)
    pairs = table.pairs
    notes = [note] if note else []
    if pairs is not None:
        now = np.full(len(table), -1, dtype=np.int64)
        now[kept] = np.arange(len(kept))
        there = (now[pairs.rows] >= 0).all(axis=1)
        fold = None if pairs.fold is None else pairs.fold[there]
        pairs = PairSet(now[pairs.rows[there]], pairs.same[there], fold)
        if not there.all():
            notes.append(f"With them go {np.count_nonzero(~there):,} of the dataset's own pairs.")
    attributes = table.attributes
    return replace(
        table,
        files=table.files[kept],
        identities=identities.astype(np.int64),
        labels=table.labels[people],
        attributes=attributes.iloc[kept].reset_index(drop=True) if attributes.size else attributes,
        notes=(*table.notes, *notes),
        pairs=pairs,
        placements=None if table.placements is None else table.placements[kept],
    )


def _refuse_outside(
    folders: set[str], files: npt.NDArray[Any], place: Callable[[int], str]
) -> None:
    for folder in sorted(folders):
        names = folder.split("/")[:-1]
        if not {"", ".", ".."}.isdisjoint(names) or PureWindowsPath(folder).drive:
            row = next(row for row, file in enumerate(files) if file.startswith(folder))
            raise DataError(
                f"{place(row)}: the path {files[row]!r} is not below the folder of the "
                "images; write it relative to that, without '..', '.' or '//'"
            )


def _twice(index: "pd.Index[str]", place: Callable[[int], str]) -> DataError:
    row = int(index.duplicated().argmax())
    first = int((index == index[row]).argmax())
    return DataError(
        f"{place(row)}: the image {index[row]!r} is in {place(first)} already; an image may be "
        "in one row only, or a pair could hold it twice"
    )


def _refuse_missing(
    present: npt.NDArray[np.bool_], root: Path, files: npt.NDArray[Any], place: Callable[[int], str]
) -> None:
    if not present.all():
        row = int(present.argmin())
        raise DataError(
            f"{place(row)}: {root / files[row]} does not exist; of {len(files):,} images "
            f"{np.count_nonzero(~present):,} are missing. Correct the folder or the table, or "
            "write `missing: drop` to go on without them"
        )


def _note_dropped(
    present: npt.NDArray[np.bool_],
    root: Path,
    files: npt.NDArray[Any],
    labels: npt.NDArray[Any],
) -> Iterator[str]:
    if not present.all():
        lost = len(pd.unique(labels)) - len(pd.unique(labels[present]))
        yield (
            f"Dropped because they are not in {root}: {np.count_nonzero(~present):,} of "
            f"{len(files):,} images (the first: {files[present.argmin()]}), and with them all "
            f"images of {count(lost, 'identity')}."
        )


def _note_single(identities: npt.NDArray[Any]) -> Iterator[str]:
    images = np.bincount(identities)
    if (images == 1).any():
        yield (
            "Identities with a single image, which occur in impostor pairs only: "
            f"{np.count_nonzero(images == 1):,} of {len(images):,}."
        )
