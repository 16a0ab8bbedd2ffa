"""A journal that survives those who write to it."""

import multiprocessing
import os
from pathlib import Path

import optuna
import pytest

from facesim.errors import FacesimError
from facesim.tuning.storage import JOURNAL_FILE, cut_torn_line, open_storage


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
    from facesim.tuning.storage import RepairingLock

    RepairingLock(folder / JOURNAL_FILE).acquire()
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


def test_a_database_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match="cannot be used"):
        open_storage("no url", tmp_path)
    with pytest.raises(FacesimError, match="cannot be used"):
        open_storage(f"sqlite:///{tmp_path}/no/such/folder.db", tmp_path)
