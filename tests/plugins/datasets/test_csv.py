"""The csv dataset: images and identities from two columns, the others kept."""

import re
from pathlib import Path

import pandas as pd
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


def test_without_a_folder_paths_are_relative_to_the_table(tmp_path: Path, images: Path) -> None:
    table = csv(table=_write(tmp_path, "img,ids\nimages/a.jpg,1\nimages/b.jpg,2\n"))
    assert (table.root, table.files.tolist()) == (tmp_path, ["images/a.jpg", "images/b.jpg"])
    with pytest.raises(
        DataError, match=r"train\.csv:2: the path '\.\./images/a\.jpg' is not below"
    ):
        csv(table=_write(images, "img,ids\n../images/a.jpg,1\n"))


def test_an_absolute_path_names_its_line_and_the_key_that_allows_it(
    tmp_path: Path, images: Path
) -> None:
    path = _write(tmp_path, f"img,ids\nimages/a.jpg,1\n{images}/b.jpg,2\n")
    told = (
        r"train\.csv:3: img: the path '/.*b\.jpg' is absolute; .* allow it: `allow_absolute: true`"
    )
    with pytest.raises(DataError, match=told):
        csv(table=path)
    told = f"relative to {tmp_path}, or allow it: `allow_absolute: true` beside `table`"
    with pytest.raises(DataError, match=re.escape(told)):
        csv(table=path)
    with pytest.raises(DataError, match=r"train\.csv:2: img: the path 'C:.*' is absolute"):
        csv(table=_write(tmp_path, "img,ids\nC:\\faces\\a.jpg,1\n"))


def test_absolute_paths_are_named_from_the_deepest_folder_that_holds_them(
    tmp_path: Path, images: Path
) -> None:
    other = tmp_path / "more" / "faces"
    other.mkdir(parents=True)
    (other / "d.jpg").touch()
    rows = f"img,ids\nimages/a.jpg,1\n{images}/b.jpg,2\n{other}/d.jpg,2\n"
    table = csv(table=_write(tmp_path, rows), allow_absolute=True)
    assert table.root == tmp_path
    assert table.files.tolist() == ["images/a.jpg", "images/b.jpg", "more/faces/d.jpg"]
    table = csv(table=_write(tmp_path, f"img,ids\n{other}/d.jpg,1\n"), allow_absolute=True)
    assert (table.root, table.files.tolist()) == (other, ["d.jpg"])


def test_an_allowed_absolute_path_is_written_plainly_and_once(tmp_path: Path, images: Path) -> None:
    rows = f"img,ids\n{images}/a.jpg,1\n{images}/../images/b.jpg,2\n"
    with pytest.raises(DataError, match=r"train\.csv:3: .* without '\.\.', '\.' or '//'"):
        csv(table=_write(tmp_path, rows), allow_absolute=True)
    with pytest.raises(DataError, match=r"train\.csv:3: .*is in .*train\.csv:2 already"):
        rows = f"img,ids\nimages/a.jpg,1\n{images}/a.jpg,2\n"
        csv(table=_write(tmp_path, rows), allow_absolute=True)


@pytest.mark.parametrize("path", ["C:/x/a.png", r"C:\x\a.png", r"\\server\faces\a.png"])
def test_a_path_of_windows_names_its_line(tmp_path: Path, images: Path, path: str) -> None:
    told = r"train\.csv:3: img: '.*a\.png' is a path of Windows, which leads nowhere"
    for first in (f"{images}/b.jpg", "images/b.jpg"):
        with pytest.raises(DataError, match=told):
            csv(table=_write(tmp_path, f"img,ids\n{first},1\n{path},2\n"), allow_absolute=True)
    with pytest.raises(DataError, match=r"train\.csv:2: .* is a path of Windows"):
        csv(table=_write(tmp_path, f"img,ids\n{path},2\n"), allow_absolute=True)


def test_what_was_found_of_a_file_is_a_note(tmp_path: Path, images: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_bytes("img;ids\na.jpg;J\xfcrgen\nb.jpg;J\xfcrgen\n".encode("cp1252"))
    table = csv(images=images, table=path)
    assert table.labels.tolist() == ["J\xfcrgen"]
    assert table.notes[0].startswith("train.csv is read as cp1252 and with semicolons between")
    assert csv(images=images, table=path, delimiter=";", encoding="cp1252").notes == ()


def test_parquet_and_excel_are_the_same_table(tmp_path: Path, images: Path) -> None:
    frame = pd.DataFrame({"img": ["a.jpg", "b.jpg"], "ids": [7, 12], "age": [30, 40]})
    frame.to_parquet(tmp_path / "people.parquet")
    frame.to_excel(tmp_path / "people.xlsx", index=False)
    for name in ("people.parquet", "people.xlsx"):
        table = csv(images=images, table=tmp_path / name)
        assert (table.files.tolist(), table.labels.tolist()) == (["a.jpg", "b.jpg"], ["12", "7"])
        assert table.attributes.to_dict("list") == {"age": [30, 40]}
    frame.assign(img=["a.jpg", "gone.jpg"]).to_parquet(tmp_path / "people.parquet")
    with pytest.raises(DataError, match=r"people\.parquet: row 2: .*gone\.jpg does not exist"):
        csv(images=images, table=tmp_path / "people.parquet")


def test_an_image_twice_names_both_lines(tmp_path: Path, images: Path) -> None:
    with pytest.raises(DataError, match=r"train\.csv:4: .*is in .*train\.csv:2 already"):
        csv(images=images, table=_write(tmp_path, "img,ids\na.jpg,1\nb.jpg,1\na.jpg,2\n"))


def test_the_real_faces_have_their_published_numbers(celeba: Path) -> None:
    table = csv(images=celeba / "img_align_celeba", table=celeba / "train.csv")
    assert (len(table), len(table.labels)) == (3510, 170)
    assert table.path(0).is_file()
