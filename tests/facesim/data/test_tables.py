from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facesim.data.tables import build_table, drop_images
from facesim.errors import DataError
from facesim.interfaces import FaceTable, PairSet


def _column(*values: str) -> np.ndarray:
    return np.array(values, dtype=object)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a.jpg", "deep/er/c.jpg", "deep/d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_identities_are_coded_by_the_sorted_order_of_their_labels(root: Path) -> None:
    table = build_table(
        root, _column("b.jpg", "a.jpg", "deep/er/c.jpg"), _column("zoe", "Ann", "zoe")
    )
    assert table.identities.tolist() == [1, 0, 1]
    assert table.identities.dtype == np.int64
    assert table.labels.tolist() == ["Ann", "zoe"]
    assert table.files.tolist() == ["b.jpg", "a.jpg", "deep/er/c.jpg"]
    assert table.path(2) == root / "deep/er/c.jpg"


OUTSIDE = ["/etc/a.jpg", "/a.jpg", "../a.jpg", "deep/../a.jpg", "deep/../../a.jpg", "C:/a.jpg"]


@pytest.mark.parametrize("path", [*OUTSIDE, "./a.jpg", "deep//d.jpg", "deep/./d.jpg"])
def test_a_path_that_is_not_plainly_below_the_root_is_refused(root: Path, path: str) -> None:
    with pytest.raises(DataError, match=r"row 1: the path '.*' is not below the folder"):
        build_table(root, _column("a.jpg", path), _column("1", "2"))


@pytest.mark.parametrize("path", ["deep", "deep/..", "deep/er", "..", "deep\\d.jpg", "a.jpg/x"])
def test_what_is_no_file_below_the_root_is_missing(root: Path, path: str) -> None:
    with pytest.raises(DataError, match="does not exist"):
        build_table(root, _column("a.jpg", path), _column("1", "2"))


def test_an_image_twice_names_both_rows(root: Path) -> None:
    with pytest.raises(DataError, match=r"row 2: the image 'b.jpg' is in row 0 already"):
        build_table(root, _column("b.jpg", "a.jpg", "b.jpg"), _column("1", "2", "2"))


def test_a_missing_image_is_an_error_that_says_where_and_how_many(root: Path) -> None:
    files = _column("a.jpg", "gone.jpg", "nowhere/e.jpg")
    with pytest.raises(DataError, match=r"t\.csv:3: .*gone\.jpg does not exist; of 3 images 2"):
        build_table(root, files, _column("1", "2", "3"), place=lambda row: f"t.csv:{row + 2}")


def test_dropped_images_are_counted_and_their_identities_too(root: Path) -> None:
    files = _column("gone.jpg", "b.jpg", "gone2.jpg", "a.jpg")
    attributes = pd.DataFrame({"age": [1, 2, 3, 4]})
    table = build_table(
        root, files, _column("x", "y", "y", "y"), attributes=attributes, missing="drop"
    )
    assert table.files.tolist() == ["b.jpg", "a.jpg"]
    assert table.labels.tolist() == ["y"]
    assert table.attributes["age"].tolist() == [2, 4]
    assert table.attributes.index.tolist() == [0, 1]
    [note] = table.notes
    assert "2 of 4 images (the first: gone.jpg)" in note
    assert "all images of 1 identity" in note


def test_identities_with_one_image_are_kept_and_counted(root: Path) -> None:
    table = build_table(
        root, _column("b.jpg", "a.jpg", "deep/d.jpg"), _column("1", "2", "2"), notes=("Before.",)
    )
    assert len(table) == 3
    assert table.notes[0] == "Before."
    assert "impostor pairs only: 1 of 2" in table.notes[1]


def test_a_table_with_nothing_to_say_has_no_notes(root: Path) -> None:
    assert build_table(root, _column("b.jpg", "a.jpg"), _column("1", "1")).notes == ()


def test_dropping_everything_is_an_error(root: Path) -> None:
    with pytest.raises(DataError, match="has none of the table's images, 1 in all"):
        build_table(root, _column("gone.jpg"), _column("1"), missing="drop")


def test_a_root_that_is_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: there is no such folder"):
        build_table(tmp_path / "nowhere", _column("a.jpg"), _column("1"))


def test_a_linked_image_and_a_linked_folder_count_as_present(root: Path, tmp_path: Path) -> None:
    (root / "link.jpg").symlink_to(root / "a.jpg")
    (root / "linked").symlink_to(root / "deep")
    table = build_table(root, _column("link.jpg", "linked/d.jpg"), _column("1", "1"))
    assert len(table) == 2


def excluded(table: FaceTable, *files: str) -> FaceTable:
    return drop_images(table, files, "leaks.csv, {}".format)


def test_dropped_images_leave_the_others_and_their_people(root: Path) -> None:
    table = build_table(
        root,
        _column("b.jpg", "a.jpg", "deep/er/c.jpg", "deep/d.jpg"),
        _column("zoe", "Ann", "zoe", "Max"),
        attributes=pd.DataFrame({"age": [1, 2, 3, 4]}),
    )
    left = excluded(table, "a.jpg", "deep/er/c.jpg")
    assert left.files.tolist() == ["b.jpg", "deep/d.jpg"]
    assert left.labels[left.identities].tolist() == ["zoe", "Max"]
    assert left.labels.tolist() == ["Max", "zoe"]
    assert left.attributes["age"].tolist() == [1, 4]
    assert left.notes[-1] == "Excluded by data.exclude: 2 of 4 images (the first: a.jpg)."


def test_dropped_images_take_the_pairs_along_that_hold_them(root: Path) -> None:
    table = build_table(root, _column("a.jpg", "b.jpg", "deep/d.jpg"), _column("Ann", "Ann", "zoe"))
    pairs = PairSet(
        np.array([[0, 1], [1, 2], [0, 2]]), np.array([True, False, False]), np.array([0, 0, 1])
    )
    left = excluded(replace(table, pairs=pairs), "a.jpg")
    assert left.pairs is not None
    assert left.pairs.rows.tolist() == [[0, 1]]
    assert left.pairs.same.tolist() == [False]
    assert left.pairs.fold is not None
    assert left.pairs.fold.tolist() == [0]
    assert left.notes[-1] == "With them go 2 of the dataset's own pairs."


def test_an_image_that_is_not_there_cannot_be_dropped(root: Path) -> None:
    table = build_table(root, _column("a.jpg", "deep/d.jpg"), _column("Ann", "zoe"))
    with pytest.raises(
        DataError, match=r"^leaks\.csv, deep/c\.jpg: 'deep/c\.jpg' is no image .* mean"
    ):
        excluded(table, "a.jpg", "deep/c.jpg")


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("a\rb.jpg", r"'a\\x0db.jpg' holds the control character \x0d; rename the file"),
        ("a\nb.jpg", "holds the control character"),
        ("a\x1bb.jpg", r"control character \x1b"),
        ("a\udcffb.jpg", "has bytes that are not UTF-8; rename the file"),
    ],
)
def test_a_name_that_no_line_of_text_can_hold_is_refused_with_its_row(
    root: Path, name: str, fault: str
) -> None:
    (root / name).touch()
    with pytest.raises(DataError) as caught:
        build_table(
            root, _column("a.jpg", name), _column("1", "2"), place=lambda row: f"t.csv:{row + 2}"
        )
    assert str(caught.value).startswith("t.csv:3: the path of the image ")
    assert fault in str(caught.value)
    with pytest.raises(DataError, match=r"row 1: the label of an identity .*; write it without"):
        build_table(root, _column("a.jpg", "b.jpg"), _column("1", name))
