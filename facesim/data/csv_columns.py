"""Reading the columns of a CSV file as text, with errors by file and line."""

import codecs
import csv
import io
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

import pandas as pd
from pandas.errors import ParserError, ParserWarning

from facesim.bounded import TABLE_BYTES, read_file
from facesim.csv_cells import unguarded, unguarded_all
from facesim.errors import DataError, did_you_mean
from facesim.machine_errors import why_unread

Delimiter = Literal[",", ";", "\t", "|"]
"""What may stand between the columns of a CSV file."""

Encoding = Literal["utf-8", "utf-16", "cp1252", "latin-1"]
"""How the text of a CSV file may be encoded; utf-8 and utf-16 with or without a byte-order mark."""

DELIMITERS: dict[Delimiter, str] = {
    ",": "comma",
    ";": "semicolon",
    "\t": "tab",
    "|": "vertical bar",
}
"""The delimiters in words, the likeliest first."""


def read_text(path: Path, encoding: Encoding = "utf-8") -> str:
    """Read a text file; a byte-order mark is removed, line ends stay as they are.

    Raises:
        DataError: it cannot be read, or is not text in that encoding; the text names the line.
    """
    return _decoded(path, _content(path), encoding)


def _content(path: Path) -> bytes:
    try:
        return read_file(path, TABLE_BYTES)
    except OSError as error:
        raise DataError(f"{path}: {why_unread(error)}") from error


def _decoded(path: Path, data: bytes, encoding: Encoding) -> str:
    codec = _codec(data, encoding)
    try:
        text = data.decode(codec).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        written = encoding.upper()
        raise DataError(
            f"{path}:{line}: not {written} ({error.reason}); save it as UTF-8"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path}:{line}: a zero byte; this is not text, or it is UTF-16")
    return text


def _codec(data: bytes, encoding: Encoding) -> str:
    """The name by which Python knows an encoding: that of UTF-16 without a mark has its order."""
    if encoding == "utf-16" and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    return encoding


