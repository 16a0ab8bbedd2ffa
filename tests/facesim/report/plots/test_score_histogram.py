import numpy as np
import pytest

from facesim.report.plots.score_histogram import score_histogram, score_quantiles_plot
from facesim.runs.log import TrainingLog

SAME = np.array([True, True, True, True, False, False])
SCORES = np.array([0.9, 0.8, 0.7, 0.1, 0.2, 0.75])


def test_the_shares_of_each_kind_sum_to_one() -> None:
    for series in score_histogram(SCORES, SAME, None).panels[0].series:
        assert sum(y or 0 for y in series.y[:-1]) == pytest.approx(
            1.0
        )  # the last point only closes the outline


def test_each_bin_has_the_share_of_the_scores_in_it() -> None:
    (panel,) = score_histogram(SCORES, SAME, None).panels
    for trace, scores in zip(panel.series, (SCORES[SAME], SCORES[~SAME]), strict=True):
        assert len(trace.x) == len(trace.y)
        for low, high, share in zip(trace.x, trace.x[1:], trace.y, strict=False):
            inside = (low <= scores) & ((scores < high) | (high == trace.x[-1]))
            assert share == pytest.approx(inside.mean())


def test_the_description_counts_the_errors_at_the_threshold() -> None:
    found = score_histogram(SCORES, SAME, 0.75)
    assert "25.00%" not in found.description
    assert "50.00% of genuine pairs lie below it (false non-matches)" in found.description
    assert "50.00% of impostor pairs at or above it (false matches)" in found.description
    assert [series.name for series in found.panels[0].series] == [
        "Genuine",
        "Impostor",
        "threshold 0.75",
    ]


def test_a_kind_without_pairs_is_left_out() -> None:
    found = score_histogram(SCORES[SAME], SAME[SAME], 0.5)
    assert [row[:2] for row in found.numbers.rows] == [("Genuine", "4")]
    assert "impostor" not in found.description


def test_without_a_threshold_that_is_said() -> None:
    assert "There is no threshold." in score_histogram(SCORES, SAME, None).description


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
    assert [series.name for series in found.panels[0].series if series.name] == [
        "genuine median",
        "impostor median",
    ]
    assert found.numbers.rows == (
        ("1", "1", "1.5", "2", "2.5", "3", "-3", "-2.5", "-2", "-1.5", "-1"),
    )


@pytest.mark.parametrize("kind", ["genuine", "impostor"])
def test_val_may_have_pairs_of_one_kind(kind: str) -> None:
    found = score_quantiles_plot(log_of(quantiles(kind, 2.0)))
    assert found is not None
    assert [series.name for series in found.panels[0].series if series.name] == [f"{kind} median"]


def test_without_quantiles_there_is_no_plot() -> None:
    assert score_quantiles_plot(log_of({"accuracy": 0.9})) is None


def test_the_words_and_the_quantiles_are_exact() -> None:
    scores = np.concatenate([np.arange(101) / 100, np.arange(101) / 100 - 1])
    found = score_histogram(scores, np.arange(202) < 101, 0.25)
    assert found.description == (
        "The median score is 0.5 for genuine pairs and -0.5 for impostor pairs. The threshold is "
        "0.25: 24.75% of genuine pairs lie below it (false non-matches) and 0.00% of impostor "
        "pairs at or above it (false matches)."
    )
    assert found.numbers.columns == (
        *("Kind", "Pairs"),
        *("1%", "5%", "25%", "50%", "75%", "95%", "99%"),
    )
    assert found.numbers.rows == (
        ("Genuine", "101", "0.01", "0.05", "0.25", "0.5", "0.75", "0.95", "0.99"),
        ("Impostor", "101", "-0.99", "-0.95", "-0.75", "-0.5", "-0.25", "-0.05", "-0.01"),
    )


def test_bins_are_sixty_from_the_least_to_the_largest_score_and_say_their_ends() -> None:
    (panel,) = score_histogram(SCORES, SAME, 0.3).panels
    genuine, impostor, threshold = panel.series
    assert genuine.x == impostor.x
    assert genuine.x == pytest.approx(np.linspace(0.1, 0.9, 61))
    assert len(genuine.tips) == 61
    assert genuine.tips[0] == "score 0.1 to 0.1133 · 25.00% of the genuine pairs"
    assert genuine.tips[-1] == genuine.tips[-2]
    assert genuine.tips[-1].startswith("score 0.8867 to 0.9 · ")
    assert genuine.y[-1] == genuine.y[-2] == 0.25
    assert (genuine.style, impostor.style) == ("genuine", "impostor")
    assert (threshold.x, threshold.y) == ((0.3, 0.3), (0, 0.5))
    assert [panel.y.low, panel.y.high] == pytest.approx([0, 0.525])


def test_quantiles_are_drawn_over_the_epochs_that_have_them() -> None:
    log = log_of({"accuracy": 0.5}, quantiles("genuine", 2.0), quantiles("genuine", 3.0))
    found = score_quantiles_plot(log)
    assert found is not None
    (panel,) = found.panels
    band, median = panel.series
    assert list(band.x) == list(median.x) == [2, 3]
    assert (band.low, median.y, band.high) == ((1.0, 2.0), (2.0, 3.0), (3.0, 4.0))
    assert median.tips[0] == "epoch 2 · genuine median 2 · 90% from 1 to 3"
    assert (band.name, band.marks) == ("", ("band",))
    assert panel.x.unit == "whole"
    assert found.numbers.columns[:3] == ("Epoch", "genuine 5%", "genuine 25%")
    assert found.numbers.rows[0] == ("1", *["-"] * 10)
    assert found.numbers.rows[1][:6] == ("2", "1", "1.5", "2", "2.5", "3")
