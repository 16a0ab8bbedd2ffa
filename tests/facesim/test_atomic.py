"""A file is there whole or as it was before."""

import hashlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from facesim.atomic import (
    MANIFEST,
    begin_manifest,
    link_file,
    remove_leftovers,
    replacing,
    require_unchanged,
    seal,
    settle_manifest,
    sha256_of,
    unseal,
    write_text,
)
from facesim.errors import DataError


def test_text_is_written_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "é\n")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "é\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failure_while_writing_keeps_the_old_content(
    failure: type[BaseException], tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(failure), replacing(path) as file:
        file.write(b"half of the n")
        raise failure
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_gets_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_text(tmp_path / "written", "")
    assert (tmp_path / "written").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a manifest, and a folder in it."""
    begin_manifest(tmp_path)
    (tmp_path / "inner").mkdir()
    return tmp_path


def test_a_file_is_read_as_it_was_written(folder: Path) -> None:
    path = folder / "inner" / "a.txt"
    write_text(path, "first")
    write_text(path, "second")
    require_unchanged(path, "write it again")
    path.write_text("secpnd")
    with pytest.raises(DataError, match=r"a\.txt: is not what facesim wrote.*; write it again\. "):
        require_unchanged(path, "write it again")


def test_a_file_is_in_the_manifest_however_it_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder / "inner")
    write_text(Path("a.txt"), "first")
    assert list(json.loads((folder / MANIFEST).read_text())) == ["inner/a.txt"]
    (folder / "inner" / "a.txt").write_text("second")
    for path in (Path("a.txt"), folder / "inner" / "a.txt"):
        with pytest.raises(DataError):
            require_unchanged(path, "")


@pytest.mark.parametrize(("levels", "is_checked"), [(3, True), (4, False)])
def test_the_manifest_is_of_a_folder_at_most_three_levels_above(
    folder: Path, levels: int, is_checked: bool
) -> None:
    path = folder.joinpath(*("inner" for _ in range(levels)))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "first")
    assert bool(json.loads((folder / MANIFEST).read_text())) == is_checked


def test_a_file_that_is_written_in_place_is_sealed_afterwards(folder: Path) -> None:
    path = folder / "log"
    write_text(path, "first")
    unseal(path)
    unseal(path)
    with path.open("a") as log:
        log.write(" second")
    require_unchanged(path, "")
    seal(path)
    require_unchanged(path, "")
    path.write_text("first")
    with pytest.raises(DataError):
        require_unchanged(path, "")


def test_eight_contents_are_accepted_the_newest_first(folder: Path) -> None:
    path = folder / "a"
    for number in range(10):
        write_text(path, str(number))
    write_text(path, "5")
    listed = json.loads((folder / MANIFEST).read_text())["a"]
    digests = [hashlib.sha256(number.encode()).hexdigest() for number in "59876432"]
    assert listed == digests


def test_a_kill_between_manifest_and_rename_leaves_a_file_that_is_accepted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "a.txt"
    write_text(path, "before")
    for text in ("never", "nor this"):
        write_killed_before_rename(path, text, monkeypatch)
    assert "before" not in (folder / MANIFEST).read_text()
    require_unchanged(path, "")


def write_killed_before_rename(path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(Path, "replace", lambda here, there: 1 / 0 if there == path else None)
        killed.setattr("facesim.atomic._write_manifest", write_in_place)
        with pytest.raises(ZeroDivisionError):
            write_text(path, text)


def test_settling_after_a_kill_between_manifest_and_rename_keeps_the_digest_of_the_content(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "a.txt"
    for text in ("former", "before"):
        write_text(path, text)
    write_killed_before_rename(path, "never", monkeypatch)
    for _ in range(2):
        settle_manifest(folder)
        require_unchanged(path, "")
    assert len(json.loads((folder / MANIFEST).read_text())["a.txt"]) == 2
    write_text(path, "never")
    settle_manifest(folder)
    assert len(json.loads((folder / MANIFEST).read_text())["a.txt"]) == 1


def test_settling_accepts_no_content_that_was_not_written(folder: Path) -> None:
    path = folder / "a.txt"
    for text in ("first", "second"):
        write_text(path, text)
    path.write_text("edited")
    settle_manifest(folder)
    with pytest.raises(DataError):
        require_unchanged(path, "")


@pytest.mark.parametrize("what", ["settled", "unsealed", "only replaced"])
def test_a_file_that_is_written_while_it_is_checked_is_accepted(
    what: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "a.txt"
    write_text(path, "first")

    def read_just_before_a_write(of: Path) -> str:
        monkeypatch.undo()
        digest = sha256_of(of)
        write_text(path, "second")
        if what == "unsealed":
            unseal(path)
            path.write_text("second, in p")
            digest = sha256_of(of)
        if what == "settled":
            settle_manifest(folder)
        return digest

    monkeypatch.setattr("facesim.atomic.sha256_of", read_just_before_a_write)
    require_unchanged(path, "")
    assert "second" in path.read_text()


def test_a_file_that_is_replaced_just_before_it_is_read_is_accepted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "a.txt"
    write_text(path, "first")

    def read_just_behind_a_write(of: Path) -> str:
        monkeypatch.undo()
        write_text(path, "second")
        settle_manifest(folder)
        return sha256_of(of)

    monkeypatch.setattr("facesim.atomic.sha256_of", read_just_behind_a_write)
    require_unchanged(path, "")
    assert path.read_text() == "second"


def test_settling_reads_nothing_but_files_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    begin_manifest(folder)
    os.mkfifo(folder / "pipe")
    (folder / "inner").mkdir()
    write_text(tmp_path / "outside", "")
    (folder / "link").symlink_to(tmp_path / "outside")
    names = [
        "pipe",
        "inner",
        "link",
        "../outside",
        "inner/../../outside",
        str(tmp_path / "outside"),
    ]
    manifest = {name: ["a", "b"] for name in [*names, "/dev/zero"]}
    write_in_place(folder, manifest)
    read: list[Path] = []
    monkeypatch.setattr("facesim.atomic.sha256_of", read.append)
    settle_manifest(folder)
    assert read == []
    assert json.loads((folder / MANIFEST).read_text()) == manifest


def test_a_settled_manifest_depends_on_the_files_alone(folder: Path, tmp_path: Path) -> None:
    for text in ("one", "two", "three"):
        write_text(folder / "a", text)
    write_text(folder / "gone", "")
    (folder / "gone").unlink()
    settle_manifest(folder / "inner" / "..")
    settled = (folder / MANIFEST).read_text()
    other = tmp_path / "other"
    other.mkdir()
    begin_manifest(other)
    write_text(other / "a", "three")
    assert (other / MANIFEST).read_text() == settled
    require_unchanged(folder / "a", "")


def write_in_place(folder: Path, manifest: dict[str, list[str]]) -> None:
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_the_content_of_another_file_of_the_folder_is_accepted_where_that_is_asked(
    folder: Path,
) -> None:
    last = folder / "inner" / "last"
    for path in (last, folder / "inner" / "best", folder / "outer"):
        write_text(path, path.name)
    last.write_text("best")
    require_unchanged(last, "", or_a_sibling=True)
    with pytest.raises(DataError):
        require_unchanged(last, "")
    last.write_text("outer")
    with pytest.raises(DataError):
        require_unchanged(last, "", or_a_sibling=True)


def test_a_link_is_in_the_manifest(folder: Path) -> None:
    write_text(folder / "a", "a")
    link_file(folder / "a", folder / "inner" / "b")
    require_unchanged(folder / "inner" / "b", "")
    (folder / "inner" / "b").unlink()
    (folder / "inner" / "b").write_text("c")
    with pytest.raises(DataError):
        require_unchanged(folder / "inner" / "b", "")


def test_what_no_manifest_lists_is_not_checked(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("by hand")
    require_unchanged(tmp_path / "a", "")
    begin_manifest(tmp_path)
    require_unchanged(tmp_path / "a", "")
    require_unchanged(tmp_path / "missing", "")


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": [1]}', "\xff"])
def test_a_damaged_manifest_is_named(folder: Path, content: str) -> None:
    write_text(folder / "a", "a")
    (folder / MANIFEST).write_text(content, encoding="latin-1")
    with pytest.raises(DataError, match=rf"{MANIFEST}: cannot be read: .*; delete it"):
        require_unchanged(folder / "a", "")


def test_two_processes_write_side_by_side(folder: Path) -> None:
    paths = [folder / f"{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda path: write_text(path, path.name), paths))
    assert len(json.loads((folder / MANIFEST).read_text())) == 40


@pytest.mark.parametrize("by_link", [False, True])
def test_whoever_has_a_file_open_goes_on_reading_the_old_content(
    tmp_path: Path, *, by_link: bool
) -> None:
    path = tmp_path / "a"
    write_text(path, "old")
    write_text(tmp_path / "b", "new")
    os.link(path, tmp_path / "another name")
    with path.open() as reader:
        link_file(tmp_path / "b", path) if by_link else write_text(path, "new")
        assert reader.read() == "old"
    assert path.read_text() == "new"
    assert (tmp_path / "another name").read_text() == "old"


def test_a_link_that_fails_at_its_last_moment_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path / "a", "old")
    write_text(tmp_path / "b", "new")
    monkeypatch.setattr(Path, "replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        link_file(tmp_path / "b", tmp_path / "a")
    assert (tmp_path / "a").read_text() == "old"


def test_what_a_killed_process_left_of_a_link_is_in_nobodys_way(tmp_path: Path) -> None:
    write_text(tmp_path / "b", "new")
    (tmp_path / ".a.tmp").write_text("left")
    link_file(tmp_path / "b", tmp_path / "a")
    assert (tmp_path / "a").samefile(tmp_path / "b")


def test_where_there_are_no_hard_links_a_link_is_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError("no hard links here")

    write_text(tmp_path / "a", "old")
    write_text(tmp_path / "b", "new")
    monkeypatch.setattr(os, "link", refused)
    link_file(tmp_path / "b", tmp_path / "a")
    write_text(tmp_path / "b", "newer")
    assert (tmp_path / "a").read_text() == "new"


def test_content_is_on_the_disk_before_it_has_its_name_and_the_name_before_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    flush, rename = os.fsync, Path.replace

    def flushed(descriptor: int) -> None:
        target = Path(f"/proc/self/fd/{descriptor}").resolve()
        kind = "folder" if target.is_dir() else target.read_text()
        happened.append(f"flushed {kind}")
        flush(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        happened.append("renamed")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", renamed)
    write_text(tmp_path / "a", "all of it")
    assert happened == ["flushed all of it", "renamed", "flushed folder"]


def test_a_link_to_what_is_linked_already_leaves_no_temporary_file(tmp_path: Path) -> None:
    write_text(tmp_path / "last", "content")
    for _ in range(2):
        link_file(tmp_path / "last", tmp_path / "best")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best", "last"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes there")
def test_nothing_but_a_file_is_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/null")
    (tmp_path / "folder").mkdir()
    before = set(tmp_path.iterdir())
    for name in ("pipe", "device", "folder"):
        with pytest.raises(OSError, match=r"it is a .*, not a file"):
            write_text(tmp_path / name, "text")
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "device").is_symlink()
    assert set(tmp_path.iterdir()) == before


def test_only_leftovers_of_some_age_are_removed(tmp_path: Path) -> None:
    for name, age in {".old.1.tmp": 120, ".new.2.tmp": 0, "kept.tmp": 120, ".kept": 120}.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    remove_leftovers(tmp_path, older_than=60)
    assert {path.name for path in tmp_path.iterdir()} == {".new.2.tmp", "kept.tmp", ".kept"}
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"kept.tmp", ".kept"}
