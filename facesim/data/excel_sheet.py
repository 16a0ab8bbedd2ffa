"""Reading the first sheet of an Excel workbook as rows of text, within bounds of time and memory.

A workbook of a few kilobytes can name a cell a million rows down, or unpack to a billion elements,
so every element, row and cell is counted before it is kept, and none is made up that is not there.
"""

import io
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple
from xml.etree.ElementTree import ParseError

from facesim.data.csv_columns import MOST_COLUMNS
from facesim.errors import DataError, count

MOST_ROWS = 2**20
"""A sheet of Excel has no more."""

_MOST_CELLS = 50_000_000
_MOST_TAGS = 50_000_000
"""Of XML, of all parts of a workbook; a cell with a value takes four."""
_MOST_TAGS_OF_ROW = 200_000
_CHUNK = 2**20

_DAMAGED = (  # what zipfile and openpyxl raise for what is no workbook, or half of one
    *(zipfile.BadZipFile, zlib.error, ParseError, EOFError, NotImplementedError, OverflowError),
    *(KeyError, ValueError, TypeError, AttributeError, IndexError, OSError, RuntimeError),
)


class Sheet(NamedTuple):
    """The first sheet of a workbook that has cells.

    Attributes:
        name: of the sheet.
        others: the names of the other sheets.
        numbers: of the rows that are not empty, as Excel shows them.
        rows: their cells as text, an empty one for what is missing, all of the first one's length.
    """

    name: str
    others: list[str]
    numbers: list[int]
    rows: list[list[str]]


def read_first_sheet(path: Path, content: bytes, most_bytes: int) -> Sheet:
    """Read the first sheet with cells, without its empty rows; openpyxl must be installed.

    Args:
        path: for messages.
        content: of the file.
        most_bytes: that the parts of the workbook, and the text of the cells, may take.

    Raises:
        DataError: it is no workbook, has no sheet with cells, is too large, a row is longer than
            the first, or a cell is a formula without a value.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what openpyxl does not read: rules, extensions
            _refuse_large(path, packed, most_bytes)
            return _read(path, content, most_bytes)
    except _DAMAGED as error:
        raise DataError(f"{path}: cannot be read as Excel: {error}") from error


def _refuse_large(path: Path, packed: zipfile.ZipFile, most_bytes: int) -> None:
    size = sum(part.file_size for part in packed.infolist())
    if size > most_bytes:
        raise DataError(f"{path}: {size:,} bytes when unpacked; at most {most_bytes:,} are read")
    tags = 0
    for part in packed.infolist():
        with packed.open(part) as opened:
            while tags <= _MOST_TAGS and (chunk := opened.read(_CHUNK)):
                tags += chunk.count(b"<")
    if tags > _MOST_TAGS:
        raise DataError(
            f"{path}: more than {_MOST_TAGS:,} XML tags when unpacked, which are the most; save it "
            "as .csv"
        )


def _read(path: Path, content: bytes, most_bytes: int) -> Sheet:
    import openpyxl

    try:
        book = openpyxl.load_workbook(
            io.BytesIO(content), read_only=True, data_only=True, keep_links=False
        )
    except AttributeError as error:  # it expects a drawing on each sheet of charts
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if not any("chartsheets/" in name for name in packed.namelist()):
                raise
        told = "a chart sheet of it cannot be read; remove it, or save the table as .csv"
        raise DataError(f"{path}: {told}") from error
    if not book.worksheets:
        raise DataError(f"{path}: it has no sheet with cells, only charts")
    sheet = book.worksheets[0]
    numbers: list[int] = []
    rows: list[list[str]] = []
    cells_read = characters = 0
    for number, cells in _rows(path, book, sheet):
        texts = _texts(path, number, cells)
        if not any(texts):
            continue
        if number > MOST_ROWS:
            raise DataError(f"{path}: row {number:,}; at most {MOST_ROWS:,} rows are read")
        if rows and len(texts) > len(rows[0]):
            raise DataError(
                f"{path}: row {number:,}: {count(len(texts), 'cell')} where the first row has "
                f"{len(rows[0]):,}; give each column a name in the first row"
            )
        cells_read += len(rows[0]) if rows else len(texts)
        characters += sum(map(len, texts))
        if cells_read > _MOST_CELLS or characters > most_bytes:
            raise DataError(
                f"{path}: more than {_MOST_CELLS:,} cells or {most_bytes:,} characters up to row "
                f"{number:,}, which are the most"
            )
        numbers.append(number)
        rows.append(texts + [""] * (len(rows[0]) - len(texts)) if rows else texts)
    if not rows:
        raise DataError(f"{path}: the sheet {sheet.title!r} is empty")
    others = [name for name in book.sheetnames if name != sheet.title]
    return Sheet(sheet.title, others, numbers, rows)


def _rows(path: Path, book: Any, sheet: Any) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """The rows that are in the file with the cells that are in it.

    openpyxl's own iterator also makes each row and each cell between them, and does not tell a
    formula without a value from an empty cell: so its parser is used.
    """
    from openpyxl.worksheet._reader import FORMULA_TAG, WorkSheetParser

    class Parser(WorkSheetParser):  # type: ignore[misc]  # openpyxl has no types
        def parse_cell(self, element: Any) -> Any:
            cell = super().parse_cell(element)
            cell["formula"] = cell["value"] is None and element.find(FORMULA_TAG) is not None
            return cell

    with sheet._get_source() as file:  # noqa: SLF001
        source = _Counted(path, file)
        parser = Parser(
            source,
            sheet._shared_strings,  # noqa: SLF001
            data_only=True,
            epoch=book.epoch,
            date_formats=book._date_formats,  # noqa: SLF001
            timedelta_formats=book._timedelta_formats,  # noqa: SLF001
        )
        for read, (number, cells) in enumerate(parser.parse(), 1):
            if read > MOST_ROWS:
                raise DataError(f"{path}: it has more than {MOST_ROWS:,} rows, which are the most")
            source.tags = 0
            yield number, cells


class _Counted:
    """A file of XML that refuses to be read on where too many tags come without a row."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.tags = 0
        self._path, self._file = path, file

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self.tags += content.count(b"<")
        if self.tags > _MOST_TAGS_OF_ROW:
            raise DataError(
                f"{self._path}: more than {_MOST_TAGS_OF_ROW:,} XML tags in a row of the sheet, or "
                "outside of rows, which are the most"
            )
        return content


def _texts(path: Path, number: int, cells: list[dict[str, Any]]) -> list[str]:
    """The cells of a row as text, without empty ones at its end."""
    found: dict[int, str] = {}
    for cell in cells:
        if cell["formula"]:
            from openpyxl.utils import get_column_letter

            raise DataError(
                f"{path}: row {number:,}: the cell {get_column_letter(cell['column'])}{number} is "
                "a formula without a value; calculate and save the file with a spreadsheet "
                "program, or write the values"
            )
        value = cell["value"]
        if value is None or cell["data_type"] == "e":  # an error, such as #N/A
            continue
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if text := str(value):
            found[cell["column"]] = text
    width = max(found, default=0)
    if width > MOST_COLUMNS:
        raise DataError(
            f"{path}: row {number:,}: {width:,} columns; at most {MOST_COLUMNS:,} are read"
        )
    return [found.get(column, "") for column in range(1, width + 1)]
