"""Content digests of images: right after every change, and cheap where nothing changed."""

import errno
import hashlib
import logging
import multiprocessing
import os
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesim.console import warn_once
from facesim.data import image_digests as module
from facesim.data.digest_cache import DigestCache
from facesim.data.image_digests import image_digests
from facesim.errors import DataError
from facesim.interfaces import FaceTable
from facesim.machine_errors import MachineError
from facesim.paths import cache_dir

CONNECT = sqlite3.connect
NAMES = ["a.jpg", "deep/b.jpg", "deep/c.jpg", "deep/er/d.jpg"]


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def table(tmp_path: Path) -> FaceTable:
    root = tmp_path / "images"
    for name in NAMES:
        _write_old(root / name, name.encode() * 100)
    return _table(root, NAMES)


def _table(root: Path, names: list[str]) -> FaceTable:
    identities = np.zeros(len(names), dtype=np.int64)
    return FaceTable(root, np.array(names), identities, np.array(["one"]))


def _write_old(path: Path, content: bytes) -> None:
    """Write a file; files count as old in these tests, see ``settled_at_once``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.fixture
def settled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SETTLED_NS", -1)


def _expected(table: FaceTable) -> list[bytes]:
    paths = [table.path(row) for row in range(len(table))]
    return [hashlib.blake2b(path.read_bytes(), digest_size=16).digest() for path in paths]


def _digests(table: FaceTable) -> list[bytes]:
    return [row.tobytes() for row in image_digests(table)]


def _reads(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Collects the names of the files that are read from now on."""
    names: list[bytes] = []
    original = module._read

    def counting(folder_and_name: tuple[bytes, bytes], *opened: Any) -> object:
        names.append(folder_and_name[1])
        return original(folder_and_name, *opened)

    monkeypatch.setattr(module, "_read", counting)
    return names


def test_many_small_folders_cost_few_openings_of_the_memo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"person{number:03d}/{image}.jpg" for number in range(200) for image in range(2)]
    for name in names:
        _write_old(tmp_path / "people" / name, name.encode())
    opened = []

    def connect(*arguments: Any, **settings: Any) -> sqlite3.Connection:
        opened.append(arguments)
        connection: sqlite3.Connection = CONNECT(*arguments, **settings)
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect)
    table = _table(tmp_path / "people", names)

    assert _digests(table) == _expected(table)
    assert len(opened) == 2


def test_every_row_gets_the_digest_of_its_file(table: FaceTable) -> None:
    digests = image_digests(table)

    assert digests.shape == (4, 16)
    assert digests.dtype == np.uint8
    assert [row.tobytes() for row in digests] == _expected(table)


def test_rows_in_any_order_and_folder_get_theirs(
    table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FILES_AT_A_TIME", 2)
    shuffled = _table(table.root, [NAMES[row] for row in (2, 0, 3, 1)])
    assert _digests(shuffled) == _expected(shuffled)
    assert _digests(shuffled) == _expected(shuffled)


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="the system takes no advice")
def test_the_disk_is_told_of_the_next_files_before_the_first_is_read(
    table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    advise, read = os.posix_fadvise, module._content

    def advise_and_note(*arguments: int) -> None:
        done.append("asked")
        advise(*arguments)

    def read_and_note(descriptor: int, size: int) -> bytes:
        done.append("read")
        return read(descriptor, size)

    monkeypatch.setattr(os, "posix_fadvise", advise_and_note)
    monkeypatch.setattr(module, "_content", read_and_note)
    assert _digests(table) == _expected(table)
    assert done == ["asked"] * 4 + ["read"] * 4


def test_a_file_system_that_takes_no_advice_is_read(
    table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ESPIPE, "Illegal seek")

    monkeypatch.setattr(os, "posix_fadvise", refuse, raising=False)
    assert _digests(table) == _expected(table)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="nothing lists the open files")
def test_a_file_that_cannot_be_read_leaves_none_open(table: FaceTable) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    table.path(3).unlink()
    with pytest.raises(DataError, match=r"er/d\.jpg: there is no such file"):
        image_digests(table)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.fixture
def in_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WORTH_PROCESSES", 1)
    monkeypatch.setattr(module, "_FILES_AT_A_TIME", 2)


