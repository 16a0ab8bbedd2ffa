"""Signals are remembered until the step is done; a second one does not wait."""

import os
import signal
import time

import pytest

from facesim.heartbeats import GroupFailedError, RankFailure
from facesim.processes import Processes
from facesim.reporters import PlainReporter, SilentReporter
from facesim.training.stop import InterruptibleReporter, Stopped, StopRequest, stop_on_signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_at_the_next_check_with_the_shells_exit_code(number: int, code: int) -> None:
    with stop_on_signals() as stop:
        stop.check()
        os.kill(os.getpid(), number)
        with pytest.raises(Stopped) as stopped:
            stop.check()
    assert stopped.value.exit_code == code


class OneOfTwo(Processes):
    """The main process of two, which notes what it tells the other."""

    def __init__(self, requested: int | None = None) -> None:
        super().__init__()
        self.__dict__.update(told=[], requested=requested)

    @property
    def size(self) -> int:
        return 2

    @property
    def requested_stop(self) -> int | None:
        number: int | None = self.__dict__["requested"]
        return number

    def request_stop(self, signal_number: int) -> None:
        self.__dict__["told"].append(signal_number)


def test_the_echo_of_a_signal_by_what_launched_several_processes_is_the_same_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processes = OneOfTwo()
    with stop_on_signals(processes) as stop:
        os.kill(os.getpid(), signal.SIGINT)  # by the terminal
        os.kill(os.getpid(), signal.SIGTERM)  # by torchrun
        with pytest.raises(Stopped) as stopped:
            stop.check()
        assert (stopped.value.exit_code, stopped.value.at_once) == (130, False)
        assert processes.told == [signal.SIGINT]  # type: ignore[attr-defined]
        monkeypatch.setattr("facesim.training.stop._ECHO_SECONDS", 0.0)
        with pytest.raises(Stopped) as second:
            os.kill(os.getpid(), signal.SIGINT)
        assert second.value.at_once


def test_a_signal_to_another_process_stops_this_one_at_its_next_check() -> None:
    processes = OneOfTwo(requested=signal.SIGTERM)
    with stop_on_signals(processes) as stop, pytest.raises(Stopped) as stopped:
        stop.check()
    assert (stopped.value.exit_code, stopped.value.at_once) == (143, False)


def test_a_second_signal_stops_at_once() -> None:
    with stop_on_signals(), pytest.raises(Stopped) as stopped:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    assert stopped.value.at_once


class OfTwo(Processes):
    """One of two processes."""

    @property
    def size(self) -> int:
        return 2


def test_of_several_processes_a_signal_that_comes_again_at_once_is_the_same_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with stop_on_signals(OfTwo()) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)  # from the launcher
        with pytest.raises(Stopped) as stopped:
            stop.check()
        assert not stopped.value.at_once
        later = time.monotonic() + 60
        monkeypatch.setattr(time, "monotonic", lambda: later)
        with pytest.raises(Stopped) as stopped:
            os.kill(os.getpid(), signal.SIGINT)
        assert stopped.value.at_once


def test_the_handlers_that_were_there_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_after_the_last_check_of_a_block_stops_the_block_around_it() -> None:
    with stop_on_signals() as around:
        with stop_on_signals() as stop:
            stop.check()
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped) as stopped:
            around.check()
        with stop_on_signals() as next_one:
            next_one.check()
    assert stopped.value.exit_code == 143


def stopped_by(number: int | None) -> StopRequest:
    stop = StopRequest()
    stop.signal_number = number
    return stop


def test_a_task_stops_at_its_next_advance_which_is_still_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlainReporter, "seconds_between_lines", 0.0)
    stop = StopRequest()
    reporter = InterruptibleReporter(PlainReporter(), stop)
    with pytest.raises(Stopped), reporter.task("epoch 1/2", 4) as advance:
        advance()
        stop.signal_number = signal.SIGINT
        advance()
        pytest.fail("the task went on")
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(",")[0] for line in lines] == ["epoch 1/2 1/4", "epoch 1/2 2/4"]


def test_a_task_that_waits_for_others_can_be_stopped_without_any_advance() -> None:
    reporter = InterruptibleReporter(SilentReporter(), stopped_by(signal.SIGTERM))
    with pytest.raises(Stopped), reporter.task("waiting", 4) as advance:
        advance(0)


def test_a_failure_after_a_signal_is_the_stop_that_caused_it() -> None:
    reporter = InterruptibleReporter(SilentReporter(), stopped_by(signal.SIGTERM))
    with pytest.raises(Stopped) as stopped, reporter.task("decoding", 4):
        raise RuntimeError("a worker was killed")
    assert stopped.value.exit_code == 143


def test_a_process_that_failed_is_no_stop_whose_state_would_be_saved() -> None:
    reporter = InterruptibleReporter(SilentReporter(), stopped_by(signal.SIGTERM))
    failed = GroupFailedError(RankFailure(1, "two", "was killed"), 2, should_print=True)
    with pytest.raises(GroupFailedError), reporter.task("epoch 1/2", 4):
        raise failed


def test_a_failure_without_a_signal_stays_what_it_is() -> None:
    reporter = InterruptibleReporter(SilentReporter(), stopped_by(None))
    with pytest.raises(RuntimeError, match="a worker was killed"), reporter.task("decoding", 4):
        raise RuntimeError("a worker was killed")


def test_lines_are_printed_whether_or_not_a_stop_is_requested(
    capsys: pytest.CaptureFixture[str],
) -> None:
    InterruptibleReporter(PlainReporter(), stopped_by(signal.SIGINT)).say("stopping")
    assert capsys.readouterr().out == "stopping\n"
