"""The page of ``facesim --help``, which is drawn without typer, is the page that typer draws."""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from rich.console import Console
from rich.style import Style
from rich.text import Text
from typer.testing import CliRunner

from facesim.cli.front_page import NARROWEST, STEERING, front_page
from facesim.cli.program import app

PROGRAM = """
import sys
sys.argv = ["facesim", "--help"]
from facesim.cli import main
try: main()
finally: sys.stderr.write(" ".join({"typer", "rich"} & {*sys.modules}))
"""


def page_of_typer(width: int, *, coloured: bool) -> str:
    environment = {
        "COLUMNS": str(width),
        "FORCE_COLOR": "1" if coloured else None,
        "NO_COLOR": None,
        "TERM": "xterm",
    }
    return CliRunner().invoke(app, ["--help"], prog_name="facesim", env=environment).output


def visible(page: str) -> list[tuple[str, Style | None]]:
    """The characters of a page for a terminal, each with its style."""
    segments = Console(width=1000).render(Text.from_ansi(page))
    return [
        (character, segment.style)
        for segment in segments
        for character in segment.text
        if character.strip()
    ]


def help_in(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    steering = {*STEERING, "TERM"}
    inherited = {name: value for name, value in os.environ.items() if name not in steering}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**inherited, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )


LOOK = pytest.mark.skipif(
    not version("typer").startswith("0.29.") or not version("rich").startswith("15."),
    reason="the page looks as that of typer 0.29 with rich 15",
)


def test_it_has_the_words_of_typers_page_of_the_commands() -> None:
    drawn = (front_page("facesim", 500, coloured=False), page_of_typer(500, coloured=False))
    without_types = (re.sub(r"<?bool>?", "", page) for page in drawn)  # some versions show none
    ours, theirs = (sorted(re.findall(r"\w[^\s│]*", page)) for page in without_types)
    assert "optimize" in ours
    assert ours == theirs


@LOOK
def test_it_is_the_page_that_typer_makes_of_the_commands() -> None:
    for width in [80, *range(NARROWEST, 132), 200, 500]:
        assert front_page("facesim", width, coloured=False) == page_of_typer(width, coloured=False)


@LOOK
@pytest.mark.parametrize("width", [NARROWEST, 80, 120])
def test_it_has_typers_colours(width: int) -> None:
    ours = front_page("facesim", width, coloured=True)
    theirs = page_of_typer(width, coloured=True)
    assert "\033[1;36m" in theirs
    assert visible(ours) == visible(theirs)
    assert Text.from_ansi(ours).plain == Text.from_ansi(theirs).plain


def test_it_needs_neither_typer_nor_rich() -> None:
    ended = help_in({})
    assert ended.stdout == front_page("facesim", 80, coloured=False)
    assert ended.stderr == ""


@pytest.mark.parametrize(
    "environment",
    [
        {"FORCE_COLOR": "1"},
        {"GITHUB_ACTIONS": "true"},
        {"TERMINAL_WIDTH": "100"},
        {"COLUMNS": "50"},
        {"PYTHONIOENCODING": "ascii"},
        {"TYPER_USE_RICH": "0"},
    ],
    ids=str,
)
def test_a_page_that_should_look_otherwise_is_typers(environment: dict[str, str]) -> None:
    ended = help_in(environment)
    assert "typer" in ended.stderr
    assert ended.stdout != front_page("facesim", 80, coloured=False)
    assert "Usage: facesim" in Text.from_ansi(ended.stdout).plain


def test_a_terminal_sees_colours_and_a_pipe_none() -> None:
    master, terminal = pytest.importorskip("pty").openpty()
    environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
    for name in STEERING:
        environment.pop(name, None)
    page = b""
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=terminal, env=environment):
        os.close(terminal)
        while b"Manage galleries" not in page:
            page += os.read(master, 65536)
    os.close(master)
    assert b"\033[1;36mrun" in page
    assert "\033" not in help_in({}).stdout


def test_a_module_is_called_by_its_name(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "facesim", "--help"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        cwd=tmp_path,
    )
    assert "Usage: python -m facesim [OPTIONS]" in Text.from_ansi(ended.stdout).plain
