"""Lists of pairs: read with errors by line, written so that they can be read again."""

import csv
from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from facesim.errors import DataError
from facesim.reporters import SilentReporter
from facesim.verifier.pair_list import read_pairs, verify_list, write_verdicts
from facesim.verifier.verifier import Unjudged, Verdict, load_pack
from tests.facesim.verifier.tiny_packs import write_faces, write_pack


def written(folder: Path, text: str) -> Path:
    (folder / "pairs.csv").write_text(text)
    return folder / "pairs.csv"


def test_other_columns_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    text = 'same,file2,file1\n1,b.png,a.png\n\n0,"d, e.png",\'=c.png\n'
    assert read_pairs(written(tmp_path, text)) == [("a.png", "b.png"), ("=c.png", "d, e.png")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the column 'file1' once"),
        ("file1,file1,file2\na,b,c\n", "the column 'file1' once"),
        ("file1,flie2\na,b\n", "did you mean 'flie2'"),
        ("file1,file2\n", "there are no pairs"),
        ("file1,file2\na,b\nc\n", r"pairs\.csv:3: 1 cells where the header has 2"),
        ('file1,file2\na,"b\n', "not a CSV file"),
        ("file1,file2\na,b\0c\n", "a null character|not a CSV file"),
    ],
)
def test_a_list_that_cannot_be_used_is_told(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_pairs(written(tmp_path, text))


def test_no_list_is_told(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_bytes(b"file1,file2\n\xff,b\n")
    for name in ("nowhere.csv", "", "pairs.csv"):
        with pytest.raises(DataError):
            read_pairs(tmp_path / name)


def test_a_pair_that_cannot_be_judged_is_a_row(tmp_path: Path) -> None:
    faces = write_faces(tmp_path / "faces")
    verifier = load_pack(write_pack(tmp_path / "pack"))
    pairs = [("p0/0.png", "p0/1.png"), ("p0/0.png", "=none.png"), ("p0/0.png", "p1/1.png")]
    verdicts = verify_list(verifier, pairs, faces, SilentReporter(), "eer")
    assert [type(each) for each in verdicts] == [Verdict, Unjudged, Verdict]
    write_verdicts(tmp_path / "out.csv", pairs, verdicts)
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["same"] for row in rows] == ["1", "", "0"]
    assert [row["file2"] for row in rows] == ["p0/1.png", "'=none.png", "p1/1.png"]
    first = verdicts[0]
    assert isinstance(first, Verdict)
    assert float(rows[0]["score"]) == pytest.approx(first.score, rel=1e-8)
    assert "there is no such file" in rows[1]["reason"]
    assert rows[1]["score"] == rows[1]["probability"] == ""


def test_a_row_with_an_empty_cell_leaves_the_others_judged(tmp_path: Path) -> None:
    faces = write_faces(tmp_path / "faces")
    verifier = load_pack(write_pack(tmp_path / "pack"))
    text = "file1,file2\n,p0/1.png\np0/0.png,p0/1.png\np0/0.png,\n"
    pairs = read_pairs(written(tmp_path, text))
    verdicts = verify_list(verifier, pairs, faces, SilentReporter(), "eer")
    assert [type(each) for each in verdicts] == [Unjudged, Verdict, Unjudged]
    assert verdicts[0] == Unjudged("the list names no file")
