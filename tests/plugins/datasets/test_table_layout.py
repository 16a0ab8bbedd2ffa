"""Which columns of a table hold the images, the identities and the splits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from facesim import DataError, Recognised, datasets
from facesim_plugins.datasets._table_layout import recognise_tables

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a table, and beside it the images ``faces/1.png`` to ``faces/4.png``."""

    def table(text: str, name: str = "people.csv") -> Path:
        (tmp_path / "faces").mkdir(exist_ok=True)
        for number in range(1, 5):
            (tmp_path / "faces" / f"{number}.png").touch()
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return table


def found_in(path: Path) -> Recognised:
    found = recognise_tables(path)
    assert found is not None
    for node in found.data.values():  # which is what it says to be readable
        datasets.spec(**node).build()
    return found


def source_of(path: Path) -> Any:
    node = dict(found_in(path).data["source"])
    assert node.pop("name") == "csv"
    assert node.pop("table") == path
    return node


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("img,ids\nfaces/1.png,a\nfaces/2.png,b\n", {}),
        ("img;ids\nfaces/1.png;a\nfaces/2.png;b\n", {}),
        (
            "age\tPerson\tpath\n3\ta\tfaces/1.png\n4\tb\tfaces/2.png\n",
            {"image_column": "path", "identity_column": "Person"},
        ),
        ("img,whoever\nfaces/1.png,a\nfaces/2.png,b\n", {"identity_column": "whoever"}),
        ("ids,label,img\na,1,faces/1.png\nb,1,faces/2.png\n", {}),
        ("img,name\n faces/1.png,a\nfaces/2.png,b\n", {"identity_column": "name"}),
        ("img,ids\nfaces/1.png,a\nfaces/9.png,b\nfaces/2.png,b\n", {}),
    ],
)  # fmt: skip
def test_columns_are_known_by_their_names_and_by_what_they_hold(
    write: Write, text: str, node: dict[str, Any]
) -> None:
    path = write(text)
    if "9.png" in text:
        with pytest.raises(DataError, match=r"9.png does not exist"):
            source_of(path)
    else:
        assert source_of(path) == node


def test_images_may_lie_in_a_folder_beside_the_table(write: Write, tmp_path: Path) -> None:
    (tmp_path / "another").mkdir()
    path = write("img,ids\n1.png,a\n2.png,b\n")
    assert source_of(path) == {"images": tmp_path / "faces"}


def test_absolute_paths_are_allowed_where_the_images_are_there(
    write: Write, tmp_path: Path
) -> None:
    faces = tmp_path / "faces"
    path = write(f"img,ids\n{faces}/1.png,a\n{faces}/2.png,b\n")
    assert source_of(path) == {"allow_absolute": True}
    told = "`allow_absolute` is written because people.csv has absolute paths: images are read"
    assert [note.startswith(told) for note in found_in(path).notes] == [True]
    path.rename(tmp_path / "train.csv")
    told = told.replace("people", "train")
    assert [note.startswith(told) for note in found_in(tmp_path).notes] == [False, True]


def test_a_column_split_divides_the_people(write: Write, tmp_path: Path) -> None:
    path = write("img,ids,split\nfaces/1.png,a,train\nfaces/2.png,b,val\nfaces/3.png,c,test\n")
    for named in (path, tmp_path):
        found = found_in(named)
        assert found == Recognised(
            "a table of images (`img`) and people (`ids`), divided by its column `split`",
            {"source": {"name": "csv", "table": path}},
            divided=True,
            certain=True,
        )


def test_a_table_of_each_split_is_taken(write: Write, tmp_path: Path) -> None:
    row = "img,ids\nfaces/{0}.png,{0}\n"
    tables = {
        split: write(row.format(number), f"{split}.csv")
        for number, split in enumerate(("train", "val", "test"), 1)
    }
    write("img,ids\n", "all.csv")
    found = found_in(tmp_path)
    assert found.data == {split: {"name": "csv", "table": it} for split, it in tables.items()}
    assert (found.certain, found.notes) == (True, ())
    tables["val"].unlink()
    found = found_in(tmp_path)
    assert {key: node["table"].stem for key, node in found.data.items()} == {
        "source": "train",
        "test": "test",
    }
    assert found.notes == ("No table is of val; people of train.csv are taken.",)


@pytest.mark.parametrize("suffix", ["parquet", "xlsx"])
def test_other_files_are_read_too(write: Write, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"people.{suffix}"
    pytest.importorskip("pyarrow" if suffix == "parquet" else "openpyxl")
    write("", "notes.txt")
    frame = pd.DataFrame({"image": ["faces/1.png", "faces/2.png"], "person": ["a", "b"]})
    frame.to_parquet(path) if suffix == "parquet" else frame.to_excel(path, index=False)
    expected = {"image_column": "image", "identity_column": "person"}
    assert source_of(path) == expected
    assert found_in(tmp_path) == found_in(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("img,ids\n1.jpg,a\n", "no column holds the paths of images.* are 'img', 'ids'"),
        ("img,a,b\nfaces/1.png,x,y\n", "who is on an image.* 'img', 'a', 'b', and 'img'"),
        ("img\nfaces/1.png\n", "which column says who is on an image"),
        ("", "it is empty"),
        ("img,ids\nfaces/1.png\n", "people.csv:2: 1 cells where the header has 2"),
        (f"img,ids\n{'x' * 5000},a\n", "no column holds the paths"),
    ],
)  # fmt: skip
def test_what_cannot_be_seen_is_asked(write: Write, text: str, message: str) -> None:
    path = write(text)
    for named in (path, path.parent):
        with pytest.raises(DataError, match=message):
            recognise_tables(named)


def test_of_several_tables_one_must_be_named(write: Write, tmp_path: Path) -> None:
    one = write("img,ids\nfaces/1.png,a\n", "one.csv")
    write("img,ids\nfaces/1.png,a\n", "two.csv")
    with pytest.raises(DataError, match=r"several tables, one\.csv, two\.csv; name the one"):
        recognise_tables(tmp_path)
    assert source_of(one) == {}


def test_other_things_are_not_tables(write: Write, tmp_path: Path) -> None:
    write("", "notes.txt")
    assert recognise_tables(tmp_path) is None
    assert recognise_tables(tmp_path / "faces" / "1.png") is None
    assert recognise_tables(tmp_path / "nowhere") is None
