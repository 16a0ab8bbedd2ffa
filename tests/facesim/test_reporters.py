import io
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from facesim.console import Console
from facesim.reporters import (
    Advance,
    CheckedReporter,
    PlainReporter,
    SilentReporter,
    TerminalReporter,
    TitledReporter,
    reporter_for,
)


def test_a_terminal_gets_bars_and_a_pipe_plain_lines() -> None:
    assert isinstance(reporter_for(Console(force_terminal=True)), TerminalReporter)
    assert isinstance(reporter_for(Console(file=io.StringIO())), PlainReporter)


def test_plain_lines_say_how_far_and_how_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlainReporter, "seconds_between_lines", 0.0)
    with PlainReporter().task("epoch 1/2", 4, done=1) as advance:
        advance(1, "loss 0.5")
        advance(2)
    assert capsys.readouterr().out.startswith("epoch 1/2 2/4, loss 0.5, ")


def test_lines_are_printed_now_and_then_and_not_for_every_part(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with PlainReporter().task("epoch 1/2", 100) as advance:
        for _ in range(100):
            now[0] += 1
            advance(1)
    said = [line.partition(",")[0] for line in capsys.readouterr().out.splitlines()]
    assert said == [f"epoch 1/2 {done}/100" for done in range(10, 100, 10)]


def test_the_time_left_is_by_what_was_done_since_the_task_began(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 100, 60 were done before: 20 in 10 seconds leave 10 seconds for the other 20."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with PlainReporter().task("images", 100, done=60) as advance:
        now[0] = 10.0
        advance(20)
        now[0] = 19.9
        advance(10)
        now[0] = 30.0
        advance(10)
    assert capsys.readouterr().out == "images 80/100, 10 s left\n"


def test_a_bar_begins_where_the_task_does_keeps_its_note_and_goes_away() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    with TerminalReporter(console).task("[b]epoch[/b] [/x]", 10, done=4) as advance:
        begun = screen.getvalue()
        advance(2, "loss [b]0.5[/b] [/x]")
        advance()
    assert "[b]epoch[/b] [/x]" in begun
    assert "4/10" in begun
    last_shown = screen.getvalue().rpartition("[b]epoch[/b]")[2]
    assert "7/10" in last_shown
    assert "loss [b]0.5[/b] [/x]" in last_shown
    assert screen.getvalue().endswith("\x1b[1A\x1b[2K")


class Kept:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def say(self, text: str) -> None:
        self.told.append(text)

    @contextmanager
    def task(self, title: str, total: int, done: int = 0) -> Iterator[Advance]:
        self.told.append((title, total, done))
        yield lambda count=1, note="": self.told.append((count, note))
        self.told.append("end")


def test_something_is_checked_after_each_advance() -> None:
    kept, checks = Kept(), iter([None, None, RuntimeError("stopped")])

    def check() -> None:
        if (error := next(checks)) is not None:
            raise error

    reporter = CheckedReporter(kept, check)
    reporter.say("begins")
    with pytest.raises(RuntimeError, match="stopped"), reporter.task("epoch", 4, 1) as advance:
        advance()
        advance(2, "loss 0.5")
        advance(1)
    assert kept.told == ["begins", ("epoch", 4, 1), (1, ""), (2, "loss 0.5"), (1, "")]


def test_a_title_stands_before_each_task(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlainReporter, "seconds_between_lines", 0.0)
    reporter = TitledReporter(PlainReporter(), "fold 2 of 5")
    reporter.say("begins")
    with reporter.task("epoch 1/2", 4) as advance:
        advance()
    begins, task = capsys.readouterr().out.splitlines()
    assert begins == "begins"
    assert task.startswith("fold 2 of 5: epoch 1/2 1/4")


def test_a_silent_reporter_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    SilentReporter().say("begins")
    with SilentReporter().task("epoch", 4, 1) as advance:
        advance(3, "loss 0.5")
    assert capsys.readouterr() == ("", "")


def test_a_bar_shows_title_count_and_note() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    reporter = TerminalReporter(console)
    with reporter.task("epoch 1/2", 4) as advance:
        advance(4, "loss 0.5")
    reporter.say("[done]")
    shown = screen.getvalue()
    assert "epoch 1/2" in shown
    assert "4/4" in shown
    assert "loss 0.5" in shown
    assert "[done]" in shown
