"""Encoding and delimiter of a CSV file are found as they are."""

from pathlib import Path

import pytest

from facesim.data.csv_dialect import DELIMITERS, delimiter_of, encoding_of, read_text
from facesim.errors import DataError


@pytest.mark.parametrize(
    ("text", "written", "found"),
    [
        ("img,ids", "ascii", "utf-8"),
        ("Z\xfcrich", "utf-8", "utf-8"),
        ("Z\xfcrich", "utf-8-sig", "utf-8"),
        ("img", "utf-16", "utf-16"),
        ("img", "utf-16-le", "utf-16"),
        ("img", "utf-16-be", "utf-16"),
        ("Z\xfcrich \u20ac", "cp1252", "cp1252"),
        ("\x81", "latin-1", "latin-1"),
    ],
)
def test_the_encoding_is_found(tmp_path: Path, text: str, written: str, found: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(written))
    encoding = encoding_of(path.read_bytes())
    assert encoding == found
    assert read_text(path, encoding) == text


def test_what_is_not_in_the_given_encoding_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"img,ids\na.jpg,\x81\n")
    with pytest.raises(DataError, match=r"t\.csv:2: not CP1252 .*save it as UTF-8"):
        read_text(path, "cp1252")


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_the_delimiter_is_that_of_the_required_columns_or_of_most(delimiter: str) -> None:
    others = "".join(each for each in DELIMITERS if each != delimiter)
    header = delimiter.join(("img", f'"{others * 9}"', "ids"))
    assert delimiter_of(f"\n{header}\n", ("img", "ids")) == delimiter
    assert delimiter_of(delimiter.join(("file", "who", "age")), ("img", "ids")) == delimiter
