"""CALFW and CPLFW, the cross-age and cross-pose variants of LFW."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from facesim import DataError, FaceTable, PairSet, build_table, datasets
from facesim_plugins.datasets._folds import contiguous_folds
from facesim_plugins.datasets._whitespace_table import WhitespaceFile, whole_number

_NAME = re.compile(r"(?P<person>.+)_\d+\.\w+")


@datasets("cross_lfw")
def cross_lfw(
    *,
    root: Annotated[Path, Field(description="folder of Name_0001.jpg, `aligned images`")],
    pairs: Annotated[Path, Field(description="pairs_CALFW.txt or pairs_CPLFW.txt")],
    folds: Annotated[
        int | None,
        Field(
            ge=2,
            le=10**6,
            description="number of folds, such as 10, into which genuine and impostor pairs are "
            "divided in their order",
        ),
    ] = None,
) -> FaceTable:
    """Read the images and pairs of CALFW or CPLFW.

    A pair is two lines ``file label``: 0 for two people, anything else (in CALFW the number of a
    fold) for one. The lists have no folds of impostor pairs; it is usual to take tenths of them in
    their order. The table holds the images that the list names.

    Raises:
        DataError: a line is malformed, or an image is missing.

    Reference:
        Zheng, Deng, Hu: Cross-Age LFW (2017). Zheng, Deng: Cross-Pose LFW (2018).
    """
    halves = [_half(pairs, number, cells) for number, cells in WhitespaceFile.read(pairs).lines()]
    if not halves or len(halves) % 2:
        raise DataError(f"{pairs}: {len(halves):,} lines; a pair is two lines `file label`")
    firsts, seconds = halves[::2], halves[1::2]
    for first, second in zip(firsts, seconds, strict=True):
        if first.label != second.label:
            raise DataError(
                f"{pairs}:{second.line}: the label is {second.label}, and that of the line before, "
                f"the other half of the pair, is {first.label}"
            )
    same = np.array([half.label != 0 for half in firsts])
    table, row_of = _table(root, pairs, halves)
    rows = [[row_of[a.file], row_of[b.file]] for a, b in zip(firsts, seconds, strict=True)]
    fold = None
    if folds is not None:
        fold = np.empty(len(same), np.int64)
        for kind in (same, ~same):
            fold[kind] = contiguous_folds(int(kind.sum()), folds)
    return replace(table, pairs=PairSet(np.array(rows, np.int64), same, fold))


@dataclass(frozen=True)
class _Half:
    """One line: an image of a pair."""

    line: int
    file: str
    person: str
    label: int


def _half(path: Path, line: int, cells: Sequence[str]) -> _Half:
    match = _NAME.fullmatch(cells[0])
    label = whole_number(cells[-1])
    if len(cells) != 2 or match is None or label is None:
        raise DataError(
            f"{path}:{line}: {' '.join(cells)!r} is not a line such as `Name_0001.jpg 1`"
        )
    return _Half(line, cells[0], match["person"], label)


def _table(root: Path, pairs: Path, halves: Sequence[_Half]) -> tuple[FaceTable, dict[str, int]]:
    """The images that the list names, and the row of each."""
    first_named = {half.file: half for half in reversed(halves)}
    named = list(dict.fromkeys(half.file for half in halves))
    table = build_table(
        root,
        np.array(named, dtype=object),
        np.array([first_named[file].person for file in named], dtype=object),
        place=lambda row: f"{pairs}:{first_named[named[row]].line}",
    )
    return table, {file: row for row, file in enumerate(named)}
