"""Reading the columns of a table file as text: CSV, Parquet or Excel, by its suffix."""

import io
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

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
from facesim.data.excel_sheet import read_first_sheet
from facesim.errors import DataError, PluginError
from facesim.machine_errors import why_unread

_MOST_ROWS = 100_000_000
_MOST_BYTES = TABLE_BYTES  # when unpacked
_BYTES_OF_CELL = 8
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
        rows, schema = described.metadata.num_rows, described.schema_arrow
        _refuse_large(path, rows, sum(it.total_byte_size for it in groups))
        if len(schema) > MOST_COLUMNS:
            raise DataError(f"{path}: {len(schema):,} columns; at most {MOST_COLUMNS:,} are read")
        types = arrow.types
        for field in schema:
            no_text = (types.is_nested, types.is_binary, types.is_large_binary)
            if any(it(field.type) for it in (*no_text, types.is_fixed_size_binary)):
                raise DataError(
                    f"{path}: the column {field.name!r} holds {field.type}, neither text nor "
                    "numbers; leave it out of the file"
                )
        # What a file says of its size is how it is encoded: equal texts are there once.
        size = rows * len(schema) * _BYTES_OF_CELL
        _refuse_large(path, rows, size)
        texts = [
            it.name for it in schema if types.is_string(it.type) or types.is_large_string(it.type)
        ]
        described = parquet.ParquetFile(io.BytesIO(content), read_dictionary=texts)
        parts = []
        for group in range(described.num_row_groups):
            parts.append(described.read_row_group(group))
            size += sum(_text_bytes(column) for column in parts[-1].columns)
            _refuse_large(path, rows, size)
        table = arrow.concat_tables(parts) if parts else schema.empty_table()
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from error
    # Not pandas' own index, which it writes as a column where it is not just a range.
    frame = table.to_pandas(ignore_metadata=True, types_mapper=_nullable(arrow).get)
    header = [unguarded(name) for name in schema.names]
    cells = {name: _as_text(frame.iloc[:, at]) for at, name in enumerate(header)}
    if len(cells) < len(schema):
        check_header(str(path), header, ())
    return Columns(pd.DataFrame(cells), lambda row: f"{path}: row {row + 1:,}"), str(path)


def _text_bytes(column: Any) -> int:
    """What the texts of an Arrow column take when each row has its own."""
    arrow, compute = import_module("pyarrow"), import_module("pyarrow.compute")
    size = 0
    for chunk in column.chunks:
        of_texts = chunk.dictionary if arrow.types.is_dictionary(chunk.type) else chunk
        if not (arrow.types.is_string(of_texts.type) or arrow.types.is_large_string(of_texts.type)):
            continue
        lengths = compute.binary_length(of_texts).cast(arrow.int64())
        if of_texts is not chunk:
            lengths = lengths.take(chunk.indices)
        size += compute.sum(lengths).as_py() or 0
    return size


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


def _excel(path: Path, content: bytes) -> tuple[Columns, str]:
    _package("openpyxl", path, "excel")
    sheet = read_first_sheet(path, content, _MOST_BYTES)
    header = [unguarded(name.strip()) for name in sheet.rows[0]]
    header_at = f"{path}: row {sheet.numbers[0]:,}"
    check_header(header_at, header, ())
    frame = pd.DataFrame(sheet.rows[1:], columns=header, dtype=object)
    note = (
        f"Of {path.name} the sheet {sheet.name!r} is read; the other sheets, such as "
        f"{sheet.others[0]!r}, are not."
        if sheet.others
        else ""
    )
    place = partial(_row_of_sheet, path, sheet.numbers[1:])
    return Columns(frame, place, (note,) if note else ()), header_at


def _row_of_sheet(path: Path, numbers: list[int], row: int) -> str:
    return f"{path}: row {numbers[row]:,}"


def _refuse_large(path: Path, rows: int, size: int) -> None:
    if rows > _MOST_ROWS or size > _MOST_BYTES:
        raise DataError(
            f"{path}: {rows:,} rows and {size:,} bytes when unpacked; at most {_MOST_ROWS:,} and "
            f"{_MOST_BYTES:,} are read"
        )
