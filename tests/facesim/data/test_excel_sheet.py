"""A workbook is read within bounds, whatever its cells claim, and what is wrong has its place."""

import zipfile
from pathlib import Path
from time import perf_counter

import openpyxl
import openpyxl.chart
import pytest

from facesim.data import excel_sheet
from facesim.data.excel_sheet import Sheet, read_first_sheet
from facesim.errors import DataError

XMLNS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
HEADER = '<row r="1"><c r="A1" t="str"><v>img</v></c><c r="B1" t="str"><v>ids</v></c></row>'
ROW = '<row r="2"><c r="A2" t="str"><v>a.jpg</v></c><c r="B2"><v>7</v></c></row>'


def workbook(path: Path, rows: str, shared: str = "") -> Path:
    """A workbook whose sheet holds these rows, and which has one shared text."""
    openpyxl.Workbook().save(path)
    with zipfile.ZipFile(path) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    sheet = next(name for name in parts if name.startswith("xl/worksheets/sheet"))
    parts[sheet] = (
        f'<worksheet xmlns="{XMLNS}"><sheetData>{rows}</sheetData></worksheet>'
    ).encode()
    shared_strings = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    override = (
        f'<Override PartName="/xl/sharedStrings.xml" ContentType="{shared_strings}"/></Types>'
    )
    types = parts["[Content_Types].xml"]
    parts["[Content_Types].xml"] = types.replace(b"</Types>", override.encode())
    parts["xl/sharedStrings.xml"] = f'<sst xmlns="{XMLNS}"><si><t>{shared}</t></si></sst>'.encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    return path


def read(path: Path, most_bytes: int = 2**31) -> Sheet:
    return read_first_sheet(path, path.read_bytes(), most_bytes)


def test_cells_are_text_and_their_rows_keep_their_numbers(tmp_path: Path) -> None:
    later = (
        '<row r="5"><c r="A5" t="inlineStr"><is><t>b.jpg</t></is></c><c r="B5"><v>7.0</v></c></row>'
    )
    assert read(workbook(tmp_path / "t.xlsx", HEADER + ROW + later)) == Sheet(
        "Sheet", [], [1, 2, 5], [["img", "ids"], ["a.jpg", "7"], ["b.jpg", "7"]]
    )


FAR = {
    "a far cell": (
        '<row r="2"><c r="XFD2"><v>1</v></c></row>',
        r"t\.xlsx: row 2: 16,384 columns; at most 2,000 are read",
    ),
    "a row that no sheet has": (
        '<row r="100000000"><c r="A100000000"><v>1</v></c></row>',
        r"row 100,000,000; at most 1,048,576 rows are read",
    ),
    "a longer row": (
        '<row r="2"><c r="A2"><v>1</v></c><c r="D2"><v>1</v></c></row>',
        r"row 2: 4 cells where the first row has 2; give each column a name",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FAR)
def test_a_small_file_of_a_large_sheet_is_refused_at_once(tmp_path: Path, case: str) -> None:
    rows, message = FAR[case]
    path = workbook(tmp_path / "t.xlsx", HEADER + rows)
    assert path.stat().st_size < 20_000
    started = perf_counter()
    with pytest.raises(DataError, match=message):
        read(path)
    assert perf_counter() - started < 20


def test_empty_cells_and_rows_far_away_are_nothing(tmp_path: Path) -> None:
    far = '<row r="3"><c r="XFD3" s="0"/></row><row r="1048576"/><row r="100000000"/>'
    assert read(workbook(tmp_path / "t.xlsx", HEADER + ROW + far)).numbers == [1, 2]
    far = '<row r="1048576"><c r="A1048576"><v>1</v></c></row>'
    assert read(workbook(tmp_path / "t.xlsx", HEADER + far)).numbers == [1, 2**20]


def test_cells_and_characters_are_counted_before_they_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = '<row><c t="str"><v>a.jpg</v></c></row>'
    path = workbook(tmp_path / "t.xlsx", HEADER + one * 100)
    assert len(read(path).rows) == 101
    monkeypatch.setattr(excel_sheet, "_MOST_CELLS", 100)
    with pytest.raises(DataError, match=r"more than 100 cells or .* up to row 51, which"):
        read(path)


def test_a_text_that_many_cells_share_counts_in_each(tmp_path: Path) -> None:
    row = '<row><c t="s"><v>0</v></c></row>'
    path = workbook(tmp_path / "t.xlsx", row * 100, shared="x" * 1000)
    assert len(read(path).rows) == 100
    with pytest.raises(DataError, match="50,000 characters up to row 51, which are the most"):
        read(path, 50_000)


def test_rows_and_the_elements_of_a_row_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excel_sheet, "MOST_ROWS", 1000)
    with pytest.raises(DataError, match="more than 1,000 rows, which are the most"):
        read(workbook(tmp_path / "t.xlsx", HEADER + "<row/>" * 1000))
    monkeypatch.setattr(excel_sheet, "_MOST_TAGS_OF_ROW", 20_000)
    with pytest.raises(DataError, match="more than 20,000 XML tags in a row of the sheet"):
        read(workbook(tmp_path / "t.xlsx", f"{HEADER}<row>{'<c/>' * 100_000}</row>"))


def test_tags_of_all_parts_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workbook(tmp_path / "t.xlsx", HEADER + ROW)
    monkeypatch.setattr(excel_sheet, "_MOST_TAGS", 100)
    with pytest.raises(DataError, match="more than 100 XML tags when unpacked"):
        read(path)


def test_a_formula_without_a_value_is_one(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["img", "ids"], ["a.jpg", "=1+1"]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    told = r"t\.xlsx: row 2: the cell B2 is a formula without a value; calculate and save the file"
    with pytest.raises(DataError, match=told):
        read(tmp_path / "t.xlsx")


def test_an_error_is_an_empty_cell(tmp_path: Path) -> None:
    row = '<row r="2"><c r="A2"><v>1</v></c><c r="B2" t="e"><f>1/0</f><v>#DIV/0!</v></c></row>'
    assert read(workbook(tmp_path / "t.xlsx", HEADER + row)).rows[1] == ["1", ""]


def test_the_first_sheet_with_cells_is_read(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["img", "ids"])
    drawn = openpyxl.chart.BarChart()
    drawn.add_data(openpyxl.chart.Reference(book.active, min_col=1, min_row=1))
    book.create_chartsheet("Plot", 0).add_chart(drawn)
    book.save(tmp_path / "t.xlsx")
    assert read(tmp_path / "t.xlsx") == Sheet("Sheet", ["Plot"], [1], [["img", "ids"]])


def test_a_chart_sheet_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["img", "ids"])
    book.create_chartsheet("Plot", 0)
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(DataError, match="a chart sheet of it cannot be read; remove it"):
        read(tmp_path / "t.xlsx")
