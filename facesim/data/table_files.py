"""Reading the columns of a table file as text: CSV, Parquet or Excel, by its suffix."""

import io
import zipfile
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import pandas as pd

from facesim.bounded import TABLE_BYTES, read_file
from facesim.csv_cells import unguarded
from facesim.data.csv_columns import (
    MOST_COLUMNS,
    Columns,
    Required,
    check_header,
    read_csv_columns,
    with_required,
)
from facesim.data.csv_dialect import Delimiter, Encoding
from facesim.errors import DataError, PluginError
from facesim.machine_errors import why_unread

_MOST_ROWS = 100_000_000
_MOST_BYTES = TABLE_BYTES  # when unpacked
_PARQUET = (".parquet", ".pq")
_EXCEL = (".xlsx", ".xlsm")
_NOT_READ = (".xls", ".xlsb", ".ods", ".numbers", ".feather", ".arrow", ".json", ".jsonl")


def read_table_columns(
    path: Path,
    required: Required,
    *,
    delimiter: Delimiter | None = None,
    encoding: Encoding | None = None,
) -> Columns:
    """Read a table with a header: Parquet or Excel where the suffix is theirs, else CSV.

    Cells are text as a CSV file would have them, whatever the file is, so that a table that is
    saved in another format stays the same one.

    Args:
        path: ``.parquet`` or ``.pq`` (extra ``parquet``), ``.xlsx`` or ``.xlsm`` (extra ``excel``;
            the first sheet), or any other name for CSV.
        required: columns that must be there, without an empty cell; by the keys of an experiment
            that name them, where it has such.
        delimiter: between the columns of a CSV file; None finds it.
        encoding: of a CSV file; None finds it.

    Raises:
        DataError: the file cannot be read or is too large, or a column or cell is wrong; with the
            line or row, as the program shows it that the file was made with.
        PluginError: the package is not installed that reads such a file; with its extra.
    """
    suffix = path.suffix.lower()
    if suffix in _NOT_READ:
        raise DataError(f"{path}: {suffix} files are not read; save it as .csv, .xlsx or .parquet")
    if suffix not in (*_PARQUET, *_EXCEL):
        return read_csv_columns(path, required, delimiter=delimiter, encoding=encoding)
    for key, given in (("delimiter", delimiter), ("encoding", encoding)):
        if given is not None:
            raise DataError(f"{path}: `{key}` is of CSV files; leave it out")
    read = _parquet if suffix in _PARQUET else _excel
    try:
        columns, header_at = read(path, read_file(path, TABLE_BYTES))
    except OSError as error:
        raise DataError(f"{path}: {why_unread(error)}") from error
    check_header(header_at, list(columns.frame.columns), required)
    if columns.frame.empty:
        raise DataError(f"{path}: it has a header and no rows")
    return with_required(columns, required, guarded=True)


def _package(name: str, path: Path, extra: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != name.partition(".")[0]:
            raise
        raise PluginError(
            f"{path}: {path.suffix} files need the package {name.partition('.')[0]}: pip install "
            f'"facesim[{extra}]"; or save it as .csv'
        ) from None


def _parquet(path: Path, content: bytes) -> tuple[Columns, str]:
    arrow, parquet = (
        _package("pyarrow", path, "parquet"),
        _package("pyarrow.parquet", path, "parquet"),
    )
    try:
        described = parquet.ParquetFile(io.BytesIO(content))
        groups = [described.metadata.row_group(at) for at in range(described.num_row_groups)]
        _refuse_large(path, described.metadata.num_rows, sum(it.total_byte_size for it in groups))
        schema = described.schema_arrow
        if len(schema) > MOST_COLUMNS:
            raise DataError(f"{path}: {len(schema):,} columns; at most {MOST_COLUMNS:,} are read")
        for field in schema:
            if arrow.types.is_nested(field.type) or arrow.types.is_binary(field.type):
                raise DataError(
                    f"{path}: the column {field.name!r} holds {field.type}, neither text nor "
                    "numbers; leave it out of the file"
                )
        table = parquet.read_table(io.BytesIO(content))
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from error
    # Not pandas' own index, which it writes as a column where it is not just a range.
    frame = table.to_pandas(ignore_metadata=True, types_mapper=_nullable(arrow).get)
    cells = {name: _as_text(frame.iloc[:, at]) for at, name in enumerate(schema.names)}
    if len(cells) < len(schema):
        check_header(str(path), schema.names, ())
    return Columns(pd.DataFrame(cells), lambda row: f"{path}: row {row + 1:,}"), str(path)


def _nullable(arrow: Any) -> dict[Any, Any]:
    """Pandas' types of whole numbers that may be missing, which stay whole then."""
    signs = (("Int", "int"), ("UInt", "uint"))
    return {
        getattr(arrow, f"{small}{bits}")(): getattr(pd, f"{large}{bits}Dtype")()
        for large, small in signs
        for bits in (8, 16, 32, 64)
    }


def _as_text(column: "pd.Series[Any]") -> "pd.Series[str]":
    """A column as a CSV file would have it: nothing for what is missing, 7 for 7.0."""
    missing = column.isna()
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64") if column.abs().max() < 2**53 else column
    return column.astype(object).map(str).where(~missing, "").astype(object)


_DAMAGED = (  # what zipfile and openpyxl raise for what is no workbook, or half of one
    *(zipfile.BadZipFile, zlib.error, ParseError, EOFError),
    *(KeyError, ValueError, TypeError, AttributeError, IndexError),
)


def _excel(path: Path, content: bytes) -> tuple[Columns, str]:
    _package("openpyxl", path, "excel")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            _refuse_large(path, 0, sum(each.file_size for each in packed.infolist()))
        with pd.ExcelFile(io.BytesIO(content), engine="openpyxl") as book:
            sheets = [str(name) for name in book.sheet_names]
            raw = pd.read_excel(book, sheets[0], header=None, dtype=object, na_filter=False)
    except _DAMAGED as error:
        raise DataError(f"{path}: cannot be read as Excel: {error}") from error
    cells = raw.apply(_as_text)
    cells = cells[(cells != "").any(axis=1)] if len(cells) else cells
    if not len(cells):
        raise DataError(f"{path}: the sheet {sheets[0]!r} is empty")
    header = [unguarded(name) for name in cells.iloc[0].str.strip()]
    header_at = f"{path}: row {cells.index[0] + 1}"
    check_header(header_at, header, ())
    rows = cells.index[1:].to_numpy() + 1
    frame = cells.iloc[1:].set_axis(header, axis=1).reset_index(drop=True)
    others = f"; the other sheets, such as {sheets[1]!r}, are not" if sheets[1:] else ""
    notes = (f"Of {path.name} the sheet {sheets[0]!r} is read{others}.",) if others else ()
    return Columns(frame, lambda row: f"{path}: row {rows[row]:,}", notes), header_at


def _refuse_large(path: Path, rows: int, size: int) -> None:
    if rows > _MOST_ROWS or size > _MOST_BYTES:
        raise DataError(
            f"{path}: {rows:,} rows and {size:,} bytes when unpacked; at most {_MOST_ROWS:,} and "
            f"{_MOST_BYTES:,} are read"
        )
