"""Embedding diagnostics by epoch."""

from facesim.report.plots.training_health import health_plot
from facesim.runs.log import TrainingLog


def log_of(*val: dict[str, object]) -> TrainingLog:
    entries = tuple({"epoch": epoch, **values} for epoch, values in enumerate(val, start=1))
    return TrainingLog(train=(), val=entries, status="finished")


def test_only_diagnostics_that_were_logged_are_drawn() -> None:
    found = health_plot(log_of({"effective_rank": 3.0}, {"effective_rank": 2.0}))
    assert [trace.y for trace in found.figure.data] == [(3.0, 2.0)]
    assert found.numbers.columns == ("Epoch", "Effective rank")
    assert "After the last epoch: effective rank 2." in found.description


def test_a_share_of_impostors_is_in_percent() -> None:
    found = health_plot(log_of({"impostors_inside_margin": 0.25}))
    assert found.numbers.rows == (("1", "25.00%"),)
