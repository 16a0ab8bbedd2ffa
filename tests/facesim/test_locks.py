"""Locks between processes, and file systems that have none."""

import errno
import fcntl
import os
import stat
from pathlib import Path

import pytest
from filelock import FileLock

from facesim.atomic import write_text
from facesim.console import warn_once
from facesim.folders import make_folder
from facesim.locks import ProcessLock


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    first, second = ProcessLock(path), ProcessLock(path)
    assert first.acquire()
    assert not second.acquire(wait=False)
    first.release()
    with second:
        assert not first.acquire(wait=False)
    assert first.acquire(wait=False)


def test_a_link_is_no_lock(tmp_path: Path) -> None:
    """Some versions of filelock open what it leads to for writing."""
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "lock").symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match="it is a symbolic link"):
        ProcessLock(tmp_path / "lock").acquire(wait=False)
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize(("wait", "seconds"), [(True, -1), (False, 0)])
def test_who_waits_waits_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, wait: bool, seconds: int
) -> None:
    asked: list[float] = []
    monkeypatch.setattr(FileLock, "acquire", lambda _, timeout: asked.append(timeout))
    ProcessLock(tmp_path / "a.lock").acquire(wait=wait)
    assert asked == [seconds]  # filelock waits for ever for less than 0


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_without_locks_work_goes_on_and_what_is_lost_is_said_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    warn_once.cache_clear()
    for _ in range(3):
        with ProcessLock(tmp_path / "a.lock"):
            pass
    (record,) = caplog.records
    assert record.message.startswith(f"{tmp_path}: its file system has no locks; let only one ")


def test_a_lock_that_may_not_be_opened_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(tmp_path / "a.lock"))

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with pytest.raises(OSError, match=r"Read-only file system: '.*a\.lock'"):
        ProcessLock(tmp_path / "a.lock").acquire()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_fsync_files_are_written_and_what_is_lost_is_said_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    warn_once.cache_clear()
    for text in ("one", "two"):
        write_text(tmp_path / "a.txt", text)
    assert (tmp_path / "a.txt").read_text() == "two"
    (record,) = caplog.records
    assert "cannot flush files to the disk; after a power cut" in record.message


def test_what_fsync_could_not_write_is_an_error_that_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"No space left on device: '.*a\.txt'"):
        write_text(tmp_path / "a.txt", "one")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_another_process_makes_at_this_moment_is_as_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, is_dir = tmp_path / "made", Path.is_dir
    looked: list[Path] = []

    def is_made_after_the_look(path: Path) -> bool:
        if path != made or looked:
            return is_dir(path)
        looked.append(path)
        made.mkdir()
        return False

    monkeypatch.setattr(Path, "is_dir", is_made_after_the_look)
    make_folder(made)
    assert looked == [made]
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"'.*/file'"):
        make_folder(tmp_path / "file" / "below")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_in_a_shared_folder_the_group_may_write_whatever_the_umask(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2775)
    make_folder(shared / "a" / "b")
    write_text(shared / "a" / "b" / "text", "")
    with ProcessLock(shared / "a" / "b" / "lock"):
        pass
    assert mode(shared / "a") == mode(shared / "a" / "b") == 0o2775
    assert mode(shared / "a" / "b" / "text") == mode(shared / "a" / "b" / "lock") == 0o664


def test_elsewhere_the_umask_holds(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    write_text(tmp_path / "a" / "b" / "text", "")
    with ProcessLock(tmp_path / "a" / "b" / "lock"):
        pass
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "text").touch()
    assert mode(tmp_path / "a" / "b") == mode(tmp_path / "plain")
    for name in ("text", "lock"):
        assert mode(tmp_path / "a" / "b" / name) == mode(tmp_path / "plain" / "text")
