"""CelebA's official files are read in every format they come in, or refused with file and line."""

from pathlib import Path

import numpy as np
import pytest

from facesim import DataError
from facesim_plugins.datasets._celeba_files import read_celeba

IDENTITY = "1.jpg 7\n2.jpg 12\n3.jpg 7\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    (folder / "identity_CelebA.txt").write_text(IDENTITY)
    (folder / "list_eval_partition.txt").write_text("1.jpg 0\n2.jpg 2\n3.jpg 0\n")
    return folder


@pytest.mark.parametrize(
    "text",
    [
        IDENTITY,
        IDENTITY.rstrip(),
        "image_id identity\n" + IDENTITY,
        "\ufeff" + IDENTITY.replace("\n", "\r\n"),
        "1.jpg   7 \n\n2.jpg\t12\n 3.jpg 7\n",
    ],
)
def test_the_identity_file_reads_the_same_in_any_format(root: Path, text: str) -> None:
    (root / "identity_CelebA.txt").write_bytes(text.encode())
    data = read_celeba(root)
    assert data.files.tolist() == ["1.jpg", "2.jpg", "3.jpg"]
    assert data.labels.tolist() == ["7", "12", "7"]
    assert data.partition.tolist() == [0, 2, 0]
    assert data.notes == ()


def test_rows_of_one_file_only_are_counted(root: Path) -> None:
    (root / "list_eval_partition.txt").write_text("3.jpg 1\n4.jpg 0\n5.jpg 0\n")
    data = read_celeba(root)
    assert data.partition.tolist() == [-1, -1, 1]
    assert data.notes == (
        "Rows of list_eval_partition.txt without an identity, left out: 2.",
        "Images with an identity but no row in list_eval_partition.txt: 2.",
    )


def test_the_partition_file_may_be_absent(root: Path) -> None:
    (root / "list_eval_partition.txt").unlink()
    assert read_celeba(root).partition.tolist() == [-1, -1, -1]


def test_attributes_follow_the_identity_file_row_by_row(root: Path) -> None:
    (root / "list_attr_celeba.txt").write_text(
        "3\nMale Young \n3.jpg  1 -1\n1.jpg -1  1\n2.jpg -1 -1\n"
    )
    attributes = read_celeba(root).attributes
    assert attributes.to_dict("list") == {"Male": [-1, -1, 1], "Young": [1, -1, -1]}
    assert attributes.index.tolist() == [0, 1, 2]
    assert set(attributes.dtypes) == {np.dtype(np.int8)}


def test_the_csv_files_of_the_kaggle_archive_are_read(root: Path) -> None:
    (root / "list_eval_partition.txt").unlink()
    (root / "list_eval_partition.csv").write_text("image_id,partition\n1.jpg,0\n2.jpg,1\n3.jpg,2\n")
    (root / "list_attr_celeba.csv").write_text("image_id,Male\n1.jpg,1\n2.jpg,-1\n3.jpg,1\n")
    (root / "img_align_celeba" / "img_align_celeba").mkdir()
    data = read_celeba(root)
    assert data.images == root / "img_align_celeba" / "img_align_celeba"
    assert data.partition.tolist() == [0, 1, 2]
    assert data.attributes.to_dict("list") == {"Male": [1, -1, 1]}


def test_images_without_attributes_are_counted(root: Path) -> None:
    (root / "list_attr_celeba.txt").write_text("1\nMale\n2.jpg 1\n")
    data = read_celeba(root)
    assert data.attributes["Male"].isna().tolist() == [True, False, True]
    assert data.notes == (
        "Images without a row in list_attr_celeba.txt, whose attributes are empty: 2.",
    )


def test_the_place_of_a_row_counts_header_and_blank_lines(root: Path) -> None:
    (root / "identity_CelebA.txt").write_text("image identity\n1.jpg 7\n\n2.jpg 7\n")
    assert read_celeba(root).place(1) == f"{root}/identity_CelebA.txt:4"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("identity_CelebA.txt", "", "it has no rows"),
        ("identity_CelebA.txt", "image_id identity\n", "it has no rows"),
        ("identity_CelebA.txt", "1.jpg 7\n2.jpg\n", r":2: 1 cells where 2 are expected"),
        ("identity_CelebA.txt", "1.jpg 7\n2.jpg 7 8\n", r":2: 3 cells where 2 are expected"),
        ("identity_CelebA.txt", "1.jpg 7 8 9\n2.jpg 7\n", r":1: 4 cells where 2 are expected"),
        ("identity_CelebA.txt", "1.jpg 7 8 9\n2.jpg 7 8 9\n", r":1: 4 cells where 2 are"),
        ("identity_CelebA.txt", "1.jpg 7\n2.jpg x\n", r":2: 'x' is not a whole number"),
        ("identity_CelebA.txt", "1.jpg 7\n\n1.jpg 8\n", r":3: the image '1.jpg' is in .*:1"),
        ("identity_CelebA.txt", b"1.jpg 7\n\xff 8\n", r":2: not UTF-8"),
        ("list_eval_partition.txt", "1.jpg 0\n2.jpg 3\n", r":2: '3' is not 0 \(train\)"),
        ("list_eval_partition.txt", "1.jpg 0\n1.jpg 0\n", r":2: the image '1.jpg' is in"),
        ("list_attr_celeba.txt", "2\nA B\n1.jpg 1 1\n2.jpg 1\n", r":4: 2 cells where 3 are"),
        ("list_attr_celeba.txt", "2\nA B\n1.jpg 1 1\n2.jpg 1 0\n", r":4: '0' is not -1 or 1"),
        ("list_attr_celeba.txt", "9\nA\n1.jpg 1\n", r":1: it announces 9 rows and has 1"),
        ("list_attr_celeba.txt", "A\n", "it has no rows"),
        ("list_attr_celeba.txt", "2\nA A\n1.jpg 1 1\n", r":2: a column is there twice"),
        ("list_attr_celeba.txt", "\u00b2\n", "it has no rows"),
        (
            "list_attr_celeba.txt",
            " ".join(map(str, range(9000))) + "\n",
            "there are more than 2,000",
        ),
    ],
)
def test_a_malformed_file_is_refused_with_its_line(
    root: Path, name: str, text: str | bytes, message: str
) -> None:
    (root / name).write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(DataError, match=name + r".*" + message):
        read_celeba(root)


def test_a_wrong_root_says_what_is_expected_and_where_it_may_be(root: Path) -> None:
    with pytest.raises(DataError, match=rf"did you mean '{root}'.*expected in it are identity_"):
        read_celeba(root.parent)
    with pytest.raises(DataError, match=rf"did you mean '{root}'"):
        read_celeba(root / "img_align_celeba")
    (root.parent / "a").mkdir()
    (root.parent / "a" / "identity_CelebA.txt").mkdir()  # which is no such file
    with pytest.raises(DataError, match=rf"did you mean '{root}'"):
        read_celeba(root.parent)
    with pytest.raises(DataError, match=r"not there; expected.*Kaggle.*--download"):
        read_celeba(root / "nowhere" / "at all")


def test_the_real_files_have_their_published_numbers(celeba: Path) -> None:
    data = read_celeba(celeba)
    assert len(data.files) == 202_599
    assert len(set(data.labels)) == 10_177
    assert np.bincount(data.partition).tolist() == [162_770, 19_867, 19_962]
    assert data.notes == ()
