"""Runs that are trained once, to be packed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from facesim.runs.run import Run
from tests.facesim.packing.small_run import small_experiment


@pytest.fixture(scope="session")
def train_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Trains the small run with overrides, or opens the one that was trained before."""
    trained: dict[tuple[str, ...], Path] = {}

    def train(*overrides: str) -> Run:
        if overrides not in trained:
            folder = tmp_path_factory.mktemp("packing")
            run = Run.begin(small_experiment(folder, *overrides), folder / "runs")
            run.complete()
            trained[overrides] = run.path
        return Run.open(trained[overrides])

    return train
