"""Reading the columns of a CSV file as text, with errors by file and line."""

import csv
import io
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pandas as pd
from pandas.errors import ParserError, ParserWarning

from facesim.bounded import TABLE_BYTES, read_file
from facesim.csv_cells import unguarded, unguarded_all
from facesim.errors import DataError, did_you_mean
from facesim.machine_errors import why_unread


def read_text(path: Path) -> str:
    """Read a UTF-8 file; a byte-order mark is removed, line ends stay as they are.

    Raises:
        DataError: it cannot be read, or it is not UTF-8 text; the text names the line.
    """
    try:
        data = read_file(path, TABLE_BYTES)
    except OSError as error:
        raise DataError(f"{path}: {why_unread(error)}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}:{line}: not UTF-8 ({error.reason}); save it as UTF-8") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path}:{line}: a zero byte; this is not text, or it is UTF-16")
    return text


@dataclass(frozen=True)
class CsvColumns:
    """The rows of a CSV file.

    Attributes:
        path: the file; read again to find the line of a row when one is asked for.
        frame: the columns as text; required ones without surrounding spaces and never empty.
    """

    path: Path
    frame: pd.DataFrame

    def place(self, row: int) -> str:
        """File and line of a row: ``train.csv:17``."""
        line, _ = next(islice(_records(read_text(self.path)), row + 1, None))
        return f"{self.path}:{line}"

    def attributes(self, without: Sequence[str]) -> pd.DataFrame:
        """The other columns: numbers where every cell is one or empty; others stay text."""
        return self.frame.drop(columns=list(without)).apply(_as_numbers)


def read_csv_columns(path: Path, required: Sequence[str]) -> CsvColumns:
    """Read a CSV file with a header, UTF-8, separated by commas.

    Args:
        path: the file; with or without byte-order mark, any line ends, blank lines ignored.
        required: columns that must be there, without an empty cell. Of their cells, and of the
            header, the apostrophe is removed by which facesim guards what would be a formula.

    Raises:
        DataError: unreadable, not UTF-8, no rows, a column missing or twice, a row with too many
            or too few cells, an empty cell in a required column.
    """
    text = read_text(path)
    try:
        line, header = next(_records(text), (1, []))
    except csv.Error as error:
        raise DataError(f"{path}:1: {error}") from error
    if not header:
        raise DataError(f"{path}: it is empty; its first line must be `{','.join(required)}`")
    header = [unguarded(name) for name in header]
    _check_header(f"{path}:{line}", header, required)
    columns = CsvColumns(path, _parse(path, text, header, line))
    for name in required:
        columns.frame[name] = columns.frame[name].str.strip()
        if "'" in text:
            columns.frame[name] = unguarded_all(columns.frame[name].to_numpy(dtype=object))
        empty = (columns.frame[name] == "").to_numpy()
        if empty.any():
            place = columns.place(int(empty.argmax()))
            raise DataError(f"{place}: the cell of the column {name!r} is empty")
    return columns


def _as_numbers(column: "pd.Series[str]") -> "pd.Series[str] | pd.Series[float]":
    try:
        return pd.to_numeric(column.astype(object).where(column != "", None))
    except ValueError:
        return column


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with its first line, the header first."""
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    begin = 1
    for cells in reader:
        if len(cells) > 1 or (cells and cells[0].strip()):
            yield begin, cells
        begin = reader.line_num + 1


MOST_COLUMNS = 2000
"""A table with more is refused: each would be an attribute of the images."""

_SHOWN = 50


def _check_header(place: str, header: list[str], required: Sequence[str]) -> None:
    if len(header) > MOST_COLUMNS:
        raise DataError(f"{place}: {len(header):,} columns; at most {MOST_COLUMNS:,} are read")
    found = ", ".join(repr(name) for name in header[:_SHOWN])
    if len(header) > _SHOWN:
        found += f" and {len(header) - _SHOWN:,} more"
    for name in required:
        if name not in header:
            raise DataError(
                f"{place}: there is no column {name!r}{did_you_mean(name, header)}; the header "
                f"has {found}, read with commas between the columns"
            )
    twice = [name for name, times in Counter(header).items() if times > 1]
    if twice:
        raise DataError(f"{place}: the column {min(twice)!r} is in the header twice")


def _parse(path: Path, text: str, header: list[str], header_line: int) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ParserWarning)
            frame = pd.read_csv(
                io.BytesIO(text.encode()),  # a StringIO takes four bytes for each character
                header=None,
                names=header,
                index_col=False,
                skiprows=header_line,
                dtype=str,
                keep_default_na=False,
                skipinitialspace=True,
            )
    except (ParserError, ParserWarning) as error:
        _refuse_irregular(path, text, len(header))
        raise DataError(f"{path}: {error}") from error
    # pandas pads rows that are too short. The number of commas tells, unless some are quoted.
    if '"' in text or text.count(",") != (len(frame) + 1) * (len(header) - 1):
        _refuse_irregular(path, text, len(header))
    if frame.empty:
        raise DataError(f"{path}: it has a header and no rows")
    return frame


def _refuse_irregular(path: Path, text: str, columns: int) -> None:
    """Raise DataError for the first malformed record; slow, so called on suspicion only."""
    last = 1
    try:
        for line, cells in _records(text):
            if len(cells) != columns:
                raise DataError(
                    f"{path}:{line}: {len(cells)} cells where the header has {columns}; write "
                    "one per column, in double quotes where it holds a comma"
                )
            last = line
    except csv.Error as error:
        raise DataError(f"{path}:{last + 1}: {error}; is a double quote left open?") from error
