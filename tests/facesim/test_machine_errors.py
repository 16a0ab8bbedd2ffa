"""Errors of the machine are told from mistakes in an experiment, however they are wrapped."""

import errno
import os
import pickle
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest
import sqlalchemy
import torch
from optuna.exceptions import StorageInternalError

from facesim.cli import main
from facesim.errors import DataError, FacesimError
from facesim.machine_errors import (
    MachineError,
    in_one_line,
    in_words,
    is_out_of_memory,
    machine_error,
)


def raised(call: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011  any of them
        call()
    return caught.value


def full(path: str = "/dev/full") -> None:
    with Path(path).open("w") as file:
        file.write("x")


def reworded() -> None:
    try:
        full()
    except OSError as error:
        raise FacesimError(f"cannot write the checkpoint: {error.strerror}") from None


def saved_by_torch() -> None:
    with Path("/dev/full").open("wb") as file:
        torch.save({"weights": torch.zeros(100_000)}, file)


def of_a_lost_database() -> None:
    engine = sqlalchemy.create_engine("sqlite:////no/such/folder/study.db")
    try:
        engine.connect()
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise StorageInternalError("An exception is raised during the commit.") from error


@pytest.mark.parametrize(
    "call",
    [
        full,
        reworded,
        saved_by_torch,
        of_a_lost_database,
        lambda: torch.zeros(10**14),
        lambda: np.zeros(10**14),
        lambda: sqlite3.connect("/no/such/folder/study.db"),
    ],
)
def test_of_the_machine(call: Callable[[], object]) -> None:
    assert machine_error(raised(call)) is not None


@pytest.mark.parametrize(
    "number",
    ["ENOSPC", "EDQUOT", "EIO", "EACCES", "EPERM", "EROFS", "EMFILE", "ENFILE", "ENOMEM", "ENOLCK"],
)
def test_numbers_of_the_system(number: str) -> None:
    error = OSError(getattr(errno, number), "said by the system", "a/file")
    line = in_one_line(error)
    assert machine_error(error) is error
    assert line.startswith("a/file: said by the system; ")


@pytest.mark.parametrize(
    "call",
    [
        Path("/no/such/file").read_bytes,
        lambda: torch.ones(2, 3) @ torch.ones(2, 3),
        lambda: torch.zeros(2**62, 4),
        lambda: os.environ["MISSING"],
        lambda: optuna.create_study().tell(7, 0.5),
    ],
)
def test_of_the_experiment_or_the_program(call: Callable[[], object]) -> None:
    assert machine_error(raised(call)) is None


def test_a_damaged_image_is_no_error_of_the_machine() -> None:
    damaged = DataError("a.png cannot be decoded")
    damaged.__cause__ = OSError("image file is truncated")  # as Pillow says it: without a number
    assert machine_error(damaged) is None


def test_what_ran_out_of_memory() -> None:
    assert is_out_of_memory(raised(lambda: torch.zeros(10**14)))
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB"))
    assert is_out_of_memory(OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)))
    assert not is_out_of_memory(raised(full))
    assert in_one_line(MemoryError()) == (
        "out of memory: MemoryError; free some memory, or use smaller batches"
    )


def test_a_long_message_is_cut_to_the_beginning_of_its_first_line() -> None:
    assert in_words(ConnectionError("x" * 400 + "\ny")) == "x" * 300
    assert in_words(ConnectionError()) == "ConnectionError"


def test_a_message_that_has_been_worded_stays_as_it_is() -> None:
    error = raised(reworded)
    assert in_one_line(error) == "cannot write the checkpoint: No space left on device"


def test_a_message_that_begins_with_the_file_goes_on_with_what_helps() -> None:
    assert in_words(raised(full)) == "No space left on device; free some space"
    assert in_words(raised(saved_by_torch)) == "No space left on device; free some space"
    assert in_words(FileNotFoundError(errno.ENOENT, "No such file", "a")) == "No such file"


def test_what_was_found_in_another_process_is_known_here() -> None:
    error = pickle.loads(pickle.dumps(MachineError("a.png: Input/output error")))
    assert machine_error(error) is error


def test_the_command_line_says_it_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "file"))

    monkeypatch.setattr("facesim.cli.program.app", fail)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    line = f"{tmp_path / 'file'}: No space left on device; free some space"
    assert capsys.readouterr().err.splitlines() == [line]


def test_a_path_that_the_system_refuses_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    for path in ("a" * 5000, "a/" * 3000):
        monkeypatch.setattr(sys, "argv", ["facesim", "report", path])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        printed = capsys.readouterr().err
        assert "File name too long" in printed
        assert "Traceback" not in printed


def test_memory_that_ran_out_is_found_behind_the_error_that_it_caused() -> None:
    error = RuntimeError("the epoch failed")
    error.__cause__ = MemoryError()
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("the epoch failed"))
