"""A forked command is what ``facesim`` is: exit code, output, end; and what it leaves is seen."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="campaigns need Linux")

SCRIPT = """
import json, os, sys, time
from dataclasses import asdict
from pathlib import Path
sys.path.insert(0, {root!r})
import facesim.cli.program
import tests.campaigns.command as command

command.GRACE = 0.5

def spin():
    while True:
        pass

def leave_a_process():
    if not os.fork():
        time.sleep(60)

folder = Path({folder!r})
print(json.dumps([
    asdict(command.run_facesim("--version", folder=folder)),
    asdict(command.run_facesim("check", "none.yaml", folder=folder)),
    asdict(command.run_facesim("--version", folder=folder, prepare=leave_a_process)),
    asdict(command.run_facesim("--version", folder=folder, prepare=spin, limit=1)),
    asdict(command.run_facesim("--version", folder=folder, prepare=spin, kill_after=0.1)),
    asdict(command.run_facesim("--version", folder=folder, prepare=lambda: 1 / 0)),
]))
"""


def test_commands_in_forked_processes(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    # A process of its own: one that forks must have one thread.
    script = SCRIPT.format(root=root, folder=str(tmp_path))
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout
    version, wrong, leaving, hanging, killed, failing = json.loads(printed)
    assert (version["status"], version["output"][:8]) == (0, "facesim ")
    assert not version["hung"]
    assert not version["outlived_by"]
    assert wrong["status"] == 2
    assert "none.yaml" in wrong["output"]
    assert len(leaving["outlived_by"]) == 1
    assert hanging["hung"]
    assert (killed["status"], killed["hung"]) == (-9, False)
    assert "ZeroDivisionError" in failing["output"]
