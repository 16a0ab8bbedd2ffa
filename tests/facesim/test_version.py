"""One version, that of pyproject.toml."""

import subprocess
import sys
import tomllib
from pathlib import Path

import facesim
from facesim.version import installed_version

ROOT = Path(__file__).parents[2]


def test_the_version_is_that_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert facesim.__version__ == project["version"], "install again: pip install -e ."


def test_a_source_folder_that_was_never_installed_has_a_version_that_says_so(
    tmp_path: Path,
) -> None:
    (tmp_path / "facesim").symlink_to(ROOT / "facesim")
    without_site = [sys.executable, "-S", "-c", "import facesim; print(facesim.__version__)"]
    finished = subprocess.run(
        without_site, cwd=tmp_path, env={}, capture_output=True, text=True, check=True
    )
    assert finished.stdout == "0+unknown\n"


def test_the_version_of_what_is_not_installed_is_none() -> None:
    assert installed_version("no-such-distribution") is None
    assert installed_version("typer") is not None
