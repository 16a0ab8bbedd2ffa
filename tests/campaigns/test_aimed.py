"""A process is killed at the event that was aimed at; what is left behind is seen."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from tests.campaigns.aimed import Watch, kill_at
from tests.campaigns.campaign import Fault
from tests.campaigns.undisturbed import age_leftovers, leftovers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="campaigns need Linux")


def status_of(work: Callable[[], object]) -> int:
    """Of a forked process that does this."""
    pid = os.fork()
    if not pid:
        try:
            work()
        finally:
            os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize(
    ("kind", "number", "written"),
    [(Watch.FILES, 1, []), (Watch.FILES, 3, ["0", "1"]), (Watch.FLUSH, 3, ["0", "1"])],
)
def test_a_kill_comes_before_the_event_that_was_aimed_at(
    kind: Watch, number: int, written: list[str], tmp_path: Path
) -> None:
    def work() -> None:
        kill_at(kind, number)
        for each in range(3):
            descriptor = os.open(tmp_path / f"{each}", os.O_WRONLY | os.O_CREAT)
            os.fsync(descriptor)

    assert status_of(work) == -signal.SIGKILL
    assert sorted(path.name for path in tmp_path.iterdir()) == written


def test_an_event_that_never_comes_kills_nobody(tmp_path: Path) -> None:
    def work() -> None:
        kill_at(Watch.FILES, 20)
        (tmp_path / "a").touch()

    assert status_of(work) == 7


def test_temporary_files_and_held_locks_are_left_behind(tmp_path: Path) -> None:
    (tmp_path / ".a.tmp").touch()
    (tmp_path / "free.lock").touch()
    with FileLock(tmp_path / "held.lock"):
        found = sorted(finding.detail for finding in leftovers(tmp_path))
    assert found == [".a.tmp", "held.lock is locked"]
    assert {finding.fault for finding in leftovers(tmp_path)} == {Fault.LEFT}


def test_a_link_of_a_checkpoint_keeps_its_time(tmp_path: Path) -> None:
    (tmp_path / ".a.tmp").mkdir()
    (tmp_path / ".a.tmp" / ".b.tmp").touch()
    (tmp_path / "last.pt").touch()
    os.link(tmp_path / "last.pt", tmp_path / ".best.pt.tmp")
    age_leftovers(tmp_path)
    last = (tmp_path / "last.pt").stat().st_mtime
    for old in (".a.tmp", ".a.tmp/.b.tmp"):
        assert last - (tmp_path / old).stat().st_mtime > 7000
