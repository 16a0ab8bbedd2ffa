import io

import pytest

from facesim.console import Console
from facesim.reporters import PlainReporter, TerminalReporter, reporter_for


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
