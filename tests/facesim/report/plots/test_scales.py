import math

import pytest

from facesim.page import Axis
from facesim.report.plots.scales import Scale


def labels(axis: Axis, *values: float) -> list[str]:
    return [label for _, label in Scale.of(axis, values).ticks()]


@pytest.mark.parametrize("epochs", [1, 2, 3, 5, 12])
def test_each_epoch_has_a_tick_up_to_twelve_and_nothing_between(epochs: int) -> None:
    wanted = [str(epoch) for epoch in range(1, epochs + 1)]
    assert labels(Axis("Epoch", "whole"), 1, epochs) == wanted


@pytest.mark.parametrize("last", [13, 40, 100, 3000, 123_456])
def test_more_whole_numbers_have_a_few_round_ticks(last: int) -> None:
    found = labels(Axis("Step", "whole"), 1, last)
    assert 3 <= len(found) <= 8
    assert all(label.replace(",", "").isdigit() for label in found)


def test_steps_are_round_in_the_unit_that_is_written() -> None:
    assert labels(Axis("Rate", "percent", low=0.0), 0.0, 0.31) == [
        "0%",
        "5%",
        "10%",
        "15%",
        "20%",
        "25%",
        "30%",
    ]
    assert labels(Axis("Rate", "percent", low=0.0), 0.0, 0.004) == [
        "0.0%",
        "0.1%",
        "0.2%",
        "0.3%",
        "0.4%",
    ]
    assert labels(Axis("Loss"), 0.013, 0.413) == ["0.1", "0.2", "0.3", "0.4"]
    assert labels(Axis("Difference", "points"), -3.5, 9.5) == ["-2", "0", "+2", "+4", "+6", "+8"]


def test_a_short_axis_has_fewer_ticks() -> None:
    scale = Scale.of(Axis("Share"), (0.0, 0.65))
    assert len(scale.ticks(2)) < len(scale.ticks())


def test_a_logarithmic_axis_has_its_decades() -> None:
    rates = Axis("FMR", "percent", low=1e-4, high=1.05, log=True)
    assert labels(rates) == ["0.01%", "0.1%", "1%", "10%", "100%"]
    assert labels(Axis("lr", log=True), 1e-9, 1.0) == ["1e-09", "1e-07", "1e-05", "0.001", "0.1"]
    assert labels(Axis("lr", log=True), 1.5e-3, 9e-3) == ["0.002", "0.005"]


def test_values_lie_between_the_ends_and_have_no_place_where_there_is_none() -> None:
    scale = Scale.of(Axis("FMR", log=True, low=1e-2, high=1.0), ())
    assert scale.at([1e-2, 1e-1, 1.0]).tolist() == pytest.approx([0, 0.5, 1])
    assert all(math.isnan(each) for each in scale.at([0.0, -1.0, None]))


def test_an_axis_holds_its_values_with_some_room_unless_it_says_where_it_ends() -> None:
    free = Scale.of(Axis("x"), [0.0, 1.0, None])
    assert [free.low, free.high] == pytest.approx([-0.03, 1.03])
    assert Scale.of(Axis("x", low=0.0, high=2.0), [0.5]).high == 2


@pytest.mark.parametrize("unit", ["number", "percent", "whole", "points"])
@pytest.mark.parametrize("values", [(), (0.5,), (3.0, 3.0), (0.0, 1e-12), (-1e9, 1e9)])
def test_any_values_have_an_axis_with_finite_ticks(unit: str, values: tuple[float, ...]) -> None:
    scale = Scale.of(Axis("x", unit), values)  # type: ignore[arg-type]
    assert scale.high > scale.low
    assert all(-1e-6 <= at <= 1 + 1e-6 for at, _ in scale.ticks())


def test_rows_go_down_from_the_first_name() -> None:
    scale = Scale.of(Axis("", names=("a", "b")), ())
    (first, a), (second, b) = scale.ticks()
    assert (a, b) == ("a", "b")
    assert 0 < first < second < 1
    assert Scale.of(Axis("", "hidden"), [1, 2]).ticks() == []


@pytest.mark.parametrize(
    ("unit", "told"),
    [("number", "0.1235"), ("percent", "12.35%"), ("whole", "0"), ("points", "+0.1235")],
)
def test_values_are_written_in_the_unit_of_the_axis(unit: str, told: str) -> None:
    assert Scale.of(Axis("x", unit), ()).written(0.12345) == told  # type: ignore[arg-type]
