"""The folder of a pack."""

import json
import os
import time
from pathlib import Path

import pytest

from facesim.errors import DataError, FacesimError
from facesim.packing.folder import new_folder, require_replaceable
from tests.facesim.verifier.test_pack_file import MINIMAL


def fill(folder: Path, text: str = "weights") -> None:
    with new_folder(folder) as unfinished:
        (unfinished / "network.onnx").write_text(text)
        (unfinished / "pack.json").write_text(json.dumps(MINIMAL))


def test_a_block_that_fails_leaves_nothing_new(tmp_path: Path) -> None:
    fill(tmp_path / "pack", "before")
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "pack") as unfinished:
        (unfinished / "network.onnx").write_text("after")
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]
    assert (tmp_path / "pack/network.onnx").read_text() == "before"


def test_a_pack_is_replaced_whole(tmp_path: Path) -> None:
    fill(tmp_path / "pack", "before")
    (tmp_path / "pack/more.txt").write_text("of the former pack")
    fill(tmp_path / "pack", "after")
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]
    found = {path.name for path in (tmp_path / "pack").iterdir()}
    assert found == {"network.onnx", "pack.json", "facesim-manifest.json"}
    assert (tmp_path / "pack/network.onnx").read_text() == "after"


def test_others_may_read_it_as_they_may_the_folder_that_it_is_in(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    fill(tmp_path / "a/pack")
    assert (tmp_path / "a/pack").stat().st_mode == (tmp_path / "a").stat().st_mode


@pytest.mark.parametrize(("parent", "more"), [(0o1777, 0), (0o700, 0), (0o2775, 0o2070)])
def test_it_has_the_permissions_of_a_folder_that_was_made_there(
    tmp_path: Path, parent: int, more: int
) -> None:
    tmp_path.chmod(parent)
    (tmp_path / "plain").mkdir()
    fill(tmp_path / "pack")
    plain = (tmp_path / "plain").stat().st_mode
    assert (tmp_path / "pack").stat().st_mode == plain | more


def test_folders_of_killed_packs_go_when_they_are_old(tmp_path: Path) -> None:
    old, new = tmp_path / ".pack.old.tmp", tmp_path / ".pack.new.tmp"
    other = tmp_path / ".other.old.tmp"
    for folder in (old, new, other):
        folder.mkdir()
    long_ago = time.time() - 10_000
    for folder in (old, other):
        os.utime(folder, (long_ago, long_ago))
    fill(tmp_path / "pack")
    assert {path.name for path in tmp_path.iterdir()} == {"pack", new.name, other.name}


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FacesimError, match="cannot write the pack"):
        fill(tmp_path / "file/pack")


def test_only_a_pack_or_nothing_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    require_replaceable(folder)
    folder.mkdir()
    require_replaceable(folder)
    fill(folder)
    require_replaceable(folder)

    (folder / "notes.txt").write_text("mine")
    with pytest.raises(FacesimError, match=r"holds 'notes.txt', which is no part of the pack"):
        require_replaceable(folder)
    (folder / "notes.txt").unlink()
    (folder / "facesim-manifest.json").unlink()
    (folder / "pack.json").write_text("{}")
    with pytest.raises(DataError, match=r"choose another --out"):
        require_replaceable(folder)
    (folder / "pack.json").unlink()
    with pytest.raises(FacesimError, match="is not a pack, and is not empty"):
        require_replaceable(folder)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(FacesimError, match="is not a folder"):
        require_replaceable(file)
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(FacesimError, match="is not a folder"):
        require_replaceable(link)
