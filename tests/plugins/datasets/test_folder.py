"""The folder dataset: the name of a subfolder is the identity of the images below it."""

from pathlib import Path

import pytest

from facesim import DataError, datasets
from facesim_plugins.datasets.folder import folder


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
    with pytest.raises(DataError, match="must hold <identity>/<image>"):
        folder(root=tmp_path)
    with pytest.raises(DataError, match=r"nowhere: there is no such folder"):
        folder(root=tmp_path / "nowhere")
