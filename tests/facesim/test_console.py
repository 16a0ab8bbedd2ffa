"""What steers a terminal is shown and not sent, wherever the text is from."""

import os
import pty
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from facesim.cli import main
from facesim.console import Console, printable, say, warn_once
from facesim.reporters import PlainReporter, TerminalReporter

NASTY = "a\x1b]0;owned\x07b\x9b2Jc\rd\x08e\u202ef\udcffg\x7f\u2028"
SHOWN = r"a\x1b]0;owned\x07b\x9b2Jc\x0dd\x08e\u202ef\xffg\x7f\u2028"
STEERING = re.compile("[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def test_what_steers_is_written_out_and_the_rest_stays() -> None:
    assert printable(NASTY) == SHOWN
    assert printable("two\nlines\tand ü, 名, 🙂, \u200d") == "two\nlines\tand ü, 名, 🙂, \u200d"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_console_sends_no_control_character_of_the_text(*, terminal: bool) -> None:
    out = StringIO()
    console = Console(file=out, force_terminal=terminal, width=400)
    table = Table(title=Text(NASTY))
    table.add_column(Text(NASTY))
    table.add_row(Text(NASTY))
    for each in (NASTY, Text(NASTY, style="red"), table, Panel(NASTY)):
        console.print(each, markup=False, highlight=False)
    TerminalReporter(console).say(NASTY)
    with TerminalReporter(console).task(f"[link={NASTY}]", 2) as advance:
        advance(1, NASTY)
    text = out.getvalue().replace("\r", "") if terminal else out.getvalue()  # of the bar
    assert STEERING.search(text) is None
    # colours and moves of the cursor are rich's own; no text of ours opens a title or clears
    assert {code[-1] for code in re.findall("\x1b(?:\\[[0-9;?]*[a-zA-Z]|.)", text)} <= set("mKAhl")
    assert text.count("owned") >= 5


def test_plain_lines_are_printable(capsys: pytest.CaptureFixture[str]) -> None:
    say(NASTY)
    PlainReporter().say(NASTY)
    assert capsys.readouterr().out == f"{SHOWN}\n" * 2


def test_a_warning_is_logged_once_per_text(caplog: pytest.LogCaptureFixture) -> None:
    warn_once.cache_clear()
    for text in ("no locks: 100%", "no locks: 100%", "no links"):
        warn_once(text)
    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        ("facesim", "WARNING", "no locks: 100%"),
        ("facesim", "WARNING", "no links"),
    ]


def _on_a_terminal(arguments: list[str | bytes], folder: Path) -> tuple[int, bytes]:
    """The exit code of facesim and what it sends to a terminal."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "facesim", *arguments],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", "TERM": "xterm"},
    )
    os.close(follower)
    sent = b""
    try:
        while part := os.read(leader, 1 << 16):
            sent += part
    except OSError:  # Linux's way to say that the other end is closed
        pass
    os.close(leader)
    return process.wait(), sent


ARGUMENTS: list[list[str | bytes]] = [
    ["run", "no\x1b]0;owned\x07.yaml"],
    ["run", b"not\xffutf8\x1b[2J.yaml"],
    ["no\x1b]0;owned\x07command"],
    ["run", "--no\x1b]0;owned\x07option"],
    ["optimize", "a.yaml", "--trials", "\x1b]0;owned\x07"],
    ["run", "a.yaml", "one\x1b]0;owned\x07more"],
    ["plugins", "los\x1b]0;owned\x07ses"],
    ["run", "empty.yaml", "--set", "no\x1b]0;owned\x07key=1"],
    ["report", "no\x1b]0;owned\x07run"],
]


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_arguments_are_printed_written_out(
    arguments: list[str | bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty.yaml").write_text("name: a\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["facesim", *map(os.fsdecode, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    text = "".join(capsys.readouterr())
    assert ended.value.code == 2
    assert "\x1b" not in text
    assert STEERING.search(text) is None


def test_a_terminal_gets_colours_and_nothing_else_that_steers_it(tmp_path: Path) -> None:
    code, sent = _on_a_terminal(ARGUMENTS[2], tmp_path)
    text = sent.decode().replace("\r\n", "\n")
    assert code == 2, text
    assert STEERING.search(text) is None
    assert set(re.findall("\x1b(.)", text)) == {"["}
    assert set(re.findall("\x1b\\[[0-9;]*([^0-9;])", text)) == {"m"}
