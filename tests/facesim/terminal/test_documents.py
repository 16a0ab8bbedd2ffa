"""Documents for scripts: what JSON cannot hold, and what ends a command."""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from facesim.experiment.nodes import ExperimentError, Mark, Problem
from facesim.terminal.documents import (
    print_document,
    print_error_document,
    print_exit_document,
)
from facesim.terminal.streams import awaits_document, keep_stdout, release_stdout

Printed = Callable[[], Any]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Iterator[Printed]:
    """What was printed on standard output, if anything, once it was kept."""

    def read() -> Any:
        text = capsys.readouterr().out
        assert text.isascii()
        return json.loads(text) if text else None

    yield read
    release_stdout()


def test_numbers_that_are_not_finite_are_null(printed: Printed) -> None:
    keep_stdout()
    print_document("run", {"values": [math.nan, math.inf, 1.0], "path": Path("a/b")})
    assert printed() == {
        "format": 1,
        "command": "run",
        "values": [None, None, 1.0],
        "path": "a/b",
    }


def test_text_of_any_kind_can_be_read(printed: Printed) -> None:
    keep_stdout()
    text = "\x1b[2J\x7f\u202e\udcff\n'\""
    print_document("run", {"text": text})
    assert printed()["text"] == text


def test_what_is_printed_besides_goes_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    keep_stdout()
    print("before")
    print_document("run", {})
    print("after")
    release_stdout()
    output, error = capsys.readouterr()
    assert (output, error) == ('{"format": 1, "command": "run"}\n', "before\nafter\n")


def test_an_error_follows_no_document(printed: Printed) -> None:
    keep_stdout()
    print_document("run", {})
    assert not awaits_document()
    print_error_document("too late", 2)
    assert printed() == {"format": 1, "command": "run"}


def test_of_several_processes_the_main_one_says_that_it_failed(
    printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_stdout()
    monkeypatch.setenv("RANK", "1")
    print_error_document("wrong", 2)
    assert printed() is None
    monkeypatch.setenv("RANK", "0")
    print_error_document("wrong", 2)
    assert printed()["error"] == {"message": "wrong", "exit_code": 2}


def test_a_problem_without_a_file_has_none(printed: Printed) -> None:
    keep_stdout()
    error = ExperimentError([Problem(Mark("", 1, 1), ("image", "size"), "is wrong")])
    print_error_document(str(error), 2, error)
    (problem,) = printed()["error"]["problems"]
    assert (problem["file"], problem["key"]) == (None, "image.size")


@pytest.mark.parametrize(
    ("exit_code", "message"),
    [(130, "stopped by SIGINT"), (143, "stopped by SIGTERM"), (2, "standard error says why")],
)
def test_a_command_without_a_result_says_how_it_ended(
    printed: Printed, exit_code: int, message: str
) -> None:
    keep_stdout()
    print_exit_document(exit_code)
    error = printed()["error"]
    assert message in error["message"]
    assert error["exit_code"] == exit_code


def test_help_is_no_failure(printed: Printed) -> None:
    keep_stdout()
    print_exit_document(0)
    assert printed() is None
