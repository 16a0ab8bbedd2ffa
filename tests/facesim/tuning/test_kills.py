"""Workers are killed, and the study ends as if they had not been."""

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from facesim.machine_errors import MachineError
from facesim.runs.run import Run
from facesim.training.stop import StopRequest
from facesim.tuning.liveness import ProcessIdentity
from facesim.tuning.storage import (
    DIED,
    EPOCHS,
    EPOCHS_BEFORE,
    PROCESS,
    REPEATS,
    RUN,
    loss_of,
    storage_errors_named,
)
from facesim.tuning.study import Plan
from facesim.tuning.trial import search_queue
from facesim.tuning.trial_loop import work
from facesim.tuning.workers import Task, run_workers
from tests.postgres import Server, unavailable

KILLS = int(os.environ.get("FACESIM_KILLS", "2"))
TRIALS = KILLS + 2


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of a server on loopback that lives as long as this module's tests."""
    if why := unavailable():
        pytest.skip(why)
    # Not below pytest's own folders, which are closed to the user that the server runs as.
    with TemporaryDirectory(prefix="facesim-postgres-") as folder:
        server = Server(Path(folder))
        try:
            yield server.url()
        finally:
            server.end()


@pytest.fixture(params=["journal", "sqlite", "postgres"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    if request.param == "journal":
        return None
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/study.db"
    url: str = request.getfixturevalue("postgres")
    return url


class Killer:
    """Kills a worker now and then, once its trial has an epoch behind it."""

    def __init__(self, study: optuna.Study, kills: int) -> None:
        self.study = study
        self.kills = kills
        self.hit: list[int] = []

    def __call__(self) -> None:
        if len(self.hit) == self.kills:
            return
        running = [t for t in self.study.get_trials() if self._is_under_way(t)]
        if not running:
            return
        victim = running[-1]
        os.kill(victim.user_attrs[PROCESS]["pid"], signal.SIGKILL)
        time.sleep(0.2)
        if self.study.get_trials()[victim.number].state in (TrialState.RUNNING, TrialState.FAIL):
            self.hit.append(victim.number)

    def _is_under_way(self, trial: FrozenTrial) -> bool:
        process = ProcessIdentity.read(trial.user_attrs.get(PROCESS))
        before = trial.user_attrs.get(EPOCHS_BEFORE, 0)
        lives = process is not None and not process.is_dead
        return (
            trial.state == TrialState.RUNNING
            and lives
            and before < trial.user_attrs.get(EPOCHS, 0) < 12
        )


def test_killed_workers_lose_nothing(
    write_search: Callable[..., Path],
    planned: Callable[[Path], Plan],
    storage: str | None,
) -> None:
    file = write_search(changed=("epochs: 3", "epochs: 14"))
    file.write_text(file.read_text().replace("trials: 4", f"trials: {TRIALS}"))
    plan = replace(planned(file), storage=storage)
    queue = search_queue(plan)
    killer = Killer(queue.study, KILLS)
    run_workers(Task(plan.folder, storage), 2, StopRequest(), killer)
    trials = queue.study.get_trials()
    assert len(killer.hit) == KILLS
    assert queue.is_done
    assert len(queue.trials) == TRIALS
    assert all(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in queue.trials)
    assert [each.number for each in trials if loss_of(each) == DIED] == sorted(killer.hit)
    for number in killer.hit:
        (again,) = [trial for trial in trials if trial.user_attrs.get(REPEATS) == number]
        assert again.params == trials[number].params
        assert again.user_attrs[RUN] == trials[number].user_attrs[RUN]
        run = Run.open(Path(again.user_attrs[RUN]))
        assert len(json.loads((run.path / "environment.json").read_text())) >= 2
        steps = sorted(again.intermediate_values)
        assert steps == list(range(1, len(steps) + 1))


def test_a_database_server_that_goes_away_costs_nothing(plan: Plan) -> None:
    if why := unavailable():
        pytest.skip(why)
    with TemporaryDirectory(prefix="facesim-postgres-") as folder:
        server = Server(Path(folder))

        def train(trial: optuna.Trial, stop: StopRequest) -> list[float]:
            if trial.number == 1:
                server.end()
            trial.report(0.5, 1)
            return [0.5]

        plan = replace(plan, storage=server.url())
        queue = replace(search_queue(plan), train=train)
        with (
            pytest.raises(MachineError) as lost,
            storage_errors_named(plan.storage, plan.folder),
        ):
            work(queue, StopRequest())
        assert re.fullmatch(
            rf"--storage {re.escape(server.url())}: .+; what it holds is not lost by this: once it "
            "can be used again, the same command goes on",
            str(lost.value),
        )
        server.begin()
        try:
            # It is this process's still; the reaper of another one gives it to the next start.
            states = [trial.state for trial in search_queue(plan).trials]
            assert states == [TrialState.COMPLETE, TrialState.RUNNING]
        finally:
            server.end()
