"""A worker claims, trains and tells; what goes wrong ends its trial, its work or the study."""

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from facesim.errors import FacesimError
from facesim.training.stop import Stopped, StopRequest, TrainingCancelled
from facesim.tuning import workers
from facesim.tuning.liveness import ProcessIdentity
from facesim.tuning.storage import LOST, PROCESS, REASON, REPEATS, loss_of
from facesim.tuning.study import Plan
from facesim.tuning.trial_queue import TrialQueue
from facesim.tuning.workers import Task, run_workers, work

Train = Callable[[optuna.Trial, StopRequest], Sequence[float]]


@pytest.fixture
def queued(plan: Plan) -> Callable[[Train, int], TrialQueue]:
    """A queue over a study in memory, whose trials a function makes."""

    def make(train: Train, total: int = 3) -> TrialQueue:
        return TrialQueue(plan, optuna.create_study(), total, train)

    return make


Queued = Callable[..., TrialQueue]


def test_a_worker_trains_as_many_trials_as_asked_for_and_signs_each(queued: Queued) -> None:
    queue = queued(lambda trial, stop: [float(trial.number)])
    work(queue, StopRequest())
    assert [trial.value for trial in queue.study.trials] == [0.0, 1.0, 2.0]
    here = ProcessIdentity.here().as_attributes()
    assert [trial.user_attrs[PROCESS] for trial in queue.study.trials] == [here] * 3


@pytest.mark.parametrize("error", [FacesimError, RuntimeError, MemoryError])
def test_what_a_point_of_the_space_brings_about_fails_its_trial_alone(
    queued: Queued, error: type[Exception]
) -> None:
    def train(trial: optuna.Trial, stop: StopRequest) -> Sequence[float]:
        if trial.number == 1:
            raise error("too large")
        return [0.0]

    queue = queued(train)
    work(queue, StopRequest())
    states = [trial.state.name for trial in queue.study.trials]
    assert states == ["COMPLETE", "FAIL", "COMPLETE"]
    assert queue.study.trials[1].user_attrs[REASON] == f"{error.__name__}: too large"


def test_a_mistake_in_the_program_ends_the_work_and_stays_with_the_trial(queued: Queued) -> None:
    def train(trial: optuna.Trial, stop: StopRequest) -> Sequence[float]:
        return [{"there": 0.0}["missing"]]

    queue = queued(train)
    with pytest.raises(KeyError):
        work(queue, StopRequest())
    (trial,) = queue.study.trials
    assert trial.user_attrs[REASON] == "KeyError('missing')"
    assert loss_of(trial) is None


def test_a_cancelled_trial_is_pruned(queued: Queued) -> None:
    def train(trial: optuna.Trial, stop: StopRequest) -> Sequence[float]:
        trial.report(0.25, 1)
        raise TrainingCancelled

    queue = queued(train, 1)
    work(queue, StopRequest())
    assert [(t.state, t.value) for t in queue.study.trials] == [(TrialState.PRUNED, 0.25)]


def test_a_signal_gives_the_trial_back(queued: Queued) -> None:
    def train(trial: optuna.Trial, stop: StopRequest) -> Sequence[float]:
        stop.signal_number = signal.SIGTERM
        stop.check()
        raise AssertionError

    queue = queued(train)
    with pytest.raises(Stopped):
        work(queue, StopRequest())
    (lost,) = queue.study.trials
    assert (lost.state, lost.user_attrs[LOST]) == (TrialState.FAIL, "stopped")


def test_a_trial_that_another_machine_gave_up_meanwhile_is_trained_again(queued: Queued) -> None:
    def train(trial: optuna.Trial, stop: StopRequest) -> Sequence[float]:
        if trial.number == 0:
            queue.study.tell(trial.number, state=TrialState.FAIL)
            trial.report(0.5, 1)  # the first that it hears of it
        return [0.0]

    queue = queued(train, 1)
    work(queue, StopRequest())
    lost, again = queue.study.trials
    assert (lost.state, again.state) == (TrialState.FAIL, TrialState.COMPLETE)
    assert again.user_attrs[REPEATS] == 0


def test_a_trial_that_was_given_up_at_its_very_end_stays_so(queued: Queued) -> None:
    def train(trial: optuna.Trial, stop: StopRequest) -> Sequence[float]:
        if trial.number == 0:
            queue.study.tell(trial.number, state=TrialState.FAIL)
        return [0.0]

    queue = queued(train, 1)
    work(queue, StopRequest())
    states = [trial.state for trial in queue.study.trials]
    assert states == [TrialState.FAIL, TrialState.COMPLETE]


def test_before_each_trial_the_queue_may_choose_how_it_is_drawn(plan: Plan) -> None:
    asked: list[int] = []
    study = optuna.create_study()
    queue = TrialQueue(
        plan, study, 2, lambda *_: [0.0], before_asking=lambda: asked.append(len(study.trials))
    )
    work(queue, StopRequest())
    assert asked == [0, 1]


def test_a_task_is_the_search_of_the_study_in_its_folder(plan: Plan) -> None:
    queue = Task(plan.folder, None).queue()
    assert queue.total == 4
    assert queue.study.study_name == "tiny"


def test_a_task_with_a_winner_is_its_trainings(plan: Plan) -> None:
    study = Task(plan.folder, None).queue().study
    study.tell(study.ask(), 0.5)
    queue = Task(plan.folder, None, winner=0).queue()
    assert queue.study.study_name == "tiny/winner-0"
    assert queue.total == 3  # one per seed: the first trial is the base experiment itself


def test_a_worker_that_fails_ends_the_others_with_a_message(tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match="a worker failed; see its output"):
        run_workers(Task(tmp_path / "nowhere", None), 2, StopRequest(), lambda: None)


def test_processors_are_those_that_the_process_may_use() -> None:
    assert workers._processors() == len(os.sched_getaffinity(0))
