"""The sign of life of a process that works on a trial."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import optuna
from optuna.exceptions import UpdateFinishedTrialError

from facesim.tuning.trial_attributes import BEAT

SECONDS_BETWEEN_BEATS = 20.0


@contextmanager
def beating(trial: optuna.Trial) -> Iterator[None]:
    """Raise the trial's beat now and then while the block runs, for other machines to see."""
    done = Event()
    thread = Thread(target=_beat, args=(trial, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _beat(trial: optuna.Trial, done: Event) -> None:
    beats = 0
    while not done.wait(SECONDS_BETWEEN_BEATS):
        beats += 1
        try:
            trial.set_user_attr(BEAT, beats)
        except UpdateFinishedTrialError:  # taken for dead; the next report will say so
            return