def _encoding_of(data: bytes) -> Encoding:
    """The encoding that a file seems to have: what is UTF-8 throughout is that."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in data[:2]:
        return "utf-16"
    for encoding in ("utf-8", "cp1252"):
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"


@dataclass(frozen=True)
class Columns:
    """The rows of a table file.

    Attributes:
        frame: the columns as text; required ones without surrounding spaces and never empty.
        place: where a row was read, for errors: ``train.csv:17``.
        notes: what was found out about the file, one sentence each.
    """

    frame: pd.DataFrame
    place: Callable[[int], str]
    notes: tuple[str, ...] = ()

    def attributes(self, without: Sequence[str]) -> pd.DataFrame:
        """The other columns: numbers where every cell is one or empty; others stay text."""
        return self.frame.drop(columns=list(without)).apply(_as_numbers)


Required = Sequence[str] | Mapping[str, str]
"""Columns that must be there; by the keys of an experiment that name them, where it has such."""


def read_csv_columns(
    path: Path,
    required: Required,
    *,
    delimiter: Delimiter | None = ",",
    encoding: Encoding | None = "utf-8",
) -> Columns:
    """Read a CSV file with a header.

    Args:
        path: the file; with or without byte-order mark, any line ends, blank lines ignored.
        required: columns that must be there, without an empty cell. Of their cells, and of the
            header, the apostrophe is removed by which facesim guards what would be a formula.
        delimiter: between the columns; None finds it in the header.
        encoding: of the text; None finds it.

    Raises:
        DataError: unreadable, not in that encoding, no rows, a column missing or twice, a row with
            too many or too few cells, an empty cell in a required column.
    """
    data = _content(path)
    found = encoding or _encoding_of(data)
    text = _decoded(path, data, found)
    del data
    separator = delimiter or _delimiter_of(text, _names(required))
    try:
        line, header = next(_records(text, separator), (1, []))
    except csv.Error as error:
        raise DataError(f"{path}:1: {error}") from error
    if not header:
        first = separator.join(_names(required))
        raise DataError(f"{path}: it is empty; its first line must be `{first}`")
    header = [unguarded(name) for name in header]
    check_header(f"{path}:{line}", header, required, f"with {DELIMITERS[separator]}s")
    frame = _parse(path, text, header, (line, separator))
    notes = tuple(_found(path, (found, encoding, "utf-8"), (separator, delimiter, ",")))
    columns = Columns(frame, partial(_place, path, separator, found), notes)
    return with_required(columns, required, guarded="'" in text)


def _names(required: Required) -> list[str]:
    return list(required.values() if isinstance(required, Mapping) else required)


def _found(
    path: Path, encoding: tuple[str, str | None, str], delimiter: tuple[Delimiter, str | None, str]
) -> Iterator[str]:
    """What the file is read as, where that was found and is not the usual."""
    (found, given, usual), (separator, as_given, comma) = encoding, delimiter
    told = [f"as {found}"] if given is None and found != usual else []
    if as_given is None and separator != comma:
        told.append(f"with {DELIMITERS[separator]}s between its columns")
    if told:
        yield f"{path.name} is read {' and '.join(told)}, which is how it looks."


_HEADER_CHARACTERS = 1 << 20


def _delimiter_of(text: str, required: Sequence[str]) -> Delimiter:
    """The delimiter by which the header has the required columns, or the most columns."""
    headers: dict[Delimiter, list[str]] = {}
    text = text[:_HEADER_CHARACTERS]
    for delimiter in DELIMITERS:
        try:
            cells = next(_records(text, delimiter), (1, []))[1]
        except csv.Error:
            cells = []
        headers[delimiter] = [unguarded(name) for name in cells]
    whole = [each for each, names in headers.items() if required and {*required} <= {*names}]
    return whole[0] if whole else max(DELIMITERS, key=lambda each: len(headers[each]))


def with_required(columns: Columns, required: Required, *, guarded: bool) -> Columns:
    """The columns with the required ones cleaned, none of whose cells is empty.

    Args:
        columns: as they were read.
        required: which of them.
        guarded: whether a cell may begin with the apostrophe of a guarded formula.

    Raises:
        DataError: a cell of them is empty.
    """
    frame = columns.frame
    for name in dict.fromkeys(_names(required)):
        frame[name] = frame[name].str.strip()
        if guarded:
            frame[name] = unguarded_all(frame[name].to_numpy(dtype=object))
        empty = (frame[name] == "").to_numpy()
        if empty.any():
            place = columns.place(int(empty.argmax()))
            raise DataError(f"{place}: the cell of the column {name!r} is empty")
    return replace(columns, frame=frame)


def _as_numbers(column: "pd.Series[str]") -> "pd.Series[str] | pd.Series[float]":
    try:
        return pd.to_numeric(column.astype(object).where(column != "", None))
    except ValueError:
        return column


def _place(path: Path, delimiter: Delimiter, encoding: Encoding, row: int) -> str:
    """File and line of a row; the file is read again."""
    line, _ = next(islice(_records(read_text(path, encoding), delimiter), row + 1, None))
    return f"{path}:{line}"


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with its first line, the header first."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    begin = 1
    for cells in reader:
        if len(cells) > 1 or (cells and cells[0].strip()):
            yield begin, cells
        begin = reader.line_num + 1


MOST_COLUMNS = 2000
"""A table with more is refused: each would be an attribute of the images."""

_SHOWN = 50


def check_header(place: str, header: list[str], required: Required, read: str = "") -> None:
    """Raise unless a header has the required columns, each column once, and not too many.

    Args:
        place: where the header is.
        header: the names of the columns.
        required: which must be there.
        read: how it was read, for the message.
    """
    if len(header) > MOST_COLUMNS:
        raise DataError(f"{place}: {len(header):,} columns; at most {MOST_COLUMNS:,} are read")
    found = ", ".join(repr(name) for name in header[:_SHOWN])
    if len(header) > _SHOWN:
        found += f" and {len(header) - _SHOWN:,} more"
    keys = {name: key for key, name in required.items()} if isinstance(required, Mapping) else {}
    for name in _names(required):
        if name not in header:
            how = f", read {read} between the columns" if read else ""
            other = f"; `{keys[name]}` names another" if name in keys else ""
            raise DataError(
                f"{place}: there is no column {name!r}{did_you_mean(name, header)}; the header "
                f"has {found}{how}{other}"
            )
    twice = [name for name, times in Counter(header).items() if times > 1]
    if twice:
        raise DataError(f"{place}: the column {min(twice)!r} is in the header twice")


def _parse(
    path: Path, text: str, header: list[str], header_at: tuple[int, Delimiter]
) -> pd.DataFrame:
    header_line, delimiter = header_at
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ParserWarning)
            frame = pd.read_csv(
                io.BytesIO(text.encode()),  # a StringIO takes four bytes for each character
                sep=delimiter,
                header=None,
                names=header,
                index_col=False,
                skiprows=header_line,
                dtype=str,
                keep_default_na=False,
                skipinitialspace=True,
            )
    except (ParserError, ParserWarning) as error:
        _refuse_irregular(path, text, len(header), delimiter)
        raise DataError(f"{path}: {error}") from error
    # pandas pads rows that are too short. The number of delimiters tells, unless some are quoted.
    if '"' in text or text.count(delimiter) != (len(frame) + 1) * (len(header) - 1):
        _refuse_irregular(path, text, len(header), delimiter)
    if frame.empty:
        raise DataError(f"{path}: it has a header and no rows")
    return frame


def _refuse_irregular(path: Path, text: str, columns: int, delimiter: Delimiter) -> None:
    """Raise DataError for the first malformed record; slow, so called on suspicion only."""
    last = 1
    try:
        for line, cells in _records(text, delimiter):
            if len(cells) != columns:
                raise DataError(
                    f"{path}:{line}: {len(cells)} cells where the header has {columns}; write "
                    f"one per column, in double quotes where it holds a {DELIMITERS[delimiter]}"
                )
            last = line
    except csv.Error as error:
        raise DataError(f"{path}:{last + 1}: {error}; is a double quote left open?") from error
