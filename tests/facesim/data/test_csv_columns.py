import time
from pathlib import Path

import pytest

from facesim.data.csv_columns import read_csv_columns
from facesim.errors import DataError


def _write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def _read(tmp_path: Path, text: str | bytes) -> dict[str, list[str]]:
    frame = read_csv_columns(_write(tmp_path, text), ("img", "ids")).frame
    return {str(column): frame[column].tolist() for column in frame}


@pytest.mark.parametrize(
    "text",
    [
        "img,ids\na.jpg,01\nb.jpg,NA\n",
        "img,ids\na.jpg,01\nb.jpg,NA",
        "img,ids\r\na.jpg,01\r\nb.jpg,NA\r\n",
        "\ufeffimg,ids\na.jpg,01\nb.jpg,NA\n",
        "\n\nimg,ids\n\na.jpg,01\n   \nb.jpg,NA\n\n",
        "img, ids\na.jpg, 01\n b.jpg ,NA \n",
        '"img","ids"\n"a.jpg","01"\nb.jpg,"NA"\n',
        'img, "ids"\n"a.jpg", "01"\nb.jpg,  "NA"\n',
    ],
)
def test_the_same_rows_in_any_dress_read_the_same(tmp_path: Path, text: str) -> None:
    assert _read(tmp_path, text) == {"img": ["a.jpg", "b.jpg"], "ids": ["01", "NA"]}


