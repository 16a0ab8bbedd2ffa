"""The wheel holds what the folders hold: a package or a template that is missing there is noticed
only by people who install facesim without its sources.
"""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {
    "facesim": "facesim",
    "plugins": "facesim_plugins",
    "experiments": "facesim/experiments",
}
BUILD = "from setuptools import build_meta; build_meta.build_wheel('.')"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the files in a wheel that is built from a copy of the sources."""
    sources = tmp_path_factory.mktemp("sources")
    for folder in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, sources / folder, ignore=ignored)
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, sources)
    build = [sys.executable, "-c", BUILD]
    finished = subprocess.run(build, cwd=sources, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    (built,) = sources.glob("facesim-*.whl")
    return set(zipfile.ZipFile(built).namelist())


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_is_in_the_wheel(folder: str, wheel: set[str]) -> None:
    files = {path for path in (ROOT / folder).rglob("*") if path.is_file()}
    expected = {
        f"{FOLDERS[folder]}/{path.relative_to(ROOT / folder).as_posix()}"
        for path in files
        if "__pycache__" not in path.parts and path.name != "README.md"
    }
    assert len(expected) > 10
    assert expected <= wheel, sorted(expected - wheel)


def test_nothing_else_is_in_the_wheel(wheel: set[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"facesim", "facesim_plugins"}
