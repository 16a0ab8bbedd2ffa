"""The celeba dataset: one official partition, or all, of the images that are there."""

from pathlib import Path
from typing import Any, Literal

import pytest

from facesim import DataError, datasets
from facesim_plugins.datasets.celeba import celeba as celeba_dataset
from facesim_plugins.datasets.celeba import suggest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "img_align_celeba").mkdir()
    for name in range(1, 6):
        (tmp_path / "img_align_celeba" / f"{name}.jpg").touch()
    (tmp_path / "identity_CelebA.txt").write_text("1.jpg 7\n2.jpg 7\n3.jpg 9\n4.jpg 9\n5.jpg 11\n")
    (tmp_path / "list_eval_partition.txt").write_text(
        "1.jpg 0\n2.jpg 0\n3.jpg 1\n4.jpg 1\n5.jpg 2\n"
    )
    return tmp_path


def test_it_is_registered() -> None:
    assert datasets.get("celeba").factory is celeba_dataset


@pytest.mark.parametrize(
    ("split", "files"),
    [
        ("train", ["1.jpg", "2.jpg"]),
        ("val", ["3.jpg", "4.jpg"]),
        ("test", ["5.jpg"]),
        ("all", ["1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg"]),
    ],
)
def test_a_split_holds_the_images_of_its_partition(
    root: Path, split: Literal["train", "val", "test", "all"], files: list[str]
) -> None:
    table = celeba_dataset(root=root, split=split)
    assert table.files.tolist() == files
    assert table.attributes.columns.empty


def test_attributes_come_along(root: Path) -> None:
    rows = "".join(f"{name}.jpg {1 if name == 4 else -1}\n" for name in range(1, 6))
    (root / "list_attr_celeba.txt").write_text("5\nMale\n" + rows)
    assert celeba_dataset(root=root, split="val").attributes["Male"].tolist() == [-1, 1]


def test_a_missing_image_names_the_line_of_the_identity_file(root: Path) -> None:
    (root / "img_align_celeba" / "4.jpg").unlink()
    with pytest.raises(DataError, match=r"identity_CelebA\.txt:4: .*4\.jpg does not exist"):
        celeba_dataset(root=root, split="val")
    table = celeba_dataset(root=root, split="val", missing="drop")
    assert table.files.tolist() == ["3.jpg"]
    assert len(table.notes) == 2


def test_no_images_at_all_say_how_to_get_them(root: Path) -> None:
    (root / "img_align_celeba").rename(root / "elsewhere")
    with pytest.raises(DataError, match=r"no such folder.*img_align_celeba\.zip.*Kaggle"):
        celeba_dataset(root=root, split="train")


def test_a_partition_that_is_not_there_names_its_file(root: Path) -> None:
    (root / "list_eval_partition.txt").unlink()
    with pytest.raises(DataError, match=r"no image belongs to .*'train'.*list_eval_partition"):
        celeba_dataset(root=root, split="train")
    assert len(celeba_dataset(root=root, split="all")) == 5


def test_the_real_subset_loads_what_is_there(celeba: Path) -> None:
    table = celeba_dataset(root=celeba, split="all", missing="drop")
    assert (len(table), len(table.labels)) == (5081, 240)
    assert "197,518 of 202,599 images" in table.notes[0]


def test_the_official_partition_is_recognised(root: Path) -> None:
    found = suggest(root)
    assert found is not None
    node = {"name": "celeba", "root": root}
    assert found.data == {split: node | {"split": split} for split in ("train", "val", "test")}
    assert (found.certain, found.notes) == (True, ())
    (root / "img_align_celeba" / "1.jpg").unlink()
    found = suggest(root)
    assert found is not None
    assert found.data["test"] == node | {"missing": "drop", "split": "test"}


def test_people_are_divided_anew_where_a_partition_has_no_image(root: Path) -> None:
    (root / "img_align_celeba" / "5.jpg").unlink()
    source = {"name": "celeba", "root": root, "missing": "drop", "split": "all"}
    for _ in range(2):
        found = suggest(root)
        assert found is not None
        assert (found.data, found.certain) == ({"source": source}, True)
        assert "people are divided anew" in found.notes[0]
        (root / "list_eval_partition.txt").unlink(missing_ok=True)


def test_what_is_missing_of_celeba_is_told(root: Path, tmp_path_factory: Any) -> None:
    other = tmp_path_factory.mktemp("other")
    assert suggest(other) is None
    with pytest.raises(DataError, match="did you mean"):
        suggest(root.parent)
    (root / "img_align_celeba").rename(other / "img_align_celeba")
    with pytest.raises(DataError, match="img_align_celeba: there is no such folder"):
        suggest(root)
    with pytest.raises(DataError, match="official files are not there"):
        suggest(other)
