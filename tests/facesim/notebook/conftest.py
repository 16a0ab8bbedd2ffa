"""A trained run of tiny drawn faces, and a folder in which examples find their experiment."""

from collections.abc import Callable
from pathlib import Path

import pytest

from facesim import OpenedRun, load_experiment, run


@pytest.fixture(scope="session")
def workplace(
    tmp_path_factory: pytest.TempPathFactory, write_tiny: Callable[[Path, int], Path]
) -> Path:
    """A working directory with ``experiments/quickstart.yaml``, smaller than the real one."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "experiments").mkdir()
    file = write_tiny(folder, 0)
    file.rename(folder / "experiments" / "quickstart.yaml")
    return folder


@pytest.fixture
def _there(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)


@pytest.fixture(scope="session")
def trained(workplace: Path) -> OpenedRun:
    experiment = load_experiment(workplace / "experiments" / "quickstart.yaml", {"train.epochs": 1})
    return run(experiment, workplace / "runs", progress=False)
