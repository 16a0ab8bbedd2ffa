"""The journal holds what was written, or says which line does not."""

import io
import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from filelock import FileLock
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from facesim.errors import DataError
from facesim.tuning.journal import CheckedJournal, cut_torn_line
from facesim.tuning.storage import JOURNAL_FILE, open_storage


def begin(folder: Path) -> optuna.Study:
    storage = open_storage(None, folder)
    return optuna.create_study(storage=storage, study_name="s", load_if_exists=True)


def test_a_torn_last_line_is_cut_before_the_next_is_written(tmp_path: Path) -> None:
    study = begin(tmp_path)
    study.enqueue_trial({"x": 1})
    with (tmp_path / JOURNAL_FILE).open("ab") as file:
        file.write(b'{"op_code": 4, "worker_')
    study.enqueue_trial({"x": 2})  # an older process goes on
    assert len(begin(tmp_path).trials) == 2  # and a new one can read it


def test_a_torn_journal_can_be_opened(tmp_path: Path) -> None:
    begin(tmp_path)
    with (tmp_path / JOURNAL_FILE).open("ab") as file:
        file.write(b'{"op')
    assert begin(tmp_path).trials == []


@pytest.mark.parametrize("content", [b"", b"a\n", b"a\nbc\n", b"x" * 9000 + b"\n"])
def test_whole_lines_are_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)
    cut_torn_line(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("torn", [b"x", b"x" * 9000])
def test_only_the_torn_line_is_cut(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"whole\n" + torn)
    cut_torn_line(path)
    assert path.read_bytes() == b"whole\n"


def _die_with_the_lock(folder: Path) -> None:
    FileLock(folder / f".{JOURNAL_FILE}.held").acquire()
    os._exit(1)


def test_the_lock_of_a_dead_process_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = begin(tmp_path)
    process = multiprocessing.get_context("spawn").Process(
        target=_die_with_the_lock, args=(tmp_path,)
    )
    process.start()
    process.join()
    monkeypatch.chdir("/")
    study.enqueue_trial({"x": 1})
    assert len(study.trials) == 1


@pytest.fixture
def lines(tmp_path: Path) -> list[bytes]:
    study = begin(tmp_path)
    for number in range(5):
        study.tell(study.ask(), number / 8)
    return (tmp_path / JOURNAL_FILE).read_bytes().splitlines(keepends=True)


def changed_number(lines: list[bytes]) -> list[bytes]:
    return [line.replace(b"0.125", b"0.625") for line in lines]


@pytest.mark.parametrize(
    "change",
    [
        changed_number,
        lambda lines: lines[:4] + lines[5:],
        lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]],
        lambda lines: [*lines[:5], lines[4], *lines[5:]],
        lambda lines: [*lines[:5], b"\0" * 40 + b"\n", *lines[5:]],
        lambda lines: [*lines[:-1], lines[-1].replace(b'"values"', b'"valuez"')],
    ],
)
def test_a_line_that_is_not_what_was_written_is_named(
    tmp_path: Path, lines: list[bytes], change: Callable[[list[bytes]], list[bytes]]
) -> None:
    (tmp_path / JOURNAL_FILE).write_bytes(b"".join(change(lines)))
    with pytest.raises(DataError, match=r"journal\.log: line \d+ is damaged; restore the file"):
        begin(tmp_path)


def test_the_lines_before_the_damage_are_a_study(tmp_path: Path, lines: list[bytes]) -> None:
    (tmp_path / JOURNAL_FILE).write_bytes(b"".join(lines[:-3]))
    study = begin(tmp_path)
    study.tell(study.ask(), 0.5)
    assert len(begin(tmp_path).trials) == 5


def test_a_line_that_is_changed_while_the_study_is_open_is_named(tmp_path: Path) -> None:
    reader, writer = begin(tmp_path), begin(tmp_path)
    writer.enqueue_trial({"x": 1})
    path = tmp_path / JOURNAL_FILE
    path.write_bytes(path.read_bytes().replace(b'"x":1', b'"x":7'))
    with pytest.raises(DataError, match="is damaged"):
        _ = reader.trials


def test_optuna_and_facesim_write_to_the_same_journal(tmp_path: Path) -> None:
    ours = begin(tmp_path)
    backend = JournalFileBackend(str(tmp_path / JOURNAL_FILE))
    plain = optuna.load_study(study_name="s", storage=JournalStorage(backend))
    for study in (ours, plain, ours):
        study.tell(study.ask(), 0.5)
    for study in (ours, plain, begin(tmp_path)):
        assert [trial.value for trial in study.trials] == [0.5] * 3
    entries = (tmp_path / JOURNAL_FILE).read_text().splitlines()
    assert {"crc" in json.loads(line) for line in entries} == {True, False}


def test_entries_that_do_not_fit_on_the_disk_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = CheckedJournal(tmp_path / "journal")
    journal.append_logs([{"op_code": 0}])
    before = (tmp_path / "journal").read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            journal.append_logs([{"op_code": 1}])
    assert (tmp_path / "journal").read_bytes() == before
    journal.append_logs([{"op_code": 2}])
    assert list(journal.read_logs(0)) == [{"op_code": 0}, {"op_code": 2}]
    assert list(journal.read_logs(1)) == [{"op_code": 2}]
    assert list(journal.read_logs(2)) == []


class InParts(io.FileIO):
    """A file on a disk that takes few bytes at once, and no more than ``room``."""

    room = 1000

    def write(self, content: Any) -> int:
        if self.tell() >= self.room:
            raise OSError(28, "No space left on device")
        return super().write(bytes(content)[:7]) or 0


@pytest.mark.parametrize("is_full", [False, True])
def test_entries_that_the_disk_takes_in_parts_are_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_full: bool
) -> None:
    path = tmp_path / "journal"
    journal = CheckedJournal(path)
    journal.append_logs([{"op_code": 0}])
    before, opened = path.read_bytes(), Path.open

    def in_parts(file: Path, mode: str = "r", **settings: Any) -> Any:
        return InParts(file, "ab") if mode == "ab" else opened(file, mode, **settings)

    added = [{"op_code": number, "text": "é" * 20} for number in (1, 2)]
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", in_parts)
        patched.setattr(InParts, "room", len(before) + 100 if is_full else 1000)
        if is_full:
            with pytest.raises(OSError, match="No space left"):
                journal.append_logs(added)
            assert path.read_bytes() == before
        else:
            journal.append_logs(added)
    kept = [] if is_full else added
    assert list(CheckedJournal(path).read_logs(0)) == [{"op_code": 0}, *kept]


def test_who_opens_a_journal_may_begin_anywhere_in_it(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    CheckedJournal(path).append_logs([{"op_code": number} for number in range(4)])
    for begin_at in range(6):
        read = [entry["op_code"] for entry in CheckedJournal(path).read_logs(begin_at)]
        assert read == list(range(begin_at, 4))
