"""How processes learn that one of them failed, died or hangs, by a store in this process."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from torch.distributed import HashStore, Store  # type: ignore[attr-defined]

from facesim import heartbeats
from facesim.heartbeats import GroupFailedError, Heartbeats

HOSTS = ("alpha", "alpha", "beta")
LOST = RuntimeError("Connection closed by peer [127.0.0.1]:4711\nException raised from read")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beat a hundred times as often."""
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(heartbeats, "DEAD_SECONDS", 0.3)
    monkeypatch.setattr(heartbeats, "LATE_SECONDS", 0.2)
    monkeypatch.setattr(heartbeats, "SILENT_SECONDS", 1.0)


@pytest.fixture
def join() -> Iterator[Callable[..., Heartbeats]]:
    """Begins the heartbeats of a process."""
    store, begun = HashStore(), []

    def begin(rank: int, of: Store = store, hosts: tuple[str, ...] = HOSTS) -> Heartbeats:
        begun.append(Heartbeats(of, rank, hosts))
        return begun[-1]

    yield begin
    for each in begun:
        each.close()


def failure_of(process: Heartbeats, seconds: float = 5.0) -> GroupFailedError:
    """What a process learns within some seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            process.require_alive()
        except GroupFailedError as error:
            return error
        time.sleep(0.01)
    raise AssertionError("it noticed nothing")


def silence(process: Heartbeats) -> None:
    """Let it be silent, as a process that is killed; it says no farewell."""
    process._closing.set()
    process._thread.join()


def test_processes_that_beat_are_alive(join: Callable[..., Heartbeats]) -> None:
    all_of_them = [join(rank) for rank in range(3)]
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        for each in all_of_them:
            each.require_alive()
            assert each.requested_stop is None
        time.sleep(0.05)


def test_the_first_failure_is_everybodys_with_process_and_host(
    join: Callable[..., Heartbeats],
) -> None:
    first, second, third = (join(rank) for rank in range(3))
    third.report("the disk is full")
    second.report("lost its connection")
    for each in (first, second, third):
        assert str(failure_of(each)) == "process 2 of 3 on beta: the disk is full"
        assert str(each.find_out(LOST)) == "process 2 of 3 on beta: the disk is full"


@pytest.mark.parametrize(("failed", "teller"), [(2, 0), (1, 0), (0, 0)])
def test_one_process_tells_the_person(
    join: Callable[..., Heartbeats], failed: int, teller: int
) -> None:
    all_of_them = [join(rank) for rank in range(3)]
    all_of_them[failed].report("broke")
    tells = [failure_of(each).should_print for each in all_of_them]
    assert [rank for rank, is_told in enumerate(tells) if is_told] == [teller]


@pytest.mark.parametrize(("gone", "teller"), [(0, 1), (1, 0), (2, 0)])
def test_of_a_process_that_is_gone_one_other_tells(
    join: Callable[..., Heartbeats], gone: int, teller: int
) -> None:
    all_of_them = [join(rank) for rank in range(3)]
    silence(all_of_them[gone])
    others = [rank for rank in range(3) if rank != gone]
    tells = [rank for rank in others if failure_of(all_of_them[rank]).should_print]
    assert tells == [teller]


@pytest.mark.parametrize(
    ("hosts", "gone", "printing"),
    [
        (("alpha", "alpha", "beta", "beta"), (0, 1), 2),  # a machine
        (("alpha",) * 4, (0, 1), 2),
        (("alpha", "beta") * 2, (0, 2), 1),
        (("alpha",) * 4, (1, 3), 0),
    ],
)
def test_of_several_that_are_gone_at_once_the_lowest_living_process_tells(
    join: Callable[..., Heartbeats], hosts: tuple[str, ...], gone: tuple[int, ...], printing: int
) -> None:
    processes = [join(rank, hosts=hosts) for rank in range(4)]
    for rank in gone:
        silence(processes[rank])
    living = [rank for rank in range(4) if rank not in gone]
    with ThreadPoolExecutor() as threads:
        errors = list(threads.map(lambda rank: processes[rank].find_out(LOST), living))
    assert [rank for rank, error in zip(living, errors, strict=True) if error.should_print] == [
        printing
    ]


def test_a_process_that_was_stopped_itself_blames_no_other(
    join: Callable[..., Heartbeats], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (join(rank) for rank in range(3))
    silence(third)
    time.sleep(0.1)
    # As after SIGCONT: the clock has gone on, and this process has looked at nobody meanwhile.
    passed = time.monotonic
    with first._lock, second._lock:
        monkeypatch.setattr(
            heartbeats,
            "time",
            SimpleNamespace(monotonic=lambda: passed() + 60.0, sleep=time.sleep),
        )
    first.require_alive()
    assert failure_of(first).failure.rank == 2  # but who is silent from then on is


def test_a_process_that_was_stopped_in_the_middle_of_a_look_blames_no_other(
    join: Callable[..., Heartbeats], monkeypatch: pytest.MonkeyPatch
) -> None:
    later, passed = [0.0], time.monotonic
    clock = SimpleNamespace(monotonic=lambda: passed() + later[0], sleep=time.sleep)
    monkeypatch.setattr(heartbeats, "time", clock)
    halfway = threading.Event()

    class Pausing(HashStore):
        def check(self, keys: list[str]) -> bool:
            looking = threading.current_thread() is first._thread and keys == ["beat/2"]
            if looking and not halfway.is_set():
                later[0] = 60.0  # as if it had been stopped here
                halfway.set()
                time.sleep(0.1)
            return super().check(keys)

    store = Pausing()
    halfway.set()
    first, _, _ = (join(rank, store) for rank in range(3))
    time.sleep(0.2)
    halfway.clear()
    assert halfway.wait(5.0)
    first.require_alive()


def test_a_process_that_is_silent_hangs_and_is_named(join: Callable[..., Heartbeats]) -> None:
    first, _, third = (join(rank) for rank in range(3))
    silence(third)
    told = str(failure_of(first))
    assert told.startswith("process 2 of 3 on beta: has not answered for 1 seconds: it hangs")
    assert "can be resumed" in told


def test_a_process_that_looked_a_moment_ago_waits_for_no_other_look(
    join: Callable[..., Heartbeats], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _, third = (join(rank) for rank in range(3))
    silence(third)
    silence(first)
    waits: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: first._looked + 0.1, sleep=waits.append)
    monkeypatch.setattr(heartbeats, "time", clock)
    monkeypatch.setattr(heartbeats, "SILENT_SECONDS", 0.05)
    with pytest.raises(GroupFailedError, match="has not answered"):
        first.require_alive()
    assert waits == []
    clock.monotonic = lambda: first._looked + 0.25
    with pytest.raises(GroupFailedError, match="has not answered"):
        first.require_alive()
    assert waits == [0.002] * 150  # five times as long as it takes to be dead


def test_after_a_lost_connection_a_process_that_is_silent_was_killed(
    join: Callable[..., Heartbeats],
) -> None:
    first, second, _ = (join(rank) for rank in range(3))
    silence(second)
    began = time.monotonic()
    told = str(first.find_out(LOST))
    assert told.startswith("process 1 of 3 on alpha: was killed, or its machine")
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("cut_off", [0, 1])
def test_a_lost_connection_that_no_silence_explains_is_told_once_in_torch_s_words(
    join: Callable[..., Heartbeats], cut_off: int
) -> None:
    processes = [join(rank) for rank in range(3)]
    own = processes[cut_off].find_out(LOST)
    assert str(own) == (
        f"process {cut_off} of 3 on alpha: lost its connection to the others\n"
        "Connection closed by peer [127.0.0.1]:4711"
    )
    others = [failure_of(each) for rank, each in enumerate(processes) if rank != cut_off]
    assert {str(each) for each in others} == {str(own)}
    assert [own.should_print, *(each.should_print for each in others)].count(True) == 1


def test_a_process_that_has_ended_is_not_silent(join: Callable[..., Heartbeats]) -> None:
    first, second, third = (join(rank) for rank in range(3))
    third.close()
    silence(second)
    assert failure_of(first).failure.rank == 1
    second.close()
    time.sleep(1.2)
    first.require_alive()


def test_a_stop_is_known_to_all_and_to_the_one_that_asks_at_once(
    join: Callable[..., Heartbeats],
) -> None:
    first, second, third = (join(rank) for rank in range(3))
    second.request_stop(15)
    assert second.requested_stop == 15
    until = time.monotonic() + 5.0
    while time.monotonic() < until and None in (first.requested_stop, third.requested_stop):
        time.sleep(0.01)
    assert (first.requested_stop, third.requested_stop) == (15, 15)
    third.request_stop(2)
    assert third.requested_stop == 15  # the first one holds


class Gone(HashStore):
    """A store whose host is gone from some moment on."""

    is_gone = False

    def set(self, key: str, value: str) -> None:
        if self.is_gone:
            raise RuntimeError("Connection reset by peer")
        super().set(key, value)

    def compare_set(self, key: str, expected: str, value: str) -> bytes:
        if self.is_gone:
            raise RuntimeError("Connection reset by peer")
        return bytes(super().compare_set(key, expected, value))


def test_where_the_store_is_gone_its_process_is(join: Callable[..., Heartbeats]) -> None:
    store = Gone()
    second = join(1, store)
    store.is_gone = True
    second.report("a failure that nobody can read")
    error = failure_of(second)
    assert error.failure.rank == 0
    assert error.should_print
    assert "process 0 of 3 on alpha: is gone, or its machine" in str(error)


@pytest.mark.parametrize(
    ("hosts", "printing"),
    [
        (("alpha",) * 4, [1]),
        (("alpha", "alpha", "beta", "beta"), [1, 2]),  # on each host, where all may live
        (("alpha", "beta", "beta", "beta"), [1]),
    ],
)
def test_where_the_store_is_gone_the_lowest_process_of_another_host_tells(
    join: Callable[..., Heartbeats], hosts: tuple[str, ...], printing: list[int]
) -> None:
    store = Gone()
    processes = [join(rank, store, hosts) for rank in range(1, 4)]
    store.is_gone = True
    errors = [failure_of(each) for each in processes]
    assert [rank for rank, error in enumerate(errors, 1) if error.should_print] == printing
