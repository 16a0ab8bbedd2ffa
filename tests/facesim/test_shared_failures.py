"""What one process could not do is raised by all of them, in step."""

import socket
from collections.abc import Callable

import pytest

from facesim.errors import DataError, FacesimError
from facesim.heartbeats import GroupFailedError, RankFailure
from facesim.processes import Processes
from facesim.shared_failures import SharedFailureError, all_done
from tests.facesim.lockstep import Lockstep, in_lockstep

Told = tuple[object, str]


def telling(
    failures: dict[int, FacesimError], leaving: int | None = None
) -> Callable[[Lockstep], Told]:
    """What each process is told, and whether all are in step after it."""

    def work(processes: Lockstep) -> Told:
        own = failures.get(processes.rank)
        told: object
        try:
            told = all_done(processes, own, leaves=processes.rank == leaving)
        except FacesimError as error:
            told = "its own" if error is own else (type(error), str(error))
        return told, processes.broadcast("next" if processes.is_main else "")

    return work


def of(rank: int, text: str) -> tuple[type[FacesimError], str]:
    return SharedFailureError, f"process {rank} of 3 on {socket.gethostname()}: {text}"


def test_where_each_has_done_its_share_all_go_on() -> None:
    assert in_lockstep(3, telling({})) == [(True, "next")] * 3
    assert all_done(Processes())


@pytest.mark.parametrize(
    ("failing", "expected"),
    [
        ([0], ["its own", of(0, "damaged 0"), of(0, "damaged 0")]),
        ([1], [of(1, "damaged 1")] * 3),
        ([1, 2], [of(1, "damaged 1")] * 3),
        ([0, 2], ["its own", of(0, "damaged 0"), of(0, "damaged 0")]),
    ],
)
def test_a_failure_is_raised_by_all_and_names_where_it_happened(
    failing: list[int], expected: list[object]
) -> None:
    failures: dict[int, FacesimError] = {rank: DataError(f"damaged {rank}") for rank in failing}
    assert in_lockstep(3, telling(failures)) == [(each, "next") for each in expected]


def test_where_a_process_leaves_the_others_failures_are_nobody_s() -> None:
    assert in_lockstep(3, telling({1: DataError("damaged")}, leaving=0)) == [(False, "next")] * 3


def test_a_long_text_is_cut_between_its_letters() -> None:
    failure = DataError("\udcff" + "x" * 7 + "ä" * 5_000)  # a file name need not be UTF-8

    def work(processes: Lockstep) -> str:
        with pytest.raises(SharedFailureError) as raised:
            all_done(processes, None if processes.is_main else failure)
        return str(raised.value)

    for text in in_lockstep(2, work):
        told = text.partition(f"{socket.gethostname()}: ")[2]
        assert told.startswith("\\udcffxxxxxxxä")
        assert set(told[13:]) == {"ä"}
        assert 4095 <= len(text.encode()) <= 4096


def test_the_failure_of_a_group_is_no_process_s_share() -> None:
    failure = GroupFailedError(RankFailure(1, "beta", "was killed"), 2, should_print=True)
    with pytest.raises(GroupFailedError, match="was killed"):
        all_done(Processes(), failure)
