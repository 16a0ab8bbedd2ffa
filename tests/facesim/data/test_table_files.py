"""A table reads the same from CSV, Parquet and Excel, with the place of what is wrong."""

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from facesim.data.csv_columns import Columns
from facesim.data.table_files import read_table_columns
from facesim.errors import DataError, PluginError

TABLE: dict[str, list[Any]] = {
    "img": ["a.jpg", " b.jpg ", "Z\xfcrich.jpg"],
    "ids": [7, 12, 7],
    "age": [30, None, 41],
    "height": [1.5, 2.0, None],
    "hair": ["red", None, "007"],
    "glasses": [True, False, True],
}
REQUIRED = {"image_column": "img", "identity_column": "ids"}


def write(path: Path, table: dict[str, list[Any]]) -> Path:
    frame = pd.DataFrame(table)
    if path.suffix == ".csv":
        frame["age"] = frame["age"].astype("Int64")
        frame.to_csv(path, index=False)
    elif path.suffix == ".xlsx":
        frame.to_excel(path, index=False)
    else:
        parquet.write_table(pa.table(table), path)
    return path


def read(path: Path) -> Columns:
    return read_table_columns(path, REQUIRED)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".pq", ".PARQUET", ".xlsx"])
def test_a_table_is_the_same_in_each_format(tmp_path: Path, suffix: str) -> None:
    columns = read(write(tmp_path / f"people{suffix}", TABLE))
    assert columns.frame["img"].tolist() == ["a.jpg", "b.jpg", "Z\xfcrich.jpg"]
    assert columns.frame["ids"].tolist() == ["7", "12", "7"]
    attributes = columns.attributes(without=("img", "ids"))
    assert attributes["age"].fillna(-1).tolist() == [30, -1, 41]
    assert attributes["height"].fillna(-1).tolist() == [1.5, 2, -1]
    assert attributes["hair"].tolist() == ["red", "", "007"]
    assert attributes["glasses"].tolist() == ["True", "False", "True"]


def test_identities_that_pandas_made_floats_are_the_whole_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "people.parquet", {**TABLE, "ids": [7.0, 12.0, 7.0]})
    assert read(path).frame["ids"].tolist() == ["7", "12", "7"]


def test_large_whole_numbers_keep_their_digits(tmp_path: Path) -> None:
    path = write(tmp_path / "people.parquet", {**TABLE, "ids": [2**62 + 1, None, 2**62 + 3]})
    with pytest.raises(DataError, match=r"people\.parquet: row 2: the cell of the column 'ids' is"):
        read(path)
    path = write(tmp_path / "people.parquet", {**TABLE, "ids": [2**62 + 1, 5, 2**62 + 3]})
    assert read(path).frame["ids"].tolist() == [str(2**62 + 1), "5", str(2**62 + 3)]


def test_the_index_that_pandas_writes_is_a_column_like_others(tmp_path: Path) -> None:
    frame = pd.DataFrame({"img": ["a", "b"], "ids": [1, 2]}, index=pd.Index([5, 6], name="key"))
    frame.to_parquet(tmp_path / "people.parquet")
    assert read(tmp_path / "people.parquet").frame["key"].tolist() == ["5", "6"]


def test_a_category_is_text(tmp_path: Path) -> None:
    frame = pd.DataFrame({"img": ["a", "b"], "ids": pd.Categorical(["x", "y"])})
    frame.to_parquet(tmp_path / "people.parquet")
    assert read(tmp_path / "people.parquet").frame["ids"].tolist() == ["x", "y"]


def workbook(path: Path, rows: list[list[Any]], *more: str) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    for title in more:
        book.create_sheet(title)
    book.save(path)
    return path


def test_rows_of_excel_are_numbered_as_excel_does(tmp_path: Path) -> None:
    rows: list[list[Any]] = [[], ["img", "ids"], ["a.jpg", 1], [None, None], ["b.jpg", None]]
    with pytest.raises(DataError, match=r"t\.xlsx: row 5: the cell of the column 'ids' is empty"):
        read(workbook(tmp_path / "t.xlsx", rows))
    with pytest.raises(
        DataError,
        match=r"t\.xlsx: row 2: there is no column 'ids'.*`identity_column` names another",
    ):
        read(workbook(tmp_path / "t.xlsx", [[], ["img", "who"], ["a.jpg", 1]]))


