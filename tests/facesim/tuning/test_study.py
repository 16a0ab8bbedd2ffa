"""A study made by one process: what its trials are, and what ends it."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from torch import Tensor

from facesim.errors import FacesimError
from facesim.model.trunk_pass import PendingFeatures, TrunkPass
from facesim.runs.run import Run
from facesim.training.stop import Stopped, StopRequest
from facesim.tuning.space import base_point
from facesim.tuning.study import Plan, open_study
from facesim.tuning.trial import SearchTrial, best_of_val, search_queue
from facesim.tuning.trial_attributes import EPOCHS, IS_BASE, LOST, REASON, REPEATS, RUN, SURPLUS
from facesim.tuning.trial_queue import TrialQueue
from facesim.tuning.workers import work

Write = Callable[..., Path]
Planned = Callable[[Path], Plan]


def made(plan: Plan) -> TrialQueue:
    queue = search_queue(plan)
    work(queue, StopRequest())
    return queue


def test_a_trial_is_a_run_that_test_takes_no_part_in(plan: Plan) -> None:
    queue = made(plan)
    assert queue.is_done
    assert len(queue.trials) == 4
    base = queue.trials[0]
    assert base.user_attrs[IS_BASE]
    assert base.params == base_point(plan.space)
    for trial in queue.trials:
        run = Run.open(Path(trial.user_attrs[RUN]))
        assert run.directory.finished == (trial.state == TrialState.COMPLETE)
        assert not run.directory.evaluation("test").exists()
        assert trial.values == [best_of_val(run)["val.accuracy"]] or (
            trial.state == TrialState.PRUNED
        )
        assert trial.user_attrs[EPOCHS] == len(trial.intermediate_values)
    assert Run.open(Path(base.user_attrs[RUN])).experiment == plan.space.base


def test_only_the_first_trial_runs_the_trunk_and_all_share_its_file(
    write_search: Write, planned: Planned, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))
    passes: list[int] = []
    start, train = TrunkPass.start, SearchTrial.train

    def counted(trunk: TrunkPass, images: Tensor) -> PendingFeatures:
        passes.append(len(images))
        return start(trunk, images)

    begun: list[int] = []

    def noted(trial: SearchTrial) -> Sequence[float]:
        begun.append(len(passes))
        return train(trial)

    monkeypatch.setattr(TrunkPass, "start", counted)
    monkeypatch.setattr(SearchTrial, "train", noted)
    frozen = "{name: small_cnn, width: 4, frozen_stages: 1}"
    plan = planned(write_search(changed=("{name: small_cnn, width: 4}", frozen)))
    made(plan)
    assert begun[0] == 0 < begun[1]
    assert begun[1:] == [len(passes)] * 3
    (kept,) = plan.trunks.iterdir()
    runs = [Run.open(Path(trial.user_attrs[RUN])) for trial in search_queue(plan).trials]
    files = [run.directory.trunk_file for run in runs]
    files = [file for file in files if file.exists()]  # pruned ones have none
    assert files
    assert all(file.samefile(kept) for file in files)


def test_a_study_is_continued_until_it_has_as_many_trials_as_asked(
    write_search: Write, planned: Planned
) -> None:
    first = planned(write_search(changed=("trials: 4", "trials: 2")))
    assert len(made(first).study.trials) == 2
    more = planned(write_search(changed=("trials: 4", "trials: 3")))
    assert len(made(more).study.trials) == 3
    assert len(made(more).study.trials) == 3


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[8, 64]", "[8, 32]", r"search\.space\.head\.fc_dim\.int: \[8, 64\] -> \[8, 32\]"),
        ("width: 4", "width: 8", r"base\.backbone\.width: 4 -> 8"),
    ],
)
def test_a_study_of_something_else_is_refused_with_the_difference(
    write_search: Write, planned: Planned, old: str, new: str, said: str
) -> None:
    open_study(planned(write_search()))
    changed = planned(write_search(changed=(old, new)))
    with pytest.raises(FacesimError, match=said):
        open_study(changed)


def test_a_loss_that_is_no_number_fails_its_trial_alone(
    write_search: Write, planned: Planned
) -> None:
    search = "  trials: 2\n  space:\n    optimizer.lr: {choice: [0.001, 1.0e+30]}\n"
    plan = planned(write_search(search))
    study = open_study(plan)
    study.enqueue_trial({"optimizer.lr": 1e30})
    queue = made(plan)
    good, bad = queue.trials
    assert good.state == TrialState.COMPLETE
    assert bad.state == TrialState.FAIL
    assert "NonFiniteLossError" in bad.user_attrs[REASON]


def test_several_objectives_have_a_pareto_front(write_search: Write, planned: Planned) -> None:
    search = (
        "  trials: 3\n  metric: [val.eer, cost.milliseconds_per_image, cost.parameters]\n"
        "  space:\n    head.fc_dim: {int: [8, 64]}\n"
    )
    queue = made(planned(write_search(search)))
    assert [trial.state for trial in queue.trials] == [TrialState.COMPLETE] * 3
    assert all(math.isfinite(value) for trial in queue.trials for value in trial.values)
    assert queue.study.best_trials


def test_a_stopped_trial_goes_on_from_its_checkpoint(plan: Plan) -> None:
    queue = search_queue(plan)
    stop = StopRequest()
    train = queue.train

    def stopped_after_an_epoch(trial: optuna.Trial, request: StopRequest) -> Sequence[float]:
        report = trial.report

        def reported(value: float, step: int) -> None:
            report(value, step)
            request.signal_number = 15

        trial.report = reported  # type: ignore[method-assign]
        return train(trial, request)

    with pytest.raises(Stopped):
        work(
            TrialQueue(queue.plan, queue.study, queue.total, train=stopped_after_an_epoch),
            stop,
        )
    (lost,) = queue.study.get_trials()
    assert lost.state == TrialState.FAIL
    assert lost.user_attrs[LOST] == "stopped"
    done = made(plan)
    again = next(trial for trial in done.trials if trial.user_attrs.get(REPEATS) == lost.number)
    assert again.params == lost.params
    assert again.user_attrs[RUN] == lost.user_attrs[RUN]
    assert again.user_attrs[IS_BASE]
    assert len(again.intermediate_values) == 3
    assert len(done.trials) == 4


def test_another_machine_that_was_a_moment_faster_leaves_no_trial_too_many(plan: Plan) -> None:
    queue = made(plan)
    surplus = queue.study.ask()
    assert queue.is_surplus(surplus.number)
    assert not any(queue.is_surplus(trial.number) for trial in queue.trials[:4])


def test_a_study_that_an_older_facesim_defined_is_gone_on_with(plan: Plan) -> None:
    study = open_study(plan)
    definition = study.user_attrs["facesim"]
    del definition["base"]["evaluate"]["baselines"]  # as if the key had come since
    study.set_user_attr("facesim", definition)
    assert open_study(plan).study_name == "tiny"


def test_a_definition_that_is_no_experiment_any_more_is_shown_as_it_was(plan: Plan) -> None:
    study = open_study(plan)
    definition = study.user_attrs["facesim"]
    definition["base"]["loss"] = {"name": "withdrawn"}
    study.set_user_attr("facesim", definition)
    with pytest.raises(FacesimError, match=r"base\.loss\.name: withdrawn -> contrastive"):
        open_study(plan)


def test_what_two_machines_queue_at_once_is_made_once(plan: Plan) -> None:
    study = open_study(plan)
    study.enqueue_trial(base_point(plan.space), user_attrs={IS_BASE: True})
    queue = made(plan)
    assert [bool(trial.user_attrs.get(IS_BASE)) for trial in queue.trials] == [True] + [False] * 3
    assert [trial.user_attrs.get(LOST) for trial in study.trials].count(SURPLUS) == 1
