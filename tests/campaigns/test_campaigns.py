"""A short sample of each campaign, with a fixed seed, finds no fault."""

import subprocess
import sys
from pathlib import Path

import pytest

NAMES = sorted(
    path.stem
    for path in Path(__file__).parent.glob("*.py")
    if not path.name.startswith("test_") and "(Campaign):" in path.read_text(encoding="utf-8")
)


@pytest.mark.skipif(sys.platform != "linux", reason="campaigns need Linux")
@pytest.mark.parametrize("name", NAMES)
def test_a_sample_finds_no_fault(name: str) -> None:
    script = Path(__file__).with_name("run.py")
    ended = subprocess.run(
        [sys.executable, script, name], capture_output=True, text=True, check=False
    )
    if "left out:" in ended.stdout:
        pytest.skip(ended.stdout)
    assert ended.returncode == 0, ended.stdout + ended.stderr
