"""The benchmarks' own arithmetic: what they must reach, and whether they were alone."""

import importlib.util
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent / "benchmarks"


@pytest.fixture(scope="module")
def run() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmarks_run", HERE / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """run.py with two benchmarks of its own, of which one must reach 2 and reaches 1.5."""
    (tmp_path / "run.py").write_text((HERE / "run.py").read_text())
    (tmp_path / "must.toml").write_text('[slow]\nspeed_ratio = ">= 2"\nabsent_ratio = "<= 3"\n')
    for name, value in {"slow": 1.5, "free": 7}.items():
        (tmp_path / f"{name}.py").write_text(f"print('{{\"speed_ratio\": {value}}}')\n")
    return tmp_path / "run.py"


def started(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(copy), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_must_be_reached_names_benchmarks_and_says_how_much(run: ModuleType) -> None:
    assert run.MUST
    for name, figures in run.MUST.items():
        assert name in run.NAMES
        for figure, must in figures.items():
            assert figure.endswith("ratio")
            assert run.reaches(float(must.split()[1]), must)


@pytest.mark.parametrize(
    ("value", "must", "is_reached"),
    [(12.0, ">= 12", True), (11.9, ">= 12", False), (3.1, "<= 3", False), (0.5, "<= 3", True)],
)
def test_a_figure_reaches_its_limit_or_not(
    run: ModuleType, value: float, must: str, is_reached: bool
) -> None:
    assert run.reaches(value, must) is is_reached


def test_a_missed_ratio_fails_only_where_that_is_asked_for(copy: Path) -> None:
    checked = started(copy, "slow", "--check")
    assert checked.returncode == 1
    assert "slow: speed_ratio is 1.5 and must be >= 2" in checked.stderr
    assert ">= 2, missed" in checked.stdout
    assert "not measured" in checked.stdout
    assert started(copy, "slow").returncode == 0
    assert started(copy, "free", "--check").returncode == 0


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="who is busy is known on Linux only")
def test_a_machine_that_others_use_is_warned_of(copy: Path) -> None:
    (copy.parent / "slow.py").write_text(
        textwrap.dedent(
            """
            import time
            end = time.monotonic() + 1.5
            while time.monotonic() < end:
                time.sleep(0.01)
            print('{"speed_ratio": 3}')
            """
        )
    )
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        found = started(copy, "slow", "--check")
    finally:
        busy.kill()
        busy.wait()
    assert found.returncode == 0
    assert "cores during slow; measure again alone" in found.stderr
