"""The text of a CSV file: its encoding, its delimiter, its records."""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from facesim.bounded import TABLE_BYTES, read_file
from facesim.csv_cells import unguarded
from facesim.errors import DataError
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
    return decoded(path, content_of(path), encoding)


def content_of(path: Path) -> bytes:
    """The bytes of a table's file.

    Raises:
        DataError: it cannot be read, or is larger than a table may be.
    """
    try:
        return read_file(path, TABLE_BYTES)
    except OSError as error:
        raise DataError(f"{path}: {why_unread(error)}") from error


def decoded(path: Path, data: bytes, encoding: Encoding) -> str:
    """The text of a file without a byte-order mark.

    Raises:
        DataError: it is not text in that encoding; the text names the line.
    """
    # UTF-16 without a mark has the order in which a Latin letter comes.
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    order = "" if marked or encoding != "utf-16" else "-be" if data[:1] == b"\0" else "-le"
    try:
        text = data.decode(f"{encoding}{order}").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        told = f"not {encoding.upper()} ({error.reason}); save it as UTF-8"
        raise DataError(f"{path}:{line}: {told}") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path}:{line}: a zero byte; this is not text, or it is UTF-16")
    return text


def encoding_of(data: bytes) -> Encoding:
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


_HEADER_CHARACTERS = 1 << 20


def delimiter_of(text: str, required: Sequence[str]) -> Delimiter:
    """The delimiter by which the header has the required columns, or the most columns."""
    headers: dict[Delimiter, list[str]] = {}
    text = text[:_HEADER_CHARACTERS]
    for delimiter in DELIMITERS:
        try:
            cells = next(records(text, delimiter), (1, []))[1]
        except csv.Error:
            cells = []
        headers[delimiter] = [unguarded(name) for name in cells]
    whole = [each for each, names in headers.items() if required and {*required} <= {*names}]
    return whole[0] if whole else max(DELIMITERS, key=lambda each: len(headers[each]))


def records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with its first line, the header first."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    begin = 1
    for cells in reader:
        if len(cells) > 1 or (cells and cells[0].strip()):
            yield begin, cells
        begin = reader.line_num + 1
