"""Dead processes are found, and their trials are tried again."""

import errno
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from facesim.tuning import liveness
from facesim.tuning.liveness import ProcessIdentity, Reaper, heartbeat
from facesim.tuning.storage import (
    BEAT,
    COMMAND,
    DIED,
    DRAWN,
    EPOCHS,
    FRUITLESS,
    HELD_UP,
    IS_BASE,
    LOST,
    PAUSED,
    PROCESS,
    REASON,
    REPEATS,
    RUN,
    STOPPED,
    counted,
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
    assert not counted([lost])
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
    assert len(counted(study.trials)) == 1


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


def test_attempts_that_take_their_process_down_are_counted(study: optuna.Study) -> None:
    for _ in range(3):
        begin(study, DEAD, **{COMMAND: HERE.as_attributes()})
        Reaper(study, shared=False).reap()
    assert [trial.user_attrs.get(FRUITLESS) for trial in study.trials] == [None, 1, 2, 3]


@pytest.mark.parametrize("command", [DEAD, replace(HERE, host="elsewhere")])
def test_a_search_that_is_killed_as_a_whole_is_not_its_trials_fault(
    study: optuna.Study, command: ProcessIdentity
) -> None:
    for _ in range(9):
        begin(study, DEAD, **{COMMAND: command.as_attributes()})
        Reaper(study, shared=False).reap()
    assert study.trials[-1].user_attrs[FRUITLESS] == 0


def test_an_attempt_that_got_an_epoch_further_is_not_fruitless(study: optuna.Study) -> None:
    for epochs in range(1, 8):
        begin(study, DEAD, **{COMMAND: HERE.as_attributes(), EPOCHS: epochs})
        Reaper(study, shared=False).reap()
    assert study.trials[-1].user_attrs[FRUITLESS] == 0


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "experiment.yaml").touch()
    return tmp_path


@pytest.mark.parametrize(("progresses", "fruitless"), [(True, 0), (False, 4)])
def test_a_new_checkpoint_within_an_epoch_is_progress(
    study: optuna.Study, run: Path, *, progresses: bool, fruitless: int
) -> None:
    """A search whose process is killed every few minutes ends, however long its epochs are."""
    last = run / "checkpoints" / "last.pt"
    last.touch()
    for attempt in range(5):
        begin(study, DEAD, **{COMMAND: HERE.as_attributes(), RUN: str(run)})
        if progresses:
            os.utime(last, ns=(0, attempt))
        Reaper(study, shared=False).reap()
    assert study.trials[-1].user_attrs[FRUITLESS] == fruitless


@pytest.mark.parametrize(("loss", "fruitless"), [(STOPPED, 2), (HELD_UP, 3), (PAUSED, 0)])
def test_what_a_living_process_gave_back_says_itself_why(
    study: optuna.Study, loss: str, fruitless: int
) -> None:
    trial = begin(study, HERE, **{FRUITLESS: 2, LOST: loss})
    study.tell(trial, state=TrialState.FAIL)
    Reaper(study, shared=False).reap()
    assert study.trials[1].user_attrs[FRUITLESS] == fruitless


def test_parameters_of_which_some_were_drawn_are_drawn_again(study: optuna.Study) -> None:
    begin(study, DEAD)  # which has drawn x, and not yet said that this was the last
    begin(study, DEAD, **{DRAWN: True})
    Reaper(study, shared=False).reap()
    queued = [trial.system_attrs["fixed_params"] for trial in study.trials[2:]]
    assert queued == [{}, study.trials[1].params]


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
        end = time.monotonic() + 30
        while seen[-1] < 3 and time.monotonic() < end:
            seen.append(int(study.trials[0].user_attrs.get(BEAT, 0)))
    assert seen == sorted(seen)
    assert seen[-1] >= 3
    last = study.trials[0].user_attrs[BEAT]
    study.tell(trial, 1.0)
    assert study.trials[0].user_attrs[BEAT] == last


@pytest.mark.filterwarnings("error")  # what is raised in the thread, too
def test_a_beat_that_cannot_be_stored_now_is_left_out(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "SECONDS_BETWEEN_BEATS", 0.01)
    trial, stored = begin(study, HERE), threading.Event()
    store = trial.set_user_attr

    def fail_twice(key: str, value: int) -> None:
        if value < 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        store(key, value)
        stored.set()

    monkeypatch.setattr(trial, "set_user_attr", fail_twice)
    with heartbeat(trial):
        assert stored.wait(10)


@pytest.mark.filterwarnings("error")  # what is raised in the thread, too
def test_the_beats_of_a_trial_that_was_failed_elsewhere_stop(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "SECONDS_BETWEEN_BEATS", 0.0)
    trial = begin(study, HERE)
    study.tell(trial.number, state=TrialState.FAIL)
    threads = threading.active_count()
    with heartbeat(trial):
        end = time.monotonic() + 30
        while threading.active_count() > threads and time.monotonic() < end:
            pass
    assert threading.active_count() <= threads
    assert BEAT not in study.trials[0].user_attrs
