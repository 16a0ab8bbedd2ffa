"""Reading the columns of a CSV file as text, with errors by file and line."""

import csv
import io
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import pandas as pd
from pandas.errors import ParserError, ParserWarning

from facesim.csv_cells import unguarded, unguarded_all
from facesim.data.csv_dialect import (
    DELIMITERS,
    Delimiter,
    Encoding,
    content_of,
    decoded,
    delimiter_of,
    encoding_of,
    read_text,
    records,
)
from facesim.errors import DataError, did_you_mean


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
        """The other columns: numbers where every cell is one or empty; others stay text.

        Of a text the apostrophe is removed by which facesim guards what would be a formula.
        """
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
    data = content_of(path)
    found = encoding or encoding_of(data)
    text = decoded(path, data, found)
    del data
    separator = delimiter or delimiter_of(text, _names(required))
    try:
        line, header = next(records(text, separator), (1, []))
    except csv.Error as error:
        raise DataError(f"{path}:1: {error}") from error
    if not header:
        first = separator.join(_names(required))
        raise DataError(f"{path}: it is empty; its first line must be `{first}`")
    header = [unguarded(name) for name in header]
    check_header(f"{path}:{line}", header, required, f"with {DELIMITERS[separator]}s")
    frame = _parse(path, text, header, (line, separator))
    unusual = [f"as {found}"] if encoding is None and found != "utf-8" else []
    if delimiter is None and separator != ",":
        unusual.append(f"with {DELIMITERS[separator]}s between its columns")
    told = f"{path.name} is read {' and '.join(unusual)}, which is how it looks."
    place = partial(_place, path, separator, found)
    columns = Columns(frame, place, (told,) if unusual else ())
    return with_required(columns, required, guarded="'" in text)


def _names(required: Required) -> list[str]:
    return list(required.values() if isinstance(required, Mapping) else required)


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
        cells = column.to_numpy(dtype=object)
        return pd.Series(unguarded_all(cells), column.index, dtype=column.dtype)


def _place(path: Path, delimiter: Delimiter, encoding: Encoding, row: int) -> str:
    """File and line of a row; the file is read again."""
    line, _ = next(islice(records(read_text(path, encoding), delimiter), row + 1, None))
    return f"{path}:{line}"


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
        for line, cells in records(text, delimiter):
            if len(cells) != columns:
                raise DataError(
                    f"{path}:{line}: {len(cells)} cells where the header has {columns}; write "
                    f"one per column, in double quotes where it holds a {DELIMITERS[delimiter]}"
                )
            last = line
    except csv.Error as error:
        raise DataError(f"{path}:{last + 1}: {error}; is a double quote left open?") from error
