"""Labeled Faces in the Wild, and data sets of the same layout."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from facesim import DataError, FaceTable, Int64Array, PairSet, Recognised, datasets
from facesim_plugins.datasets._whitespace_table import WhitespaceFile, whole_number
from facesim_plugins.datasets.folder import folder

_GENUINE_CELLS, _IMPOSTOR_CELLS = 3, 4
"""``name i j`` are two images of one person; ``name i name j`` are images of two people."""


def suggest(path: Path) -> Recognised | None:
    """Recognise Name/Name_0001.jpg with pairs.txt in the same folder or the one above."""
    if not path.is_dir():
        return None
    roots = (it for it in (path, *sorted(path.glob("lfw*"))) if it.is_dir())
    root = next((it for it in roots if any(_first_images(it))), None)
    lists = [] if root is None else [it / "pairs.txt" for it in (root, root.parent)]
    pairs = next((it for it in lists if it.is_file()), None)
    if pairs is None:
        return None
    note = (
        f"{pairs} is View 2, the ten folds of published accuracies. These people are in it, so it "
        "measures networks that were trained on others: `facesim eval RUN_DIR --name lfw --set "
        f"evaluate.protocol=k_fold --set 'data.test={{name: lfw, root: {root}, pairs: {pairs}}}'`."
    )
    node = {"name": "lfw", "root": root}
    return Recognised("Labeled Faces in the Wild", {"source": node}, certain=True, notes=(note,))


def _first_images(root: Path) -> Iterator[Path]:
    """The first image of each person who is among the first of a listing."""
    with os.scandir(root) as entries:
        people = [Path(entry.path) for entry in islice(entries, 100) if entry.is_dir()]
    for person in people:
        yield from person.glob(f"{glob.escape(person.name)}_0001.*")


@datasets("lfw", suggest=suggest)
def lfw(
    *,
    root: Annotated[Path, Field(description="folder of Name/Name_0001.jpg")],
    pairs: Annotated[
        Path | None,
        Field(description="pairs.txt, pairsDevTrain.txt or pairsDevTest.txt; null: no list"),
    ] = None,
) -> FaceTable:
    """Read LFW's folders and one of its lists of pairs.

    ``pairs.txt`` is View 2: its ten folds of 600 pairs are those of the ``k_fold`` protocol. The
    lists of View 1 have no folds. Images may also be in another format than JPEG, such as after
    alignment.

    Raises:
        DataError: the folder is another one, a line is malformed, or an image is missing.

    Reference:
        Huang, Ramesh, Berg, Learned-Miller: Labeled Faces in the Wild (2007).
    """
    table = folder(root=root)
    return table if pairs is None else replace(table, pairs=_read_pairs(pairs, table))


@dataclass(frozen=True)
class _Line:
    """One pair: its place, and the images as ``Name/Name_0001``."""

    number: int
    first: str
    second: str
    same: bool


def _read_pairs(path: Path, table: FaceTable) -> PairSet:
    (header_line, header), *rows = list(WhitespaceFile.read(path).lines()) or [(1, [])]
    folds, of_a_kind = _counts(path, header_line, header)
    if len(rows) != 2 * folds * of_a_kind:
        raise DataError(
            f"{path}:{header_line}: it announces {folds} x {of_a_kind} genuine and as many "
            f"impostor pairs, and {len(rows):,} lines stand below instead of "
            f"{2 * folds * of_a_kind:,}"
        )
    genuine = np.arange(len(rows)) // of_a_kind % 2 == 0
    lines = [
        _line(path, number, cells, same=same)
        for (number, cells), same in zip(rows, genuine.tolist(), strict=True)
    ]
    return PairSet(
        rows=_rows_of(path, lines, table),
        same=genuine,
        fold=np.arange(len(rows)) // (2 * of_a_kind) if len(header) > 1 else None,
    )


def _counts(path: Path, line: int, header: Sequence[str]) -> tuple[int, int]:
    """Folds, and pairs of a kind in each: ``10 300``, or ``1100`` where there are no folds."""
    counts = [whole_number(cell) or 0 for cell in header]
    if len(counts) in (1, 2) and all(counts):
        *folds, of_a_kind = counts
        return (folds[0] if folds else 1), of_a_kind
    raise DataError(
        f"{path}:{line}: the first line is {' '.join(header)!r}; LFW's lists begin with the number "
        "of folds and of genuine pairs in each, `10 300`, or with the latter alone"
    )


def _line(path: Path, number: int, cells: Sequence[str], *, same: bool) -> _Line:
    if len(cells) != (_GENUINE_CELLS if same else _IMPOSTOR_CELLS):
        expected = "a genuine pair `name i j`" if same else "an impostor pair `name i name j`"
        raise DataError(f"{path}:{number}: {' '.join(cells)!r} is not {expected}")
    first_name, first, *other_name, second = cells
    numbers = whole_number(first), whole_number(second)
    if None in numbers:
        raise DataError(f"{path}:{number}: {first!r} and {second!r} must be the numbers of images")
    second_name = other_name[0] if other_name else first_name
    return _Line(
        number,
        f"{first_name}/{first_name}_{numbers[0]:04d}",
        f"{second_name}/{second_name}_{numbers[1]:04d}",
        same,
    )


def _rows_of(path: Path, lines: Sequence[_Line], table: FaceTable) -> Int64Array:
    row_of = {file.rpartition(".")[0]: row for row, file in enumerate(table.files.tolist())}
    for line in lines:
        for image in (line.first, line.second):
            if image not in row_of:
                raise DataError(
                    f"{path}:{line.number}: {table.root / image} does not exist, with any "
                    "extension of an image; the list and the folder belong to different data, or "
                    "some images are missing"
                )
    return np.array([[row_of[line.first], row_of[line.second]] for line in lines], np.int64)
