import os
import subprocess
import sys
from dataclasses import replace

from facesim.tuning.process_identity import Presence


def test_this_process_lives() -> None:
    assert not Presence.here().is_dead
    assert Presence.read(Presence.here().as_attributes()) == Presence.here()


def test_an_ended_process_is_dead_also_before_its_parent_has_asked() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    presence = replace(Presence.here(), pid=child.pid)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert presence.is_dead
    child.wait()
    assert presence.is_dead


def test_a_number_that_another_process_has_got_since_is_not_taken_for_the_first() -> None:
    assert replace(Presence.here(), started="1").is_dead


def test_nothing_is_claimed_about_another_machine() -> None:
    assert not replace(Presence.here(), host="elsewhere", pid=2**22 + 1).is_dead
