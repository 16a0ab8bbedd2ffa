"""The folder dataset: the name of a subfolder is the identity of the images below it."""

from pathlib import Path

import pytest

from facesim import DataError, datasets
from facesim_plugins.datasets.folder import folder, suggest


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_it_is_registered() -> None:
    assert datasets.get("folder").factory is folder


def test_each_subfolder_is_an_identity(tmp_path: Path) -> None:
    _touch(tmp_path, "zoe/2.png", "zoe/1.JPG", "ann/x.jpeg", "ann/deep/er/y.webp")
    table = folder(root=tmp_path)
    assert table.files.tolist() == ["ann/deep/er/y.webp", "ann/x.jpeg", "zoe/1.JPG", "zoe/2.png"]
    assert table.labels.tolist() == ["ann", "zoe"]
    assert table.identities.tolist() == [0, 0, 1, 1]
    assert table.notes == ()


@pytest.mark.parametrize(
    "name", ["bmp", "gif", "jpeg", "jpg", "pgm", "png", "ppm", "tif", "tiff", "webp", "PNG"]
)
def test_these_are_images(tmp_path: Path, name: str) -> None:
    _touch(tmp_path, f"ann/1.{name}", f"ann/{name}", "ann/1.heic", "ann/png.txt")
    assert folder(root=tmp_path).files.tolist() == [f"ann/1.{name}"]


def test_other_files_and_empty_folders_are_left_out_and_counted(tmp_path: Path) -> None:
    _touch(tmp_path, "ann/1.png", "ann/2.png", "ann/notes.txt", "bob/readme.md", "top.png")
    (tmp_path / "eve").mkdir()
    table = folder(root=tmp_path)
    assert table.files.tolist() == ["ann/1.png", "ann/2.png"]
    assert table.notes == (
        "Left out because they are not images: 2 files (the first: ann/notes.txt).",
        "Folders without an image: 2 (the first: bob).",
    )


def test_hidden_files_and_folders_are_ignored(tmp_path: Path) -> None:
    _touch(tmp_path, "ann/1.png", "ann/2.png", "ann/._1.png", ".thumbs/1.png", "ann/.x/1.png")
    table = folder(root=tmp_path)
    assert len(table) == 2
    assert table.notes == ()


def test_an_identity_may_be_a_link_to_a_folder(tmp_path: Path) -> None:
    _touch(tmp_path, "elsewhere/1.png", "elsewhere/2.png")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "ann").symlink_to(tmp_path / "elsewhere")
    assert folder(root=tmp_path / "root").files.tolist() == ["ann/1.png", "ann/2.png"]


def test_no_images_say_what_is_expected(tmp_path: Path) -> None:
    _touch(tmp_path, "1.png")
    told = r"must hold <identity>/<image>, .*; 1 images lie in it directly: move those of each"
    with pytest.raises(DataError, match=told):
        folder(root=tmp_path)
    with pytest.raises(DataError, match=r"nowhere: there is no such folder"):
        folder(root=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("files", "what", "data"),
    [
        (["ann/1.png", "bob/1.png"], "one folder per person", {"source": "."}),
        (["ann/1.png", "bob/x/1.png", ".c/1.png"], "one folder per person", {"source": "."}),
        (
            [
                f"{it}/1.png"
                for it in ("train/a", "train/b", "VAL/c", "VAL/d", "test/e", "test/f", "x/g")
            ],
            "one folder per person in train, VAL, test",
            {"train": "train", "val": "VAL", "test": "test"},
        ),
        (
            ["Training/a/1.png", "Training/b/1.png", "test/e/1.png", "test/f/1.png"],
            "one folder per person in Training, test",
            {"source": "Training", "test": "test"},
        ),
    ],
)
def test_folders_of_people_are_recognised(
    tmp_path: Path, files: list[str], what: str, data: dict[str, str]
) -> None:
    _touch(tmp_path, *files)
    found = suggest(tmp_path)
    assert found is not None
    assert (found.what, found.divided, found.certain) == (what, False, False)
    nodes = {key: {"name": "folder", "root": tmp_path / root} for key, root in data.items()}
    assert found.data == nodes
    told = ("No folder holds val; people of Training are taken.",) if "val" not in data else ()
    assert found.notes == (told if "test" in data else ())


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["1.png", "2.png"], "nothing says who is on them; put those of each person into a folder"),
        (["images/1.png", "a.txt"], "nothing says who is on them"),
        (["train/1.png", "val/a/1.png"], r"/train: there are images, and nothing says"),
        (["photos/ann/1.png", "photos/bob/1.png"], "one folder deeper; name .*/photos$"),
    ],
)
def test_images_without_a_folder_of_each_person_are_told(
    tmp_path: Path, files: list[str], message: str
) -> None:
    _touch(tmp_path, *files)
    with pytest.raises(DataError, match=message):
        suggest(tmp_path)


def test_what_holds_no_image_is_not_recognised(tmp_path: Path) -> None:
    _touch(tmp_path, "a/readme.txt", "b.csv")
    assert suggest(tmp_path) is None
    assert suggest(tmp_path / "b.csv") is None
    assert suggest(tmp_path / "nowhere") is None