def test_quoted_cells_hold_commas_and_line_ends(tmp_path: Path) -> None:
    text = 'img,ids,note\n"a,1.jpg",1,"two\nlines"\nb.jpg,2,\n'
    assert _read(tmp_path, text)["img"] == ["a,1.jpg", "b.jpg"]
    assert _read(tmp_path, text)["note"] == ["two\nlines", ""]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"t\.csv: it is empty; its first line must be `img,ids`"),
        ("\n  \n", r"t\.csv: it is empty"),
        ("img,ids\n", r"t\.csv: it has a header and no rows"),
        ("img,idz\na,1\n", r"t\.csv:1: there is no column 'ids' \(did you mean 'idz'\?\)"),
        ("img;ids\na;1\n", r"t\.csv:1: there is no column 'img'.*with commas"),
        ("\nimg,ids,img\na,1,b\n", r"t\.csv:2: the column 'img' is in the header twice"),
        ("img,ids\na,1\nb\n", r"t\.csv:3: 1 cells where the header has 2"),
        ("img,ids\na,1\nb\nc\n", r"t\.csv:3: 1 cells where the header has 2"),
        ("img,ids\na,1,9\nb,1,9\n", r"t\.csv:2: 3 cells where the header has 2"),
        ("img,ids\na,1,9\nb\n", r"t\.csv:2: 3 cells where the header has 2"),
        ("img,ids\na,1\nb,2\nc,3,4\n", r"t\.csv:4: 3 cells"),
        ("img,ids,x\na,1,2\n\nb,2\n", r"t\.csv:4: 2 cells where the header has 3"),
        ('img,ids,x\n"a\nb",1,2\nb,2\n', r"t\.csv:4: 2 cells where the header has 3"),
        ("img,ids\r\na,1\r\nb, \r\n", r"t\.csv:3: the cell of the column 'ids' is empty"),
        ("img,ids\n,1\n", r"t\.csv:2: the cell of the column 'img' is empty"),
        ('img,ids\na,1\n"b,2\nc,3\n', r"t\.csv:3: .*is a double quote left open"),
        ('"img,ids\na,1\n', r"t\.csv:1: "),
        (b"img,ids\na,1\nb,\xff\n", r"t\.csv:3: not UTF-8 .*save it as UTF-8"),
        ("img,ids\na,1\n".encode("utf-16"), r"t\.csv:1: not UTF-8"),
        ("img,ids\na,1\n".encode("utf-16-le"), r"t\.csv:1: a zero byte"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        _read(tmp_path, text)


ROWS = [("img", "ids", "note"), ("a.jpg", "1", "Z\xfcrich"), ("b.jpg", "2", "\u20ac 5")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_and_encoding_are_found(tmp_path: Path, delimiter: str, encoding: str) -> None:
    text = "\r\n".join(map(delimiter.join, ROWS))
    path = _write(tmp_path, text.encode(encoding))
    columns = read_csv_columns(path, ("img", "ids"), delimiter=None, encoding=None)
    assert [tuple(columns.frame), *columns.frame.itertuples(index=False, name=None)] == ROWS
    assert columns.place(1) == f"{path}:3"
    told = " ".join(columns.notes)
    assert ("read as utf-16" in told) == encoding.startswith("utf-16")
    assert ("read as cp1252" in told) == (encoding == "cp1252")
    assert ("between its columns" in told) == (delimiter != ",")


def test_what_is_given_is_not_found_and_no_note(tmp_path: Path) -> None:
    path = _write(tmp_path, "img;ids,x\nZ\xfcrich.jpg;1,2\n".encode("latin-1"))
    columns = read_csv_columns(path, ("img",), delimiter=";", encoding="latin-1")
    assert (columns.frame["ids,x"].tolist(), columns.notes) == (["1,2"], ())
    assert columns.frame["img"].tolist() == ["Z\xfcrich.jpg"]


def test_a_text_that_cp1252_does_not_know_is_latin_1(tmp_path: Path) -> None:
    path = _write(tmp_path, b"img,ids\na\x81.jpg,1\n")
    columns = read_csv_columns(path, ("img",), delimiter=None, encoding=None)
    assert columns.frame["img"].tolist() == ["a\x81.jpg"]
    assert columns.notes == ("t.csv is read as latin-1, which is how it looks.",)


def test_a_delimiter_is_found_by_the_columns_that_must_be_there(tmp_path: Path) -> None:
    path = _write(tmp_path, 'img;ids;"a, b, c, d"\n1.jpg;7;"x;y"\n')
    columns = read_csv_columns(path, ("img", "ids"), delimiter=None)
    assert columns.frame["a, b, c, d"].tolist() == ["x;y"]


def test_a_column_that_is_not_there_says_which_key_names_it(tmp_path: Path) -> None:
    path = _write(tmp_path, "file;person\na.jpg;1\n")
    told = (
        r"t\.csv:1: there is no column 'img'; the header has 'file', 'person', read with "
        r"semicolons between the columns; `image_column` names another"
    )
    with pytest.raises(DataError, match=told):
        read_csv_columns(path, {"image_column": "img"}, delimiter=None)
    with pytest.raises(DataError, match="in double quotes where it holds a semicolon"):
        path = _write(tmp_path, "img;ids\na.jpg;1;2\n")
        read_csv_columns(path, ("img",), delimiter=None)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.csv: there is no such file$"):
        read_csv_columns(tmp_path / "gone.csv", ("img",))


def test_the_line_of_a_row_counts_blank_lines_and_quoted_line_ends(tmp_path: Path) -> None:
    path = _write(tmp_path, 'img,ids\n"a\nb",1\n\nc,2\n')
    columns = read_csv_columns(path, ("img", "ids"))
    assert columns.place(0) == f"{path}:2"
    assert columns.place(1) == f"{path}:5"


def test_attributes_that_are_all_numbers_become_numbers(tmp_path: Path) -> None:
    path = _write(tmp_path, "img,age,young,hair\na,1,,red\nb,2.5,-1,\n")
    attributes = read_csv_columns(path, ("img",)).attributes(without=("img",))
    assert attributes["age"].tolist() == [1, 2.5]
    assert attributes["young"].isna().tolist() == [True, False]
    assert attributes["hair"].tolist() == ["red", ""]


def test_guards_against_formulas_are_removed(tmp_path: Path) -> None:
    text = "img,ids,'=note\n'=1.jpg,O'Brien,'=x\n''@.jpg,-2,y\n"
    assert _read(tmp_path, text)["img"] == ["=1.jpg", "'@.jpg"]
    columns = read_csv_columns(_write(tmp_path, text), ("img", "ids"))
    assert columns.frame["ids"].tolist() == ["O'Brien", "-2"]
    assert "=note" in columns.frame


def test_a_hundred_thousand_columns_are_refused_at_once(tmp_path: Path) -> None:
    header = ",".join(f"c{number}" for number in range(100_000))
    began = time.process_time()
    with pytest.raises(DataError, match=r"t\.csv:1: 100,000 columns; at most 2,000 are read"):
        read_csv_columns(_write(tmp_path, f"img,ids,{header[8:]}\n"), ("img", "ids"))
    with pytest.raises(DataError) as caught:
        read_csv_columns(_write(tmp_path, f"{header[:7000]}\n"), ("img", "ids"))
    assert len(str(caught.value)) < 1000
    assert time.process_time() - began < 5
