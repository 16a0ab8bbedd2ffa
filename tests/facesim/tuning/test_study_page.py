"""What the page of a study says of its winner and its trials."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from facesim.evaluation.seed_differences import SEEDS_INTERVAL
from facesim.page import Cards, Page, Table, Text
from facesim.report.rendering import render
from facesim.tuning.space import base_point
from facesim.tuning.storage import LOST, REASON
from facesim.tuning.study import Plan
from facesim.tuning.study_page import failures, reuse_warning, shortfall, study_page, verdict
from facesim.tuning.summary import (
    Difference,
    FailedTraining,
    FailedTrial,
    Retrained,
    Spread,
    Summary,
)
from tests.facesim.accessibility import violations

SPREAD = Spread(mean=0.75, standard_deviation=0.0125, values=(0.75, 0.75))


def difference(mean: float, better: Any) -> Difference:
    return Difference(
        metric="accuracy",
        mean=mean,
        low=mean - 0.1,
        high=mean + 0.1,
        interval=SEEDS_INTERVAL,
        better=better,
        per_seed=(),
    )


@pytest.fixture
def summary() -> Summary:
    system = Retrained(val={"accuracy": SPREAD, "eer": SPREAD}, test={"accuracy": SPREAD}, runs=())
    return Summary(
        study="tiny",
        metric="accuracy",
        trials={"complete": 4, "pruned": 2, "fail": 3},
        winning_trial=1,
        winning_parameters={},
        winning_value=0.875,
        base_value=0.5,
        seeds=(1, 2),
        winner=system,
        base=system,
        difference=difference(0.25, "winner"),
        winners_scored=1,
    )


@pytest.fixture
def page_of(plan: Plan) -> Callable[[Summary], Page]:
    """The page of a study in memory with a trial of every ending."""
    study = optuna.create_study(direction="maximize")
    asked = optuna.trial.FixedTrial(dict(base_point(plan.space)))
    plan.space.suggest(asked)
    endings: tuple[tuple[TrialState, dict[str, str]], ...] = (
        (TrialState.COMPLETE, {}),
        (TrialState.FAIL, {REASON: "FacesimError: <too large>"}),
        (TrialState.FAIL, {LOST: "stopped"}),
        (TrialState.FAIL, {LOST: "surplus"}),
        (TrialState.FAIL, {}),
    )
    for state, attributes in endings:
        study.add_trial(
            optuna.create_trial(
                state=state,
                values=[0.5] if state == TrialState.COMPLETE else None,
                params=asked.params,
                distributions=asked.distributions,
                user_attrs=attributes,
            )
        )
    return lambda summary: study_page(plan, study, summary)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    page_of: Callable[[Summary], Page], summary: Summary, browser: Any, tmp_path: Path, scheme: str
) -> None:
    path = tmp_path / "study.html"
    path.write_text(render(page_of(summary)), encoding="utf-8")
    assert violations(browser, path, color_scheme=scheme) == []


def section(page: Page, name: str) -> tuple[Any, ...]:
    return next(each.blocks for each in page.sections if each.name == name)


def test_the_value_of_the_best_trial_is_called_optimistic(
    page_of: Callable[[Summary], Page], summary: Summary
) -> None:
    cards = next(block for block in section(page_of(summary), "winner") if isinstance(block, Cards))
    assert [(card.value, card.detail) for card in cards.cards] == [
        ("0.8750", "single seed, best of 6 trials (optimistic)"),
        ("0.7500", "± 0.0125 over 2 fresh seeds"),
    ]


def test_winner_and_base_stand_side_by_side_in_every_headline_metric(
    page_of: Callable[[Summary], Page], summary: Summary
) -> None:
    table = next(block for block in section(page_of(summary), "winner") if isinstance(block, Table))
    assert table.columns[1:3] == ("Winner (trial 1), val", "Winner (trial 1), test")
    rows = {row[0]: row[1:] for row in table.rows}
    assert next(iter(rows)) == "Accuracy"
    assert rows["Accuracy"] == ("0.7500 ± 0.0125",) * 4
    assert rows["Equal error rate"] == ("0.7500 ± 0.0125", "-") * 2


def test_each_trial_says_how_it_ended(page_of: Callable[[Summary], Page], summary: Summary) -> None:
    (table,) = section(page_of(summary), "trials")
    assert [row[1] for row in table.rows] == [
        "complete",
        "failed: FacesimError: <too large>",
        "lost (stopped), tried again",
        "surplus: another machine was faster",
        "lost (died), tried again",
    ]


def test_a_study_of_one_objective_has_no_pareto_front(
    page_of: Callable[[Summary], Page], summary: Summary
) -> None:
    names = [each.name for each in page_of(summary).sections]
    assert names == ["winner", "history", "importances", "slices", "parallel", "trials", "space"]


def test_the_page_loads_nothing_and_escapes_what_trials_say(
    page_of: Callable[[Summary], Page], summary: Summary
) -> None:
    html = render(page_of(summary))
    assert "FacesimError: &lt;too large&gt;" in html
    assert "src=" not in html.partition("<script>")[0]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "No trial beat the base experiment on val."),
        (
            difference(0.25, "winner"),
            "+0.2500, 95% interval +0.1500 to +0.3500 over 2 paired seeds and the people",
        ),
        (difference(0.25, "winner"), "the winner is better."),
        (difference(-0.25, "base"), "the base experiment is better."),
        (difference(0.05, None), "no difference shown."),
        (
            difference(0.25, None).model_copy(update={"reason": "one seed", "low": None}),
            "on test: +0.2500: no verdict, one seed.",
        ),
    ],
)
def test_the_verdict_is_one_sentence(summary: Summary, found: Difference | None, said: str) -> None:
    assert said in verdict(summary.model_copy(update={"difference": found}))


def test_a_failed_seed_is_a_warning(page_of: Callable[[Summary], Page], summary: Summary) -> None:
    failed = FailedTraining(seed=3, system="winner", reason="out of memory")
    blocks = section(page_of(summary.model_copy(update={"failed": (failed,)})), "winner")
    assert blocks[-1] == Text(
        "1 fresh seed left out of the comparison, because a training failed: seed 3 of the winner: "
        "out of memory.",
        tone="warning",
    )
    assert failures(summary) is None


def test_trials_that_came_to_no_result_are_a_warning(
    page_of: Callable[[Summary], Page], summary: Summary
) -> None:
    failed = tuple(FailedTrial(number=number, reason="too large") for number in range(7))
    short = summary.model_copy(update={"failed_trials": failed, "trials_asked": 40})
    blocks = section(page_of(short), "winner")
    told = "; ".join(f"trial {number}: too large" for number in range(5))
    text = f"7 of 40 trials came to no result: {told}; and 2 more."
    assert blocks[-1] == Text(text, tone="warning")
    assert shortfall(summary) is None


def test_a_second_winner_on_test_is_a_warning(
    page_of: Callable[[Summary], Page], summary: Summary
) -> None:
    assert reuse_warning(summary) is None
    twice = summary.model_copy(update={"winners_scored": 2})
    warning = section(page_of(twice), "winner")[-1]
    assert isinstance(warning, Text)
    assert (warning.tone, warning.text) == ("warning", reuse_warning(twice))
    assert warning.text.startswith("2 winners of this study have been scored on test")


def test_every_trial_has_its_row_with_its_values_or_none(
    page_of: Callable[[Summary], Page], summary: Summary
) -> None:
    (table,) = section(page_of(summary), "trials")
    assert [row[0] for row in table.rows] == ["0", "1", "2", "3", "4"]
    assert [row[2] for row in table.rows] == ["0.5000", "-", "-", "-", "-"]


def test_one_parameter_has_no_parallel_coordinates(
    page_of: Callable[[Summary], Page], summary: Summary, plan: Plan
) -> None:
    assert len(plan.space.parameters) > 1
    vars(plan.space)["parameters"] = plan.space.parameters[:1]
    assert "parallel" not in [each.name for each in page_of(summary).sections]
