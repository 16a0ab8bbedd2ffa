"""The spread of scores on val by epoch."""

from facesim.report.plots.score_quantiles import score_quantiles_plot
from facesim.runs.log import TrainingLog


def log_of(*val: dict[str, object]) -> TrainingLog:
    entries = tuple({"epoch": epoch, **values} for epoch, values in enumerate(val, start=1))
    return TrainingLog(train=(), val=entries, status="finished")


def quantiles(kind: str, middle: float) -> dict[str, object]:
    ends = {5: middle - 1, 25: middle - 0.5, 50: middle, 75: middle + 0.5, 95: middle + 1}
    return {f"{kind}_score_q{end:02d}": value for end, value in ends.items()}


def test_each_kind_has_a_median_and_a_band() -> None:
    log = log_of({**quantiles("genuine", 2.0), **quantiles("impostor", -2.0)})
    found = score_quantiles_plot(log)
    assert found is not None
    assert [trace.name for trace in found.figure.data if trace.name] == [
        "genuine median",
        "impostor median",
    ]
    assert found.numbers.rows == (
        ("1", "1", "1.5", "2", "2.5", "3", "-3", "-2.5", "-2", "-1.5", "-1"),
    )


def test_without_quantiles_there_is_no_plot() -> None:
    assert score_quantiles_plot(log_of({"accuracy": 0.9})) is None