@pytest.mark.usefixtures("in_processes", "settled_at_once")
def test_many_files_are_read_by_other_processes_and_cached(
    table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = _reads(monkeypatch)
    assert _digests(table) == _expected(table)
    assert here == []
    (table.root / "a.jpg").write_bytes(b"changed")
    monkeypatch.setattr(module, "_WORTH_PROCESSES", 100)
    assert _digests(table) == _expected(table)
    assert here == [b"a.jpg"]


@pytest.mark.usefixtures("in_processes")
def test_a_file_that_another_process_cannot_read_is_named(table: FaceTable) -> None:
    table.path(3).unlink()
    with pytest.raises(DataError, match=r"er/d\.jpg: there is no such file"):
        image_digests(table)


@pytest.mark.usefixtures("in_processes")
def test_a_killed_process_is_an_error_of_the_machine(
    table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_open", lambda path: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(MachineError, match="a process that reads images was killed"):
        image_digests(table)


@pytest.mark.usefixtures("in_processes")
def test_work_that_is_stopped_leaves_no_process(table: FaceTable) -> None:
    def stop(_count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        image_digests(table, stop)
    # Not by joining them: the thread of the pool does that, and whichever of two comes second
    # believes the process alive until the first has noted its end.
    until = time.monotonic() + 60
    while multiprocessing.active_children() and time.monotonic() < until:
        time.sleep(0.01)
    assert not multiprocessing.active_children()


def test_a_file_in_two_rows_is_read_once(table: FaceTable, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = _reads(monkeypatch)
    twice = _table(table.root, ["a.jpg", "a.jpg"])

    first, second = _digests(twice)

    assert first == second
    assert reads == [b"a.jpg"]


@pytest.mark.usefixtures("settled_at_once")
def test_an_unchanged_file_is_not_read_again(
    table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _digests(table)
    reads = _reads(monkeypatch)

    assert _digests(table) == first
    assert reads == []


def test_a_file_that_has_just_been_put_there_is_read_again_however_old_it_says_it_is(
    table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    for row in range(len(table)):
        os.utime(table.path(row), (0, 0))  # as a copy that keeps its times
    image_digests(table)
    reads = _reads(monkeypatch)
    assert _digests(table) == _expected(table)
    assert len(reads) == len(table)


@pytest.mark.usefixtures("settled_at_once")
def test_a_changed_file_is_read_again(table: FaceTable, monkeypatch: pytest.MonkeyPatch) -> None:
    image_digests(table)
    table.path(1).write_bytes(b"something longer than before" * 100)
    reads = _reads(monkeypatch)

    assert _digests(table) == _expected(table)
    assert reads == [b"b.jpg"]


@pytest.mark.usefixtures("settled_at_once")
def test_a_change_that_keeps_size_and_modification_time_is_seen(table: FaceTable) -> None:
    image_digests(table)
    path = table.path(0)
    status = path.stat()
    time.sleep(0.02)
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert _digests(table) == _expected(table)


def test_a_file_that_was_just_written_is_not_yet_remembered(
    table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_digests(table)
    reads = _reads(monkeypatch)

    image_digests(table)

    assert len(reads) == len(NAMES)


def test_progress_ends_at_the_number_of_files(table: FaceTable) -> None:
    done: list[int] = []

    image_digests(table, done.append)

    assert sum(done) == 4
    assert min(done) > 0


@pytest.mark.usefixtures("settled_at_once")
@pytest.mark.parametrize("known_before", [False, True])
def test_a_missing_file_is_named(table: FaceTable, known_before: bool) -> None:
    if known_before:
        image_digests(table)
    table.path(2).unlink()

    with pytest.raises(DataError, match=r"deep.c\.jpg: there is no such file"):
        image_digests(table)


def test_a_name_that_is_not_unicode_is_no_obstacle(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    try:
        (tmp_path / name).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system wants UTF-8 names")
    table = FaceTable(
        tmp_path, np.array([name], dtype=object), np.zeros(1, np.int64), np.array(["one"])
    )

    assert _digests(table) == _expected(table)


def _memo_file() -> Path:
    return cache_dir() / "image-digests-1.sqlite"


@pytest.mark.usefixtures("settled_at_once")
@pytest.mark.parametrize("damage", ["garbage", "header"])
def test_a_damaged_memo_is_started_anew_with_a_warning(
    table: FaceTable, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    image_digests(table)
    whole = _memo_file().read_bytes()
    damaged = {"garbage": b"no database " * 1000, "header": b"\0" * 100 + whole[100:]}
    _memo_file().write_bytes(damaged[damage])

    with caplog.at_level(logging.WARNING):
        assert _digests(table) == _expected(table)
    assert "is damaged" in caplog.text
    assert _digests(table) == _expected(table)


@pytest.mark.usefixtures("settled_at_once")
@pytest.mark.parametrize("kept", [0, 50, 3000, 5000])
def test_a_truncated_memo_costs_no_more_than_reading_again(table: FaceTable, kept: int) -> None:
    image_digests(table)
    _memo_file().write_bytes(_memo_file().read_bytes()[:kept])

    assert _digests(table) == _expected(table)
    assert _digests(table) == _expected(table)


@pytest.mark.usefixtures("settled_at_once")
def test_a_digest_that_was_altered_in_the_memo_is_not_believed(
    table: FaceTable, caplog: pytest.LogCaptureFixture
) -> None:
    image_digests(table)
    with sqlite3.connect(_memo_file()) as connection:
        connection.execute("UPDATE files SET digest = ? WHERE name = ?", (b"\0" * 16, b"b.jpg"))
    connection.close()

    with caplog.at_level(logging.WARNING):
        assert _digests(table) == _expected(table)
    assert "checksum of 'b.jpg'" in caplog.text


def _digest_and_report(root: Path, names: list[str], results: "multiprocessing.Queue[str]") -> None:
    digests = image_digests(_table(root, names))
    results.put(digests.tobytes().hex())


def _many(tmp_path: Path, count: int) -> FaceTable:
    names = [f"{number:04d}.jpg" for number in range(count)]
    for name in names:
        _write_old(tmp_path / "many" / name, name.encode())
    return _table(tmp_path / "many", names)


@pytest.mark.usefixtures("settled_at_once")
def test_processes_that_start_together_all_get_the_same(tmp_path: Path) -> None:
    table = _many(tmp_path, 300)
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[str] = context.Queue()
    arguments = (table.root, table.files.tolist(), results)
    processes = [context.Process(target=_digest_and_report, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    found = {results.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()

    assert found == {b"".join(_expected(table)).hex()}


@pytest.mark.usefixtures("settled_at_once")
def test_a_kill_at_any_moment_leaves_a_memo_that_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FILES_AT_A_TIME", 10)
    table = _many(tmp_path, 300)
    context = multiprocessing.get_context("fork")
    for delay in (0.01, 0.03, 0.06):
        results: multiprocessing.Queue[str] = context.Queue()
        arguments = (table.root, table.files.tolist(), results)
        process = context.Process(target=_digest_and_report, args=arguments)
        process.start()
        time.sleep(delay)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()

        assert _digests(table) == _expected(table)


def test_without_a_place_for_the_cache_digests_are_right_and_that_is_said_once(
    table: FaceTable, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FACESIM_CACHE", "/dev/null/cache")
    monkeypatch.setattr(module, "_SETTLED_NS", -1)
    warn_once.cache_clear()
    for _ in range(2):
        assert _digests(table) == _expected(table)
    (record,) = caplog.records
    assert "image-digests-1.sqlite: digests of images cannot be kept: " in record.message


@pytest.mark.usefixtures("settled_at_once")
def test_a_warm_cache_that_cannot_be_written_serves(
    table: FaceTable, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _digests(table)
    read = _reads(monkeypatch)

    def only_immutable(path: object, **options: Any) -> sqlite3.Connection:
        if "immutable=1" not in str(path):
            raise sqlite3.OperationalError("attempt to write a readonly database")
        connection: sqlite3.Connection = CONNECT(path, **options)  # type: ignore[call-overload]
        return connection

    monkeypatch.setattr(sqlite3, "connect", only_immutable)
    assert _digests(table) == _expected(table)
    assert read == []
    assert caplog.records == []
    _write_old(table.path(0), b"another content")
    warn_once.cache_clear()
    assert _digests(table) == _expected(table)
    assert [record.message.partition(": ")[2][:40] for record in caplog.records] == [
        "digests of images cannot be kept: attemp"
    ]


def test_a_full_disk_costs_the_cache_alone(
    table: FaceTable, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_SETTLED_NS", -1)

    class Full(sqlite3.Connection):
        def executemany(self, *_: object) -> sqlite3.Cursor:
            raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sqlite3, "connect", lambda path, **_: CONNECT(path, factory=Full))
    warn_once.cache_clear()
    for _ in range(2):
        assert _digests(table) == _expected(table)
    assert len(caplog.records) == 1
    assert "database or disk is full; every command reads all images again" in caplog.text


def test_a_group_that_shares_the_folder_may_write_the_database(tmp_path: Path) -> None:
    tmp_path.chmod(0o2775)
    database = tmp_path / "digests.sqlite"
    DigestCache(database).get_many([])
    assert database.stat().st_mode & 0o060 == 0o060
    database.chmod(0o600)
    DigestCache(database).get_many([])
    assert database.stat().st_mode & 0o777 == 0o600  # as its owner wants it
