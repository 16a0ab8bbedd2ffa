"""Closed, full and broken standard streams end in no traceback, and stop no work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")

FACESIM = f"{sys.executable} -m facesim"
WORK = """
from pathlib import Path
from facesim.reporters import PlainReporter
from facesim.terminal.streams import outlive_stdout, prepare_streams
prepare_streams()
outlive_stdout()
for number in range(5000):
    PlainReporter().say(f"line {number} of many")
Path("result").write_text("all of it")
"""


def shell(command: str, folder: Path, unbuffered: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "unbuffered"), [("--version", ""), ("--version", "1"), ("plugins losses", "")]
)
def test_a_full_standard_output_is_named(tmp_path: Path, command: str, unbuffered: str) -> None:
    ended = shell(f"{FACESIM} {command} > /dev/full", tmp_path, unbuffered)
    assert ended.returncode == 2
    assert ended.stderr == "standard output: No space left on device; free some space\n"


@pytest.mark.parametrize("command", ["--version", "plugins losses"])
def test_a_reader_that_goes_ends_a_listing_without_a_word(tmp_path: Path, command: str) -> None:
    ended = shell(f"{FACESIM} {command} | true", tmp_path)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_work_goes_on_without_its_reader(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(WORK)
    ended = shell(f"{sys.executable} work.py | head -1", tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "line 0 of many\n", "")
    assert (tmp_path / "result").read_text() == "all of it"


def test_work_goes_on_without_room_for_its_output_and_says_so_once(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(WORK)
    ended = shell(f"{sys.executable} work.py > /dev/full", tmp_path)
    assert ended.returncode == 0
    (line,) = ended.stderr.splitlines()
    assert line.startswith("standard output cannot be written (No space left on device); ")
    assert (tmp_path / "result").exists()


def test_a_file_never_takes_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(
        WORK + "\nprint(open('result').fileno(), file=open('n', 'w'))"
    )
    ended = shell(f"{sys.executable} work.py <&- >&- 2>&-", tmp_path)
    assert ended.returncode == 0
    assert int((tmp_path / "n").read_text()) > 2


def test_without_standard_input_nobody_is_asked(tmp_path: Path) -> None:
    ended = shell(f"{FACESIM} new experiment mine.yaml <&-", tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (tmp_path / "mine.yaml").exists()


def test_without_standard_error_a_mistake_is_still_a_mistake(tmp_path: Path) -> None:
    assert shell(f"{FACESIM} run none.yaml 2> /dev/full", tmp_path).returncode == 2
