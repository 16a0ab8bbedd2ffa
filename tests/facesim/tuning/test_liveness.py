"""Dead processes are found, and their trials are tried again."""

import os
import subprocess
import sys
import threading
from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState

from facesim.tuning import liveness
from facesim.tuning.liveness import ProcessIdentity, Reaper, heartbeat
from facesim.tuning.storage import (
    BEAT,
    DIED,
    EPOCHS,
    IS_BASE,
    PROCESS,
    REASON,
    REPEATS,
    RUN,
    counts,
    loss_of,
)

HERE = ProcessIdentity.here()
DEAD = replace(HERE, started="1")


def test_this_process_lives() -> None:
    assert not HERE.is_dead
    assert ProcessIdentity.read(HERE.as_attributes()) == HERE


def test_an_ended_process_is_dead_also_before_its_parent_has_asked() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    process = replace(HERE, pid=child.pid)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process.is_dead
    child.wait()
    assert process.is_dead


def test_a_number_that_another_process_has_got_since_is_not_taken_for_the_first() -> None:
    assert DEAD.is_dead


def test_nothing_is_claimed_about_another_machine() -> None:
    assert not replace(HERE, host="elsewhere", pid=2**22 + 1).is_dead


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study()


def begin(study: optuna.Study, process: ProcessIdentity, **attributes: object) -> optuna.Trial:
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    for key, value in {PROCESS: process.as_attributes(), **attributes}.items():
        trial.set_user_attr(key, value)
    return trial


def test_living_processes_keep_their_trials(study: optuna.Study) -> None:
    begin(study, HERE)
    Reaper(study, shared=False).reap()
    assert [trial.state for trial in study.trials] == [TrialState.RUNNING]


def test_what_a_dead_process_tried_is_queued_once(study: optuna.Study) -> None:
    trial = begin(study, DEAD, **{IS_BASE: True, RUN: "/its/run"})
    for _ in range(3):
        Reaper(study, shared=False).reap()
    lost, again = study.trials
    assert (lost.state, loss_of(lost)) == (TrialState.FAIL, DIED)
    assert not counts(lost)
    assert again.state == TrialState.WAITING
    assert again.user_attrs[REPEATS] == 0
    assert again.user_attrs[RUN] == "/its/run"
    assert again.user_attrs[IS_BASE]
    assert study.ask().suggest_float("x", 0, 1) == trial.params["x"]


def test_what_was_queued_and_never_asked_for_is_queued_again(study: optuna.Study) -> None:
    study.enqueue_trial({"x": 0.25, "y": 0.5})
    begin(study, DEAD)
    Reaper(study, shared=False).reap()
    again = study.ask()
    assert (again.suggest_float("x", 0, 1), again.suggest_float("y", 0, 1)) == (0.25, 0.5)


def test_a_reaper_that_dies_before_it_has_queued_a_trial_is_made_up_for(
    study: optuna.Study,
) -> None:
    study.tell(begin(study, DEAD), state=TrialState.FAIL)
    Reaper(study, shared=False).reap()
    assert study.trials[1].user_attrs[REPEATS] == 0


def test_a_trial_that_failed_by_itself_is_not_tried_again(study: optuna.Study) -> None:
    study.tell(begin(study, HERE, **{REASON: "too large"}), state=TrialState.FAIL)
    Reaper(study, shared=False).reap()
    assert [counts(trial) for trial in study.trials] == [True]


def test_a_trial_that_ends_while_it_is_reaped_stays_as_it_ended(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = begin(study, HERE)

    def ends_first(process: ProcessIdentity) -> bool:
        study.tell(trial, 0.5)
        return True

    monkeypatch.setattr(ProcessIdentity, "is_dead", property(ends_first))
    Reaper(study, shared=False).reap()
    assert [(each.state, each.value) for each in study.trials] == [(TrialState.COMPLETE, 0.5)]


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
    trial = begin(study, replace(HERE, host="elsewhere"))
    watching = Reaper(study, shared=True)
    for beat in range(5):
        now[0] += 100
        trial.set_user_attr(BEAT, beat)
        watching.reap()
        assert study.trials[0].state == TrialState.RUNNING
    now[0] += 121
    watching.reap()
    assert study.trials[0].state == TrialState.FAIL


def test_a_beat_is_incremented_while_a_trial_runs_and_ends_with_it(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "SECONDS_BETWEEN_BEATS", 0.01)
    trial = begin(study, HERE)
    seen = [0]
    with heartbeat(trial):
        while seen[-1] < 3:
            seen.append(int(study.trials[0].user_attrs.get(BEAT, 0)))
    assert seen == sorted(seen)
    last = study.trials[0].user_attrs[BEAT]
    study.tell(trial, 1.0)
    assert study.trials[0].user_attrs[BEAT] == last


@pytest.mark.filterwarnings("error")  # what is raised in the thread, too
def test_the_beats_of_a_trial_that_was_failed_elsewhere_stop(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "SECONDS_BETWEEN_BEATS", 0.0)
    trial = begin(study, HERE)
    study.tell(trial.number, state=TrialState.FAIL)
    threads = threading.active_count()
    with heartbeat(trial):
        while threading.active_count() > threads:
            pass
    assert BEAT not in study.trials[0].user_attrs
