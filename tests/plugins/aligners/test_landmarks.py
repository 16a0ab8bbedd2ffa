"""Landmarks from files: CSV and CelebA's list, by file name."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesim import Aligner, DataError, Face, Photograph, aligners

HEADER = (
    "file,left_eye_x,left_eye_y,right_eye_x,right_eye_y,nose_x,nose_y,"
    "left_mouth_x,left_mouth_y,right_mouth_x,right_mouth_y"
)
POINTS = [[10, 20], [30, 20], [20, 30], [12, 40], [28, 40]]
CELLS = ",".join(str(each) for point in POINTS for each in point)
CELEBA_HEADER = (
    "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y "
    "leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
)


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def build(file: Path, **parameters: Any) -> Aligner:
    return aligners.spec("landmarks", file=file, **parameters).build()


def faces(aligner: Aligner, path: str) -> list[Face]:
    return list(aligner.find(Photograph(np.zeros((60, 50, 3), np.uint8), Path(path))))


def test_a_row_of_a_csv_file_is_a_face(tmp_path: Path) -> None:
    aligner = build(written(tmp_path / "a.csv", HEADER, f"1.jpg,{CELLS}"))
    (face,) = faces(aligner, "/photographs/1.jpg")
    assert face.landmarks.tolist() == POINTS
    # The points span 20 x 20 pixels; the box is twice as wide and high.
    assert list(face.box) == [0, 10, 40, 50]
    assert face.confidence == 1
    assert faces(aligner, "/photographs/2.jpg") == []


def test_a_box_and_a_confidence_are_read_if_they_are_there(tmp_path: Path) -> None:
    file = written(
        tmp_path / "a.csv",
        f"{HEADER},left,top,right,bottom,confidence",
        f"1.jpg,{CELLS},1,2,40.5,50,0.75",
        f"2.jpg,{CELLS},,,,,",
    )
    (face,) = faces(build(file), "1.jpg")
    assert [*face.box, face.confidence] == [1, 2, 40.5, 50, 0.75]
    (face,) = faces(build(file), "2.jpg")
    assert [*face.box, face.confidence] == [0, 10, 40, 50, 1]


def test_rows_of_one_name_are_several_faces_and_one_without_points_is_none(tmp_path: Path) -> None:
    other = CELLS.replace("10,20", "11,21")
    file = written(
        tmp_path / "a.csv", HEADER, f"1.jpg,{CELLS}", f"1.jpg,{other}", "2.jpg" + "," * 10
    )
    aligner = build(file)
    assert [face.landmarks[0].tolist() for face in faces(aligner, "1.jpg")] == [[10, 20], [11, 21]]
    assert faces(aligner, "2.jpg") == []


def test_points_that_are_missing_are_nan(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", HEADER, "1.jpg,10,20,30,20,20,30,,,,")
    (face,) = faces(build(file), "1.jpg")
    assert np.isfinite(face.landmarks).all(axis=1).tolist() == [True, True, True, False, False]


def test_columns_may_be_those_of_other_tables(tmp_path: Path) -> None:
    header = HEADER.replace("file", "image_id").replace("left_", "left").replace("right_", "right")
    file = written(tmp_path / "a.csv", header, f"1.jpg,{CELLS}")
    (face,) = faces(build(file, file_column="image_id"), "1.jpg")
    assert face.landmarks.tolist() == POINTS


@pytest.mark.parametrize("columns", [CELEBA_HEADER, CELEBA_HEADER.replace(" ", "  ")])
def test_celebas_own_list_is_read(tmp_path: Path, columns: str) -> None:
    cells = CELLS.replace(",", "  ")
    file = written(tmp_path / "list_landmarks_celeba.txt", "1", columns, f"000001.jpg  {cells}")
    (face,) = faces(build(file), "in_the_wild/000001.jpg")
    assert face.landmarks.tolist() == POINTS


def test_the_name_with_the_most_folders_counts(tmp_path: Path) -> None:
    file = written(
        tmp_path / "a.csv",
        HEADER,
        f"1.jpg,{CELLS}",
        f"ann/1.jpg,{CELLS.replace('10,20', '11,21')}",
        f"bob/1.jpg,{CELLS.replace('10,20', '12,22')}",
    )
    aligner = build(file)
    firsts = {
        path: faces(aligner, path)[0].landmarks[0].tolist()
        for path in ("/p/ann/1.jpg", "/p/bob/1.jpg", "/p/cy/1.jpg")
    }
    assert firsts == {"/p/ann/1.jpg": [11, 21], "/p/bob/1.jpg": [12, 22], "/p/cy/1.jpg": [10, 20]}


def test_a_row_without_points_is_not_passed_over_for_a_shorter_name(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", HEADER, f"1.jpg,{CELLS}", "bob/1.jpg" + "," * 10)
    aligner = build(file)
    assert faces(aligner, "/p/bob/1.jpg") == []
    assert len(faces(aligner, "/p/ann/1.jpg")) == 1


def test_a_photograph_without_a_file_cannot_be_looked_up(tmp_path: Path) -> None:
    aligner = build(written(tmp_path / "a.csv", HEADER, f"1.jpg,{CELLS}"))
    assert not aligner.content_only
    with pytest.raises(DataError, match="it is in memory, and has no file name"):
        aligner.find(Photograph(np.zeros((60, 50, 3), np.uint8)))


def test_another_content_has_another_fingerprint(tmp_path: Path) -> None:
    first = build(written(tmp_path / "a.csv", HEADER, f"1.jpg,{CELLS}"))
    same = build(written(tmp_path / "b.csv", HEADER, f"1.jpg,{CELLS}"))
    other = build(written(tmp_path / "c.csv", HEADER, f"1.jpg,{CELLS[:-1]}1"))
    assert first.fingerprint == same.fingerprint != other.fingerprint
    assert len(faces(pickle.loads(pickle.dumps(first)), "1.jpg")) == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            (HEADER.replace("nose_x", "nose"), f"1.jpg,{CELLS}"),
            r"a\.csv: there is no column 'nose_x'",
        ),
        ((HEADER.replace("file", "path"), f"1.jpg,{CELLS}"), "there is no column 'file'"),
        ((HEADER, f"0.jpg,{CELLS}", f"1.jpg,{CELLS[:-2]}x"), r"a\.csv:3: right_mouth_y is 'x'"),
        ((HEADER, f"1.jpg,{CELLS[:-2]}inf"), r"a\.csv:2: right_mouth_y is 'inf', not a number"),
        ((HEADER, "1.jpg,1,2" + "," * 8), r"a\.csv:2: two distinct landmarks are needed"),
        (
            (f"{HEADER},left,top,right,bottom", f"1.jpg,{CELLS},5,5,1,9"),
            r"a\.csv:2: the box .* is \(5\.0, 5\.0, 1\.0, 9\.0\)",
        ),
    ],
)
def test_what_is_wrong_in_a_csv_file_is_named_with_its_line(
    tmp_path: Path, lines: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        build(written(tmp_path / "a.csv", *lines))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("000001.jpg 1 2 3 4 5 6 7 8 9 10",), "it is not CelebA's list of landmarks"),
        (("1", CELEBA_HEADER, "000001.jpg 1 2 3"), r"a\.txt:3: 4 cells where 11 are expected"),
        (
            ("1", CELEBA_HEADER, "000001.jpg 1 2 x 4 5 6 7 8 9 10"),
            r"a\.txt:3: right_eye_x is 'x', not a number",
        ),
        ((), "it is not CelebA's list of landmarks"),
    ],
)
def test_what_is_wrong_in_celebas_list_is_named_with_its_line(
    tmp_path: Path, lines: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        build(written(tmp_path / "a.txt", *lines))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: there is no such file"):
        build(tmp_path / "none.csv")
