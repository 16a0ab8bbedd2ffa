"""Which trials count, which are repeated, and what a repetition takes over."""

from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from facesim.tuning.trial_attributes import (
    DIED,
    EPOCHS,
    EPOCHS_BEFORE,
    FRUITLESS,
    IS_BASE,
    LOST,
    REASON,
    REPEATS,
    RUN,
    STOPPED,
    SURPLUS,
    counts,
    fruitless_attempts,
    is_worth_repeating,
    loss_of,
    repeat_of,
)


def trial_of(state: TrialState, **attributes: Any) -> FrozenTrial:
    trial = optuna.create_trial(
        state=state,
        values=[0.5] if state == TrialState.COMPLETE else None,
        params={"x": 0.25},
        distributions={"x": FloatDistribution(0, 1)},
        user_attrs=attributes,
    )
    trial.number = 7
    return trial


@pytest.mark.parametrize(
    ("attributes", "loss"),
    [
        ({}, DIED),
        ({LOST: DIED}, DIED),  # as facesim wrote it until a missing reason said so
        ({LOST: STOPPED}, STOPPED),
        ({LOST: SURPLUS}, SURPLUS),
        ({REASON: "out of memory"}, None),
    ],
)
def test_how_a_failed_trial_was_lost(attributes: dict[str, Any], loss: str | None) -> None:
    assert loss_of(trial_of(TrialState.FAIL, **attributes)) == loss


@pytest.mark.parametrize(
    "state", [TrialState.RUNNING, TrialState.WAITING, TrialState.PRUNED, TrialState.COMPLETE]
)
def test_only_a_failed_trial_is_lost(state: TrialState) -> None:
    trial = trial_of(state, **{LOST: STOPPED})
    assert loss_of(trial) is None
    assert counts(trial)
    assert not is_worth_repeating(trial)


@pytest.mark.parametrize(
    ("attributes", "counted", "repeated"),
    [
        ({REASON: "out of memory"}, True, False),
        ({LOST: SURPLUS}, False, False),
        ({LOST: STOPPED, FRUITLESS: 9}, False, True),
        ({}, False, True),
        ({FRUITLESS: 1}, False, True),
        ({FRUITLESS: 2}, True, False),
        ({FRUITLESS: 2, EPOCHS: 3, EPOCHS_BEFORE: 2}, False, True),
    ],
)
def test_a_failed_trial_counts_unless_it_is_repeated_or_surplus(
    attributes: dict[str, Any], counted: bool, repeated: bool
) -> None:
    trial = trial_of(TrialState.FAIL, **attributes)
    assert (counts(trial), is_worth_repeating(trial)) == (counted, repeated)


def test_an_epoch_more_begins_the_count_of_fruitless_attempts_anew() -> None:
    before = {FRUITLESS: 2, EPOCHS_BEFORE: 4}
    assert fruitless_attempts(trial_of(TrialState.FAIL, **before, **{EPOCHS: 4})) == 3
    assert fruitless_attempts(trial_of(TrialState.FAIL, **before, **{EPOCHS: 5})) == 0


def test_a_repetition_takes_over_parameters_run_and_what_was_done() -> None:
    trial = trial_of(TrialState.FAIL, **{EPOCHS: 2, IS_BASE: True, RUN: "/its/run", "beat": 5})
    trial.system_attrs["fixed_params"] = {"x": 0.75, "y": 1.0}  # it had not yet asked for y
    assert repeat_of(trial) == (
        {"x": 0.25, "y": 1.0},
        {REPEATS: 7, FRUITLESS: 0, EPOCHS_BEFORE: 2, IS_BASE: True, RUN: "/its/run"},
    )
