"""``scores.csv`` as arrays."""

from pathlib import Path

import numpy as np
import pytest

from facesim.errors import DataError
from facesim.interfaces import FaceTable
from facesim.runs.scored_pairs import NamedPairs, read_scored_pairs, rows_of

TABLE = FaceTable(Path(), np.array(["a.png", "b.png", "NA"]), np.array([0, 0, 1]), np.array("xy"))


def read(folder: Path, text: str) -> NamedPairs:
    path = folder / "scores.csv"
    path.write_text(text)
    pairs = read_scored_pairs(path)
    assert pairs is not None
    return pairs


def test_scores_stand_with_their_files_and_a_fold_is_left_out(tmp_path: Path) -> None:
    text = "file1,file2,same,score,fold\na.png,b.png,1,0.5,0\nNA,a.png,0,-2.5,1\n"
    pairs = read(tmp_path, text)
    assert pairs.files.tolist() == [["a.png", "b.png"], ["NA", "a.png"]]
    assert pairs.same.tolist() == [True, False]
    assert pairs.scores.tolist() == [0.5, -2.5]
    assert pairs.probabilities is None
    assert rows_of(pairs, TABLE).tolist() == [[0, 1], [2, 0]]


def test_probabilities_are_read_where_there_are_some(tmp_path: Path) -> None:
    pairs = read(tmp_path, "file1,file2,same,score,probability\na.png,b.png,1,0.5,0.75\n")
    assert pairs.probabilities is not None
    assert pairs.probabilities.tolist() == [0.75]


def test_no_file_is_no_pairs(tmp_path: Path) -> None:
    assert read_scored_pairs(tmp_path / "scores.csv") is None


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="score"):
        read(tmp_path, "file1,file2,same\na.png,b.png,1\n")


def test_a_file_that_left_the_table_is_named(tmp_path: Path) -> None:
    pairs = read(tmp_path, "file1,file2,same,score\na.png,gone.png,1,0.5\n")
    with pytest.raises(DataError, match=r"'gone\.png'"):
        rows_of(pairs, TABLE)


def test_the_same_pairs_are_the_same_whatever_their_scores(tmp_path: Path) -> None:
    first = read(tmp_path, "file1,file2,same,score\na.png,b.png,1,0.5\n")
    second = read(tmp_path, "file1,file2,same,score\na.png,b.png,1,0.9\n")
    other = read(tmp_path, "file1,file2,same,score\nb.png,a.png,1,0.5\n")
    assert first.same_pairs_as(second)
    assert not first.same_pairs_as(other)
