"""Texts of data as cells of CSV files that spreadsheets open: none of them is a formula.

Spreadsheets take a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return for
a formula, which may send data away. Such a text is written behind an apostrophe, as OWASP
recommends ("CSV Injection"), and read without it. Numbers stay as they are. So that every text
reads back as it was, one that begins with apostrophes and goes on like that gets a further one.
"""

import re
from typing import Any

import numpy as np
import numpy.typing as npt

_FORMULA = re.compile(r"'*(?![+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\Z)[=+\-@\t\r]")


def guarded(text: str) -> str:
    """A text as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """The text of a cell that :func:`guarded` made; a text that it leaves as it is stays so."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def guarded_all(texts: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """:func:`guarded` of each of N texts."""
    changed = {row: "'" + text for row, text in enumerate(texts.tolist()) if _FORMULA.match(text)}
    return _with(texts, changed)


def unguarded_all(cells: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """:func:`unguarded` of each cell, object, of any shape."""
    flat = cells.ravel()
    quoted = ((row, cell) for row, cell in enumerate(flat.tolist()) if cell[:1] == "'")
    changed = {row: cell[1:] for row, cell in quoted if _FORMULA.match(cell)}
    return _with(flat, changed).reshape(cells.shape)


def _with(texts: npt.NDArray[Any], changed: dict[int, str]) -> npt.NDArray[Any]:
    if not changed:
        return texts
    texts = texts.astype(object)
    for row, text in changed.items():
        texts[row] = text
    return texts
