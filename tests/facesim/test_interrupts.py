"""Ctrl-C is told from a KeyboardInterrupt that code raises."""

import os
import signal
from collections.abc import Iterator

import pytest

from facesim import interrupts
from facesim.interrupts import is_ctrl_c, watch_interrupts


@pytest.fixture(autouse=True)
def _python_handles_it(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(interrupts, "_came", False)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_signal_counts_and_a_raised_exception_does_not() -> None:
    watch_interrupts()
    assert not is_ctrl_c(KeyboardInterrupt())
    assert not is_ctrl_c(ValueError())
    with pytest.raises(KeyboardInterrupt) as caught:
        os.kill(os.getpid(), signal.SIGINT)
    assert is_ctrl_c(caught.value)


def test_where_nobody_watches_it_is_taken_for_the_signal() -> None:
    assert is_ctrl_c(KeyboardInterrupt())


def test_another_handler_is_left_alone() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch_interrupts()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
