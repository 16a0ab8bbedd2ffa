"""What the plots of a study's page draw, and what they say to those who do not see them."""

import re
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from facesim.discovery import load_installed_plugins
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.page import Plot
from facesim.report.plots.svg import plot_svg
from facesim.tuning.objectives import COST, COSTS, VAL, Objective
from facesim.tuning.space import Space
from facesim.tuning.storage import IS_BASE
from facesim.tuning.study_plots import StudyPlots, shown

load_installed_plugins()
METRICS = built_metrics(standard_metrics())
ACCURACY, EER = (Objective(VAL, METRICS[name]) for name in ("accuracy", "eer"))

LOSS = "loss: {choice: [{name: contrastive, margin: {float: [0.5, 4]}}, learned]}"
RATE = "optimizer.lr: {float: [1e-5, 1e-1], log: true}"


@pytest.fixture
def space(read: Callable[..., Space]) -> Space:
    return read(LOSS, RATE)


def trial_of(space: Space, number: int, values: list[float] | None, **kinds: Any) -> FrozenTrial:
    """A trial as the study has it; ``margin`` chooses the contrastive loss."""
    params = {"optimizer.lr": kinds.get("lr", 1e-3), "loss": "learned"}
    if "margin" in kinds:
        params |= {"loss": "contrastive", "loss[contrastive].margin": kinds["margin"]}
    asked = optuna.trial.FixedTrial(params)
    space.suggest(asked)
    trial = optuna.create_trial(
        params=params,
        distributions=asked.distributions,
        values=values,
        state=kinds.get("state", TrialState.COMPLETE),
        user_attrs={IS_BASE: True} if kinds.get("base") else {},
    )
    trial.number = number
    return trial


@pytest.fixture
def plots(space: Space) -> StudyPlots:
    trials = [
        trial_of(space, 0, [0.6], base=True, margin=1.0),
        trial_of(space, 1, [0.9], state=TrialState.PRUNED),
        trial_of(space, 2, [0.5], margin=2.0, lr=1e-5),
        trial_of(space, 3, [0.8], lr=1e-1),
        trial_of(space, 4, None, state=TrialState.FAIL),
    ]
    return StudyPlots(space, (ACCURACY,), trials)


def marks(plot: Plot) -> dict[str, list[tuple[float, float | None]]]:
    found = [series for series in plot.panels[0].series if series.marks == ("points",)]
    return {series.name: list(zip(series.x, series.y, strict=True)) for series in found}


def test_the_history_marks_the_base_experiment_and_pruned_trials(plots: StudyPlots) -> None:
    assert marks(plots.history(0)) == {
        "completed": [(2, 0.5), (3, 0.8)],
        "pruned": [(1, 0.9)],
        "base experiment": [(0, 0.6)],
    }


def test_the_best_so_far_is_that_of_completed_trials(plots: StudyPlots) -> None:
    plot = plots.history(0)
    (line,) = [series for series in plot.panels[0].series if series.marks == ("steps",)]
    assert list(line.y) == [0.6, 0.6, 0.6, 0.8]
    assert plot.numbers.rows[1] == ("1", "pruned", "0.9000", "0.6000")


def test_the_best_so_far_follows_the_direction_of_the_metric(space: Space) -> None:
    trials = [
        trial_of(space, 0, [0.3], state=TrialState.PRUNED),
        *(trial_of(space, number, [value]) for number, value in ((1, 0.2), (2, 0.3), (3, 0.1))),
    ]
    plot = StudyPlots(space, (EER,), trials).history(0)
    assert [row[3] for row in plot.numbers.rows] == ["-", "0.2000", "0.2000", "0.1000"]


def test_each_parameter_has_a_slice_with_the_trials_that_have_it(plots: StudyPlots) -> None:
    by_title = {plot.title: plot for plot in plots.slices(0)}
    panels = {title: plot.panels[0] for title, plot in by_title.items()}
    assert {title: (panel.x.log, panel.y.names) for title, panel in panels.items()} == {
        "optimizer.lr": (True, ()),
        "loss": (False, ("contrastive", "learned")),
        "loss[contrastive].margin": (False, ()),
    }
    margin = by_title["loss[contrastive].margin"]
    assert marks(margin) == {"completed": [(2.0, 0.5)], "base experiment": [(1.0, 0.6)]}
    assert [row[:2] for row in margin.numbers.rows] == [("0", "1"), ("2", "2")]


