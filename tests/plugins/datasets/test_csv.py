"""The csv dataset: images and identities from two columns, the others kept."""

from pathlib import Path

import pytest

from facesim import DataError, datasets
from facesim_plugins.datasets.csv import csv


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (folder / name).touch()
    return folder


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "train.csv"
    path.write_text(text)
    return path


def test_it_is_registered() -> None:
    assert datasets.get("csv").factory is csv


def test_other_columns_become_attributes(tmp_path: Path, images: Path) -> None:
    table = csv(images=images, table=_write(tmp_path, "age,img,ids\n30,a.jpg,7\n40,b.jpg,12\n"))
    assert table.root == images
    assert table.files.tolist() == ["a.jpg", "b.jpg"]
    assert table.labels.tolist() == ["12", "7"]
    assert table.identities.tolist() == [1, 0]
    assert table.attributes.to_dict("list") == {"age": [30, 40]}


def test_the_columns_may_have_other_names(tmp_path: Path, images: Path) -> None:
    path = _write(tmp_path, "who,file\nx,a.jpg\nx,b.jpg\n")
    table = csv(images=images, table=path, image_column="file", identity_column="who")
    assert table.labels.tolist() == ["x"]
    assert table.attributes.columns.empty


def test_a_missing_image_names_the_line_of_its_row(tmp_path: Path, images: Path) -> None:
    path = _write(tmp_path, "img,ids\na.jpg,1\n\ngone.jpg,2\n")
    with pytest.raises(DataError, match=r"train\.csv:4: .*gone\.jpg does not exist"):
        csv(images=images, table=path)


def test_missing_images_may_be_dropped_and_are_counted(tmp_path: Path, images: Path) -> None:
    path = _write(tmp_path, "img,ids\na.jpg,1\ngone.jpg,1\nb.jpg,1\n")
    table = csv(images=images, table=path, missing="drop")
    assert table.files.tolist() == ["a.jpg", "b.jpg"]
    assert "1 of 3 images" in table.notes[0]


def test_a_path_that_leaves_the_folder_names_its_line(tmp_path: Path, images: Path) -> None:
    with pytest.raises(DataError, match=r"train\.csv:3: the path '\.\./a\.jpg'"):
        csv(images=images, table=_write(tmp_path, "img,ids\na.jpg,1\n../a.jpg,2\n"))


def test_an_image_twice_names_both_lines(tmp_path: Path, images: Path) -> None:
    with pytest.raises(DataError, match=r"train\.csv:4: .*is in .*train\.csv:2 already"):
        csv(images=images, table=_write(tmp_path, "img,ids\na.jpg,1\nb.jpg,1\na.jpg,2\n"))


def test_the_real_faces_have_their_published_numbers(celeba: Path) -> None:
    table = csv(images=celeba / "img_align_celeba", table=celeba / "train.csv")
    assert (len(table), len(table.labels)) == (3510, 170)
    assert table.path(0).is_file()
