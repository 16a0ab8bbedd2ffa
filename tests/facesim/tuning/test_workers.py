"""Workers are started, replaced and stopped; what they fail of is said once."""

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import TrialState

from facesim.discovery import record_consent
from facesim.errors import FacesimError
from facesim.runs.run import Run
from facesim.training.checkpoint import read_checkpoint
from facesim.training.stop import StopRequest
from facesim.tuning import workers
from facesim.tuning.liveness import ProcessIdentity
from facesim.tuning.storage import EPOCHS, HELD_UP, LOST, PROCESS, REASON, REPEATS, RUN
from facesim.tuning.study import Plan
from facesim.tuning.workers import Task, run_workers


def test_a_task_is_the_search_of_the_study_in_its_folder(plan: Plan) -> None:
    queue = Task(plan.folder, None).queue()
    assert queue.total == 4
    assert queue.study.study_name == "tiny"


def test_a_task_is_what_its_own_command_wrote(plan: Plan) -> None:
    text = plan.experiment.as_yaml()
    (plan.folder / "study.yaml").write_text("of another machine that shares the folder")
    assert Task(plan.folder, None, text=text).queue().plan.experiment == plan.experiment


def test_a_task_with_a_winner_is_its_trainings(plan: Plan) -> None:
    study = Task(plan.folder, None).queue().study
    study.tell(study.ask(), 0.5)
    queue = Task(plan.folder, None, winner=0).queue()
    assert queue.study.study_name == "tiny/winner-0"
    assert queue.total == 3  # one per seed: the first trial is the base experiment itself


def test_why_a_worker_failed_is_said_once_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(FacesimError, match=r"nowhere/study\.yaml: there is no such file$"):
        run_workers(Task(tmp_path / "nowhere", None), 2, StopRequest(), lambda: None)
    assert capfd.readouterr() == ("", "")


