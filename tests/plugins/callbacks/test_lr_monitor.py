"""Logged learning rates: those of each group, before the first step and after each epoch."""

import csv
from pathlib import Path

import pytest

from facesim.experiment.loading import load_experiment
from facesim.runs.run import Run


def test_the_rates_of_each_group_are_in_the_log_and_with_the_trackers(tmp_path: Path) -> None:
    from tests.plugins.test_trains import BASE

    (tmp_path / "rates.yaml").write_text(BASE)
    chosen = ["callbacks=[lr_monitor]", "scheduler=cosine", "trackers=[csv]", "train.epochs=2"]
    run = Run.begin(load_experiment(tmp_path / "rates.yaml", chosen), tmp_path / "runs")
    run.train()
    assert run.log is not None
    logged = run.log.callbacks
    assert [entry["epoch"] for entry in logged] == [1, 1, 2]
    steps = run.components.total_steps
    assert [entry["step"] for entry in logged] == [0, steps // 2, steps]
    names = {"lr_monitor.tail", "lr_monitor.head"}
    assert all(names <= set(entry) for entry in logged)
    rates = [entry["lr_monitor.head"] for entry in logged]
    assert rates == pytest.approx([5e-3, 2.5e-3, 0.0], abs=1e-9)
    (file,) = run.path.glob("*.csv")
    with file.open(newline="") as rows:
        tracked = set(next(csv.reader(rows)))
    assert {f"callback.{name}" for name in names} <= tracked
