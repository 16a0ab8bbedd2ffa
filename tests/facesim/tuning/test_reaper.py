"""The dead are found, and what they tried is tried again."""

from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState

from facesim.tuning import reaper
from facesim.tuning.process_identity import Presence
from facesim.tuning.reaper import Reaper
from facesim.tuning.trial_attributes import (
    BEAT,
    EPOCHS,
    IS_BASE,
    LOST,
    PRESENCE,
    REPEATS,
    RUN,
    counts,
)


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study()


def begin(study: optuna.Study, presence: Presence, **attributes: object) -> optuna.Trial:
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    for key, value in {PRESENCE: presence.as_attributes(), **attributes}.items():
        trial.set_user_attr(key, value)
    return trial


DEAD = replace(Presence.here(), started="1")


def test_the_living_are_left_alone(study: optuna.Study) -> None:
    begin(study, Presence.here())
    Reaper(study, shared=False).reap()
    assert [trial.state for trial in study.trials] == [TrialState.RUNNING]


def test_what_a_dead_process_tried_is_queued_once(study: optuna.Study) -> None:
    trial = begin(study, DEAD, **{IS_BASE: True, RUN: "/its/run"})
    for _ in range(3):
        Reaper(study, shared=False).reap()
    lost, again = study.trials
    assert (lost.state, lost.user_attrs[LOST]) == (TrialState.FAIL, "died")
    assert not counts(lost)
    assert again.state == TrialState.WAITING
    assert again.user_attrs[REPEATS] == 0
    assert again.user_attrs[RUN] == "/its/run"
    assert again.user_attrs[IS_BASE]
    assert study.ask().suggest_float("x", 0, 1) == trial.params["x"]


def test_a_reaper_that_dies_over_its_work_is_made_up_for(study: optuna.Study) -> None:
    trial = begin(study, DEAD)
    reaper.give_up(study, study.trials[trial.number], "died")
    Reaper(study, shared=False).reap()
    assert study.trials[1].user_attrs[REPEATS] == 0


def test_parameters_that_kill_whoever_tries_them_are_given_up(study: optuna.Study) -> None:
    for _ in range(3):
        begin(study, DEAD)
        Reaper(study, shared=False).reap()
    assert [trial.state for trial in study.trials] == [TrialState.FAIL] * 3
    assert [counts(trial) for trial in study.trials] == [False, False, True]


def test_an_attempt_that_got_further_is_not_fruitless(study: optuna.Study) -> None:
    for epochs in range(1, 8):
        begin(study, DEAD, **{EPOCHS: epochs})
        Reaper(study, shared=False).reap()
    assert study.trials[-1].state == TrialState.WAITING


def test_who_died_before_signing_is_found_where_all_share_the_lock(study: optuna.Study) -> None:
    study.ask()
    Reaper(study, shared=True).reap()
    assert [trial.state for trial in study.trials] == [TrialState.RUNNING]
    Reaper(study, shared=False).reap()
    assert study.trials[0].state == TrialState.FAIL


def test_another_machine_is_dead_when_its_beat_stands_still(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    trial = begin(study, replace(Presence.here(), host="elsewhere"))
    watching = Reaper(study, shared=True)
    for beat in range(5):
        now[0] += 100
        trial.set_user_attr(BEAT, beat)
        watching.reap()
        assert study.trials[0].state == TrialState.RUNNING
    now[0] += 121
    watching.reap()
    assert study.trials[0].state == TrialState.FAIL
