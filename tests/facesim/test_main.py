"""``python -m facesim``, where no ``facesim`` is on the path."""

import subprocess
import sys
from pathlib import Path

import pytest

from facesim.version import __version__


def _run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "facesim", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--version"], 0, f"facesim {__version__}"),
        (["--help"], 0, "python -m facesim"),
        (["run", "no_such.yaml"], 2, "no_such.yaml: there is no such file"),
    ],
)
def test_it_is_the_command_line(tmp_path: Path, arguments: list[str], code: int, text: str) -> None:
    finished = _run(*arguments, folder=tmp_path)
    output = finished.stdout + finished.stderr
    assert (finished.returncode, text in output) == (code, True), output
    assert "Traceback" not in output
