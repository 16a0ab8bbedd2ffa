"""Fixtures that several test folders share."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# Machines that run several jobs at once stop for a second now and then.
hypothesis.settings.register_profile("facesim", deadline=None)
hypothesis.settings.load_profile("facesim")

# One thread a process: the tests run in as many processes as there are cores. Torch reads it when
# it is imported, which is after this file.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def celeba() -> Path:
    """The folder of real faces; a test that asks for it skips where there is none."""
    folder = os.environ.get("FACESIM_CELEBA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("FACESIM_CELEBA names no folder of real faces")
    return Path(folder).absolute()


@pytest.fixture(scope="session", autouse=True)
def _state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the user's record of runs that were begun."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACESIM_STATE", str(tmp_path_factory.getbasetemp() / "facesim-state"))
        yield


@pytest.fixture(autouse=True)
def _cache_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path_factory.getbasetemp() / "facesim-cache"))
