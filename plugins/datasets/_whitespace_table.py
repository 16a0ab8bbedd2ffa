"""Text files whose cells are separated by spaces, tabs or commas."""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from pathlib import Path

import pandas as pd
from pandas.errors import EmptyDataError, ParserError, ParserWarning

from facesim import DataError, read_text

MOST_COLUMNS = 2000
"""A file with more is refused."""


def whole_number(cell: str) -> int | None:
    """The number of a cell of up to 18 digits; None for anything else, such as ``²``."""
    return int(cell) if re.fullmatch("[0-9]{1,18}", cell) else None


@dataclass(frozen=True)
class WhitespaceFile:
    """Such a file: UTF-8, any line ends, no quotes, blank lines ignored.

    Attributes:
        path: where it is.
        text: all of it, commas replaced by spaces.
    """

    path: Path
    text: str

    @classmethod
    def read(cls, path: Path) -> "WhitespaceFile":
        """Read the whole file; raises DataError where that fails."""
        return cls(path, read_text(path).replace(",", " "))

    def lines(self, after: int = 0) -> Iterator[tuple[int, list[str]]]:
        """The number and the cells of each line that is not blank, below line ``after``."""
        for number, line in enumerate(StringIO(self.text), start=1):
            cells = line.split()
            if number > after and cells:
                yield number, cells

    def first(self, after: int = 0) -> tuple[int, list[str]]:
        """The first of these lines; without cells if there is none."""
        return next(self.lines(after), (after + 1, []))


@dataclass(frozen=True)
class WhitespaceTable:
    """The rows of such a file, below its header.

    Attributes:
        file: the file.
        above: number of lines above the rows.
        frame: the cells as text, one column per name; none is empty.
    """

    file: WhitespaceFile
    above: int
    frame: pd.DataFrame

    @classmethod
    def parse(
        cls, file: WhitespaceFile, columns: Sequence[str], *, above: int
    ) -> "WhitespaceTable":
        """Read rows of exactly as many cells as there are columns.

        Raises:
            DataError: no rows, or one of another length, or a column twice; the text names the
                line.
        """
        if len(set(columns)) < len(columns) or len(columns) > MOST_COLUMNS:
            raise DataError(
                f"{file.path}:{above}: a column is there twice, or there are more than "
                f"{MOST_COLUMNS:,}"
            )
        frame = _parse(file, columns, above)
        if frame is not None:
            return cls(file, above, frame)
        # pandas has no line number for what it skips or fills up: look for the line again.
        for line, cells in file.lines(above):
            if len(cells) != len(columns):
                expected = ", ".join(columns[:3]) + (", ..." if len(columns) > 3 else "")
                raise DataError(
                    f"{file.path}:{line}: {len(cells)} cells where {len(columns)} are expected "
                    f"({expected})"
                )
        raise DataError(f"{file.path}: it has no rows")

    def place(self, row: int) -> str:
        """Where a row stands: ``identity_CelebA.txt:17``. Goes through the text up to it."""
        line, _ = next(islice(self.file.lines(self.above), row, None))
        return f"{self.file.path}:{line}"


def _parse(file: WhitespaceFile, columns: Sequence[str], above: int) -> pd.DataFrame | None:
    """The rows, or None if there are none or any is too long or too short."""
    # One column more than there should be, to show the rows that are too long.
    names = [*columns, "too long"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ParserWarning)
            frame = pd.read_csv(
                StringIO(file.text),
                sep=r"\s+",
                header=None,
                names=names,
                index_col=False,
                skiprows=above,
                dtype=str,
                keep_default_na=False,
                quoting=3,
            ).fillna("")
    except (EmptyDataError, ParserError, ParserWarning):
        return None
    regular = not frame.pop("too long").any() and frame[columns[-1]].all() and len(frame) > 0
    return frame if regular else None