def test_a_worker_whose_parent_was_killed_tells_nobody(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    receiver, sender = multiprocessing.Pipe(duplex=False)
    receiver.close()
    process = multiprocessing.get_context("fork").Process(
        target=workers._live, args=(Task(tmp_path, None), sender, {})
    )
    process.start()
    process.join()
    assert process.exitcode == 1
    assert capfd.readouterr() == ("", "")


def require_end_with_parent(task: Task) -> None:
    """Kill the parent of a worker soon after its start, and wait for the worker's end."""
    fork = multiprocessing.get_context("fork")
    said, saying = fork.Pipe(duplex=False)

    def command() -> None:
        _, words = fork.Pipe(duplex=False)
        worker = fork.Process(target=workers._live, args=(task, words, {}))
        worker.start()
        saying.send(worker.pid)
        worker.join()

    parent = fork.Process(target=command)
    parent.start()
    worker = ProcessIdentity.of(said.recv())
    time.sleep(0.5)
    parent.kill()
    parent.join()
    deadline = time.monotonic() + 20
    while not worker.is_dead:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_worker_whose_parent_was_killed_ends_whatever_it_waits_for(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_SECONDS_TO_STOP", 0.5)
    with plan.locked():  # by another process, as it seems to the worker
        require_end_with_parent(Task(plan.folder, None))


def test_a_worker_whose_parent_was_killed_while_it_starts_ends_at_once(
    write_search: Callable[..., Path], planned: Callable[[Path], Plan]
) -> None:
    plan = planned(write_search())
    (plan.folder / "slow.py").write_text("import time\ntime.sleep(60)\n")
    study_file = plan.folder / "study.yaml"
    own = study_file.read_text().replace("plugins: []", "plugins: [./slow.py]")
    study_file.write_text(own)
    record_consent(own.encode(), [str(plan.folder / "slow.py")])
    require_end_with_parent(Task(plan.folder, None))


def test_workers_that_end_before_they_begin_are_not_replaced_for_ever(
    write_search: Callable[..., Path], planned: Callable[[Path], Plan]
) -> None:
    plan = planned(write_search())
    (plan.folder / "ends.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    study_file = plan.folder / "study.yaml"
    study_file.write_text(study_file.read_text().replace("plugins: []", "plugins: [./ends.py]"))
    with pytest.raises(FacesimError, match="3 workers in a row ended with -9 before they could"):
        run_workers(Task(plan.folder, None), 1, StopRequest(), lambda: None)


def test_a_group_that_loses_a_process_is_replaced_and_its_trial_repeated(
    write_search: Callable[..., Path], planned: Callable[[Path], Plan]
) -> None:
    file = write_search(changed=("epochs: 3", "epochs: 40, shards: 2"))
    file.write_text(file.read_text().replace("trials: 4", "trials: 2"))
    plan = planned(file)
    task = Task(plan.folder, None, processes=2)
    queue = task.queue()
    killed: list[int] = []

    def kill_one() -> None:
        """The other process of the group, not the one that signs the trial."""
        children = [each.pid for each in multiprocessing.active_children() if each.pid]
        for trial in queue.study.trials:
            process = ProcessIdentity.read(trial.user_attrs.get(PROCESS))
            under_way = trial.state == TrialState.RUNNING
            under_way &= 1 < trial.user_attrs.get(EPOCHS, 0) < 35
            if not killed and under_way and process is not None and process.pid in children:
                (other,) = (pid for pid in children if pid != process.pid)
                os.kill(other, signal.SIGKILL)
                killed.append(trial.number)

    run_workers(task, 1, StopRequest(), kill_one)
    trials = queue.study.trials
    assert trials[killed[0]].user_attrs[LOST] == HELD_UP
    (again,) = [trial for trial in trials if trial.user_attrs.get(REPEATS) == killed[0]]
    assert again.user_attrs[RUN] == trials[killed[0]].user_attrs[RUN]
    states = {trial.state for trial in queue.trials}
    assert states <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert not multiprocessing.active_children()


def test_a_point_that_fails_in_a_group_fails_its_trial_alone(
    write_search: Callable[..., Path], planned: Callable[[Path], Plan]
) -> None:
    search = (
        "  trials: 4\n  sampler: random\n  pruner: none\n"
        "  space: {train.shards: {choice: [2, 3]}, optimizer.lr: {float: [1e-3, 1e-2]}}\n"
    )
    plan = planned(write_search(search, changed=("epochs: 3", "epochs: 1, shards: 2")))
    task = Task(plan.folder, None, processes=2)
    run_workers(task, 1, StopRequest(), lambda: None)
    trials = task.queue().trials
    assert len(trials) == 4
    for trial in trials:
        cannot = "train.shards is 3, which 2 processes cannot share evenly"
        failed = trial.params["train.shards"] == 3
        assert (trial.state == TrialState.FAIL) == failed
        assert (cannot in trial.user_attrs.get(REASON, "")) == failed
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.FAIL}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_worker_that_was_asked_to_stop_is_not_replaced(
    write_search: Callable[..., Path], planned: Callable[[Path], Plan], number: int
) -> None:
    plan = planned(write_search())
    begun = plan.folder / "begun"
    told = f"open({str(begun)!r}, 'a').write('one ')"
    text = f"import os\n{told}\nos.kill(os.getpid(), {int(number)})\n"
    (plan.folder / "ends.py").write_text(text)
    study_file = plan.folder / "study.yaml"
    own = study_file.read_text().replace("plugins: []", "plugins: [./ends.py]")
    study_file.write_text(own)
    record_consent(own.encode(), [str(plan.folder / "ends.py")])
    run_workers(Task(plan.folder, None), 2, StopRequest(), lambda: None)
    assert begun.read_text() == "one one "


def test_any_number_of_workers_and_of_their_processes_makes_the_same_bits(
    write_search: Callable[..., Path], planned: Callable[[Path], Plan], tmp_path: Path
) -> None:
    """Matrices so large that torch computes them with both threads."""
    search = (
        "  trials: 3\n  threads: 2\n  sampler: random\n  pruner: none\n"
        "  space: {optimizer.lr: {float: [1e-3, 1e-2]}, head.fc_dim: {int: [64, 512]}}\n"
    )
    file = write_search(search, changed=("fc_dim: 8", "fc_dim: 256"))
    file.write_text(file.read_text().replace("epochs: 3", "epochs: 1, shards: 2"))
    found = []
    for count, processes in ((1, 1), (2, 1), (1, 2)):
        plan = replace(planned(file), folder=tmp_path / f"study-{count}-{processes}")
        plan.write()
        task = Task(plan.folder, None, processes=processes)
        trials = task.queue().study
        run_workers(task, count, StopRequest(), lambda: None)
        runs = [Run.open(Path(trial.user_attrs[RUN])) for trial in trials.trials]
        starts = [json.loads((run.path / "environment.json").read_text()) for run in runs]
        assert {start["threads"] for each in starts for start in each} == {2}
        weights = [read_checkpoint(run.checkpoints.last)["network"] for run in runs]
        found.append(
            (
                [(trial.params, trial.values) for trial in trials.trials],
                [{name: value.tolist() for name, value in each.items()} for each in weights],
            )
        )
    assert len(found[0][0]) == 3
    assert found[0] == found[1]
    assert found[0] == found[2]