def test_numbers_that_are_choices_stay_apart_from_their_sizes(read: Callable[..., Space]) -> None:
    space = read("train.batch_size: {choice: [8, 64]}")
    asked = optuna.trial.FixedTrial({"train.batch_size": 64})
    space.suggest(asked)
    trial = optuna.create_trial(
        params=asked.params, distributions=asked.distributions, values=[0.5]
    )
    (plot,) = StudyPlots(space, (ACCURACY,), [trial]).slices(0)
    assert marks(plot) == {"completed": [(0.5, 0)]}
    assert plot.panels[0].y.names == ("64",)


def test_parallel_coordinates_colour_the_best_and_stay_within_the_axes(plots: StudyPlots) -> None:
    plot = plots.parallel_coordinates(0)
    assert [row[0] for row in plot.numbers.rows] == ["3", "0", "2"]
    (panel,) = plot.panels
    drawn = {series.name: series for series in panel.series}
    assert list(drawn) == ["trial 3", "trial 0", "trial 2"]
    assert panel.y.names == ("loss", "optimizer.lr", "val.accuracy")
    assert list(drawn["trial 3"].y) == [0, 1, 2]
    assert list(drawn["trial 3"].x) == [1.0, 1.0, 1.0]
    assert list(drawn["trial 2"].x) == [0.0, 0.0, 0.0]
    assert drawn["trial 0"].x[1] == pytest.approx(0.5)


def test_a_parameter_with_one_value_is_drawn_in_the_middle(read: Callable[..., Space]) -> None:
    space = read("loss: {choice: [contrastive]}")
    asked = optuna.trial.FixedTrial({"loss": "contrastive"})
    space.suggest(asked)
    trial = optuna.create_trial(
        params=asked.params, distributions=asked.distributions, values=[0.5]
    )
    plot = StudyPlots(space, (ACCURACY,), [trial]).parallel_coordinates(0)
    assert plot.panels[0].series[0].x == (0.5, 0.5)


def test_the_pareto_front_is_drawn_from_left_to_right(space: Space) -> None:
    trials = [
        trial_of(space, number, list(values))
        for number, values in enumerate([(0.3, 5.0), (0.1, 9.0), (0.4, 8.0)])
    ]
    objectives = (EER, Objective(COST, COSTS["milliseconds_per_image"]))
    plot = StudyPlots(space, objectives, trials).pareto_front(0, 1, trials[:2])
    assert [row[0] for row in plot.numbers.rows] == ["1", "0"]
    front = next(series for series in plot.panels[0].series if series.name == "front")
    assert (list(front.x), list(front.y)) == ([0.1, 0.3], [9.0, 5.0])
    assert len(marks(plot)["completed"]) == 3


def test_every_plot_has_a_name_of_its_own_and_is_drawn_the_same_again(plots: StudyPlots) -> None:
    def drawn() -> list[Any]:
        return [plots.history(0), *plots.slices(0), plots.parallel_coordinates(0)]

    first, again = drawn(), drawn()
    names = [plot.name for plot in first]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z-]+", name) for name in names)
    assert first == again


def test_what_a_parameter_holds_is_text_and_no_markup(space: Space) -> None:
    trial = optuna.create_trial(
        params={"x": "<b>bold</b>"},
        distributions={"x": optuna.distributions.CategoricalDistribution(["<b>bold</b>"])},
        values=[0.5],
    )
    plot = StudyPlots(space, (ACCURACY,), [trial]).history(0)
    svg = plot_svg(plot)
    assert "&lt;b&gt;bold&lt;/b&gt;" in svg
    assert "<b>" not in svg


@pytest.mark.parametrize(
    ("value", "text"), [(0.000123456, "0.0001235"), (16, "16"), ("mlp", "mlp"), (None, "None")]
)
def test_values_are_shown_in_a_few_digits(value: object, text: str) -> None:
    assert shown(value) == text
