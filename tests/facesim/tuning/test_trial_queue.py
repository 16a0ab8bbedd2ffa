"""How many trials there are to be, which of them count, and how far they are."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from facesim.experiment.schema import Experiment
from facesim.training.stop import StopRequest
from facesim.tuning.liveness import ProcessIdentity
from facesim.tuning.objectives import objectives_named
from facesim.tuning.storage import EPOCHS, LOST, PROCESS, REASON, REPEATS, STOPPED
from facesim.tuning.study import Plan
from facesim.tuning.trial_queue import TrialQueue

Queued = Callable[..., TrialQueue]


@pytest.fixture
def queued(plan: Plan) -> Queued:
    """A queue of three trials over a study in memory; nothing is trained."""

    def train(trial: optuna.Trial, stop: StopRequest) -> Sequence[float]:
        raise NotImplementedError

    def make() -> TrialQueue:
        study = optuna.create_study(direction="maximize")
        return TrialQueue(plan, study, 3, train, plan.objectives)

    return make


def add(queue: TrialQueue, state: TrialState, *values: float, **attributes: Any) -> int:
    trial = optuna.create_trial(state=state, values=list(values) or None, user_attrs=attributes)
    queue.study.add_trial(trial)
    return len(queue.study.trials) - 1


def test_a_queue_is_open_until_as_many_trials_have_begun(queued: Queued) -> None:
    queue = queued()
    was_open = []
    for _ in range(3):
        was_open.append(queue.is_open)
        queue.study.ask()
    assert [*was_open, queue.is_open] == [True, True, True, False]
    assert not queue.is_done


def test_a_queue_is_done_when_as_many_have_ended(queued: Queued) -> None:
    queue = queued()
    add(queue, TrialState.COMPLETE, 0.5)
    add(queue, TrialState.PRUNED)
    running = queue.study.ask()
    before = queue.is_done
    queue.study.tell(running, 0.5)
    assert (before, queue.is_done) == (False, True)


def test_a_lost_trial_is_replaced_by_its_repetition(queued: Queued) -> None:
    queue = queued()
    for _ in range(3):
        add(queue, TrialState.COMPLETE, 0.5)
    lost = add(queue, TrialState.FAIL, **{LOST: STOPPED})
    assert lost not in [trial.number for trial in queue.trials]
    before = queue.is_open, queue.is_done
    queue.study.enqueue_trial({}, user_attrs={REPEATS: lost})
    assert [before, (queue.is_open, queue.is_done)] == [(False, True), (True, False)]


def test_what_was_begun_beyond_the_total_is_surplus(queued: Queued) -> None:
    queue = queued()
    numbers = [queue.study.ask().number for _ in range(4)]
    assert [queue.is_surplus(number) for number in numbers] == [False, False, False, True]


def test_what_was_queued_twice_is_surplus_but_a_repetition_is_not(queued: Queued) -> None:
    queue = queued()
    for attributes in ({}, {}, {REPEATS: 0}):
        queue.study.enqueue_trial({"x": 1.0}, user_attrs=attributes)
    numbers = [queue.study.ask().number for _ in range(3)]
    assert [queue.is_surplus(number) for number in numbers] == [False, True, False]


def test_progress_counts_each_trial_once(queued: Queued) -> None:
    queue = queued()
    add(queue, TrialState.COMPLETE, 0.5)
    add(queue, TrialState.PRUNED)
    add(queue, TrialState.FAIL, **{LOST: STOPPED})
    add(queue, TrialState.FAIL, **{REASON: "too large"})
    progress = queue.progress("search")
    assert (progress.title, progress.total) == ("search", 3)
    counted = (progress.done, progress.pruned, progress.failed, progress.lost)
    assert counted == (1, 1, 1, 1)
    assert progress.ended == 3


def test_the_best_trial_is_a_completed_one(queued: Queued) -> None:
    queue = queued()
    assert queue.progress("search").best == ""
    add(queue, TrialState.COMPLETE, 0.5)
    add(queue, TrialState.COMPLETE, 0.75)
    add(queue, TrialState.PRUNED, 0.9)
    assert queue.progress("search").best == "val.accuracy 0.7500 (trial 1)"


def test_of_an_error_rate_the_best_trial_is_the_smallest(queued: Queued, tiny: Experiment) -> None:
    queue = replace(queued(), objectives=objectives_named(["val.eer"], tiny))
    for value in (0.5, 0.25, 0.75):
        add(queue, TrialState.COMPLETE, value)
    assert queue.progress("search").best == "val.eer 0.2500 (trial 1)"


def test_a_running_trial_is_shown_with_its_process(queued: Queued) -> None:
    queue = queued()
    trial = queue.study.ask()
    trial.set_user_attr(EPOCHS, 2)
    (running,) = queue.progress("search").running
    assert running.where == ""
    trial.set_user_attr(PROCESS, ProcessIdentity.here().as_attributes())
    (running,) = queue.progress("search").running
    assert (running.number, running.epochs_done) == (trial.number, 2)
    assert running.where.startswith(f"{socket.gethostname()}:")
    assert 0 <= running.seconds < 60


def test_the_time_left_is_shared_by_those_that_run(
    queued: Queued, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FrozenTrial, "duration", property(lambda trial: timedelta(seconds=60)))
    queue = queued()
    assert queue.progress("search").seconds_left is None
    add(queue, TrialState.COMPLETE, 0.5)
    assert queue.progress("search").seconds_left == 120
    queue.study.ask()
    queue.study.ask()
    assert queue.progress("search").seconds_left == 60
