"""A worker claims, trains and tells; what goes wrong ends its trial, its work or the study."""

import errno
import signal
from collections.abc import Callable, Sequence

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState

from facesim.errors import DataError, FacesimError
from facesim.machine_errors import MachineError
from facesim.training.stop import Stopped, StopRequest, TrainingCancelled
from facesim.tuning.liveness import ProcessIdentity
from facesim.tuning.storage import (
    DIGEST,
    IS_BASE,
    LOST,
    PROCESS,
    REASON,
    REPEATS,
    STOPPED,
    digest_of,
    loss_of,
)
from facesim.tuning.study import Plan
from facesim.tuning.trial_loop import work
from facesim.tuning.trial_queue import TrialQueue

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


@pytest.mark.parametrize("error", [FacesimError, RuntimeError])
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


MACHINE = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EIO, "Input/output error"),
    PermissionError(errno.EACCES, "Permission denied"),
    MachineError("a process that decodes images was killed"),
    StorageInternalError("the database is gone"),
]


@pytest.mark.parametrize("error", MACHINE, ids=str)
def test_an_error_of_the_machine_ends_the_work_and_leaves_the_trial_to_the_next_start(
    queued: Queued, error: Exception
) -> None:
    def train(trial: optuna.Trial, stop: StopRequest) -> Sequence[float]:
        if trial.number == 1:
            try:
                raise error
            except type(error) as cause:
                raise FacesimError("cannot write the checkpoint") from cause
        return [0.0]

    queue = queued(train)
    with pytest.raises(FacesimError):
        work(queue, StopRequest())
    assert [trial.state.name for trial in queue.study.trials] == ["COMPLETE", "FAIL"]
    assert queue.study.trials[1].user_attrs[LOST] == STOPPED
    work(queue, StopRequest())  # the next start, on a machine in order
    assert [trial.state.name for trial in queue.trials] == ["COMPLETE"] * 3
    assert queue.study.trials[2].user_attrs[REPEATS] == 1


def test_a_storage_that_takes_nothing_more_leaves_the_trial_running(queued: Queued) -> None:
    """Its process ends, and so the next start finds it."""

    def train(trial: optuna.Trial, stop: StopRequest) -> Sequence[float]:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        trial.set_user_attr = full  # type: ignore[assignment,method-assign]
        return [0.0]

    queue = queued(train)
    with pytest.raises(OSError, match="No space left"):
        work(queue, StopRequest())
    (trial,) = queue.study.trials
    assert trial.state == TrialState.RUNNING


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("no"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        DataError("a.png: is damaged"),
    ],
)
def test_a_point_that_is_held_up_in_three_starts_is_given_up(
    queued: Queued, error: Exception
) -> None:
    def train(trial: optuna.Trial, stop: StopRequest) -> Sequence[float]:
        if trial.user_attrs.get(REPEATS, trial.number) != trial.number or trial.number == 1:
            raise error
        return [0.0]

    queue = queued(train)
    for _ in range(3):
        with pytest.raises(type(error)):
            work(queue, StopRequest())
    work(queue, StopRequest())
    assert [trial.state.name for trial in queue.trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert queue.trials[1].user_attrs[REASON].startswith("3 attempts in a row came no further: ")


def test_the_base_experiment_is_never_given_up(queued: Queued) -> None:
    memory = [True]

    def train(trial: optuna.Trial, stop: StopRequest) -> Sequence[float]:
        if memory[0]:
            raise MemoryError
        return [0.0]

    queue = queued(train, 1)
    queue.study.enqueue_trial({}, user_attrs={IS_BASE: True})
    for _ in range(2):
        for _ in range(3):
            with pytest.raises(MemoryError):
                work(queue, StopRequest())
        with pytest.raises(MachineError, match="the base experiment: 3 attempts in a row"):
            work(queue, StopRequest())
    memory[0] = False
    work(queue, StopRequest())
    (base,) = queue.trials
    assert base.state == TrialState.COMPLETE
    assert base.user_attrs[IS_BASE]


def test_a_trials_result_is_kept_with_its_digest(queued: Queued) -> None:
    queue = queued(lambda trial, stop: [trial.suggest_float("x", 0, 1)], 1)
    work(queue, StopRequest())
    (trial,) = queue.study.trials
    assert trial.user_attrs[DIGEST] == digest_of(trial.params, trial.values, trial.user_attrs)