def test_the_first_sheet_is_read_and_others_are_told(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", [["img", "ids"], ["a.jpg", 1]], "Old", "Older")
    columns = read(path)
    assert columns.frame.to_dict("list") == {"img": ["a.jpg"], "ids": ["1"]}
    assert columns.notes == (
        "Of t.xlsx the sheet 'Sheet' is read; the other sheets, such as 'Old', are not.",
    )


WRONG: list[tuple[str, bytes, str]] = [
    ("t.parquet", b"img,ids\na,1\n", r"t\.parquet: cannot be read as Parquet: "),
    ("t.xlsx", b"img,ids\na,1\n", r"t\.xlsx: cannot be read as Excel: "),
    ("t.xls", b"", r"t\.xls: \.xls files are not read; save it as \.csv, \.xlsx or \.parquet"),
    ("t.json", b"", r"\.json files are not read"),
]


@pytest.mark.parametrize(("name", "content", "message"), WRONG)
def test_another_file_under_the_suffix_is_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / name)


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", TABLE)
    content = bytearray(path.read_bytes())
    for at in range(4, len(content) - 8, 97):
        content[at] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"t\.parquet: cannot be read as Parquet: "):
        read(path)


def test_half_a_workbook_is_refused(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        packed.writestr("xl/workbook.xml", "<a")
    (tmp_path / "t.xlsx").write_bytes(content.getvalue())
    with pytest.raises(DataError, match="cannot be read as Excel"):
        read(tmp_path / "t.xlsx")


@pytest.mark.parametrize("suffix", [".parquet", ".xlsx"])
def test_no_file_and_no_row_are_told(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t{suffix}"
    with pytest.raises(DataError, match=r"there is no such file$"):
        read(path)
    pd_columns: dict[str, list[str]] = {"img": [], "ids": []}
    frame = pd.DataFrame(pd_columns)
    frame.to_excel(path, index=False) if suffix == ".xlsx" else frame.to_parquet(path)
    with pytest.raises(DataError, match="it has a header and no rows"):
        read(path)


def test_lists_and_bytes_are_no_attributes(tmp_path: Path) -> None:
    of_fixed_size = pa.array([b"pixels"], pa.binary(6))
    for column in ([[1, 2]], [b"pixels"], of_fixed_size, pa.array([b"pixels"], pa.large_binary())):
        table = pa.table({"img": ["a"], "ids": ["1"], "x": column})
        parquet.write_table(table, tmp_path / "t.parquet")
        with pytest.raises(DataError, match=r"the column 'x' holds .*; leave it out of the file"):
            read(tmp_path / "t.parquet")


def test_a_file_that_unpacks_to_more_than_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [write(tmp_path / f"people{suffix}", TABLE) for suffix in (".parquet", ".xlsx")]
    monkeypatch.setattr("facesim.data.table_files._MOST_BYTES", 100)
    for path in paths:
        with pytest.raises(DataError, match="bytes when unpacked; at most"):
            read(path)


@pytest.mark.parametrize("type_", [pa.string(), pa.large_string()])
@pytest.mark.parametrize("rows_of_group", [100, 1000])
def test_a_long_text_that_parquet_holds_once_counts_in_each_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, type_: pa.DataType, rows_of_group: int
) -> None:
    names = pa.array([f"{row}.jpg" for row in range(1000)])
    table = pa.table({"img": names, "ids": pa.array(["x" * 2000] * 1000, type_)})
    path = tmp_path / "t.parquet"
    parquet.write_table(table, path, row_group_size=rows_of_group, compression="zstd")
    assert path.stat().st_size < 100_000
    assert read(path).frame["ids"].tolist() == ["x" * 2000] * 1000
    monkeypatch.setattr("facesim.data.table_files._MOST_BYTES", 500_000)
    with pytest.raises(
        DataError, match=r"1,000 rows and [\d,]+ bytes when unpacked; at most .* 500,000 are"
    ):
        read(path)


def test_cells_of_parquet_that_take_no_room_in_the_file_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "t.parquet", {"img": ["a"] * 50_000, "ids": [1] * 50_000})
    assert path.stat().st_size < 5_000
    monkeypatch.setattr("facesim.data.table_files._MOST_BYTES", 500_000)
    with pytest.raises(DataError, match=r"800,000 bytes when unpacked; at most .* 500,000 are"):
        read(path)


@pytest.mark.parametrize(
    ("suffix", "package", "extra"),
    [(".parquet", "pyarrow", "parquet"), (".xlsx", "openpyxl", "excel")],
)
def test_a_package_that_is_not_installed_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, package: str, extra: str
) -> None:
    path = write(tmp_path / f"people{suffix}", TABLE)
    monkeypatch.setitem(sys.modules, package, None)
    told = rf'{suffix} files need the package {package}: pip install "facesim\[{extra}\]"; or save'
    with pytest.raises(PluginError, match=told):
        read(path)


def test_what_is_of_csv_files_alone_is_refused_elsewhere(tmp_path: Path) -> None:
    path = write(tmp_path / "people.parquet", TABLE)
    with pytest.raises(DataError, match="`delimiter` is of CSV files; leave it out"):
        read_table_columns(path, REQUIRED, delimiter=";")
