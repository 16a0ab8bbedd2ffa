"""A study in its storage: begun once, joined later, and refused where it is another one."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import torch

from facesim.errors import DataError, FacesimError
from facesim.experiment.decisions import Decision
from facesim.tuning.space import base_point
from facesim.tuning.storage import DIGEST, IS_BASE, digest_of, open_storage
from facesim.tuning.study import (
    Plan,
    as_the_study,
    open_study,
    record_decisions,
    study_exists,
    threads_per_trial,
    varies_trunk,
)

Write = Callable[..., Path]
Planned = Callable[[Path], Plan]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[8, 64]", "[8, 32]", r"search\.space\.head\.fc_dim\.int: \[8, 64\] -> \[8, 32\]"),
        ("width: 4", "width: 8", r"base\.backbone\.width: 4 -> 8"),
        ("  trials: 4", "  metric: val.eer", r"search\.metric: val\.accuracy -> val\.eer"),
    ],
)
def test_a_study_of_something_else_is_refused_with_the_difference(
    write_search: Write, planned: Planned, old: str, new: str, said: str
) -> None:
    open_study(planned(write_search()))
    changed = planned(write_search(changed=(old, new)))
    with pytest.raises(FacesimError, match=said):
        open_study(changed)


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
    with pytest.raises(
        FacesimError, match=r"(?s)in .+log was begun.+base\.loss\.name: withdrawn -> contrastive"
    ):
        open_study(plan)


def test_the_first_trial_of_a_study_is_the_base_experiment(plan: Plan) -> None:
    (first,) = open_study(plan).trials
    assert first.user_attrs[IS_BASE]
    assert first.system_attrs["fixed_params"] == base_point(plan.space)
    assert len(open_study(plan).trials) == 1  # whoever comes second queues nothing again


def test_optuna_knows_the_direction_and_the_name_of_each_objective(
    write_search: Write, planned: Planned
) -> None:
    search = "  metric: [val.eer, val.accuracy]\n  space: {head.fc_dim: {int: [8, 64]}}\n"
    study = open_study(planned(write_search(search)))
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MAXIMIZE"]
    assert study.metric_names == ["val.eer", "val.accuracy"]


def test_a_study_of_the_same_name_that_is_not_facesims_is_left_alone(plan: Plan) -> None:
    other = optuna.create_study(study_name="tiny", storage=open_storage(None, plan.folder))
    other.tell(other.ask(), 1.0)
    with pytest.raises(FacesimError, match="'tiny' that facesim did not make"):
        open_study(plan)


def test_the_threads_per_trial_are_fixed_when_the_study_begins(
    write_search: Write, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(write_search())
    monkeypatch.setattr("torch.get_num_threads", lambda: 3)
    open_study(plan)
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)
    open_study(plan)  # on another machine, or with other workers
    assert threads_per_trial(plan) == 3
    same = planned(write_search(changed=("  space", "  threads: 3\n  space")))
    assert threads_per_trial(same) == open_study(same).user_attrs["threads_per_trial"] == 3
    other = planned(write_search(changed=("  space", "  threads: 2\n  space")))
    with pytest.raises(FacesimError, match=r"in .+log was begun with 3 threads per trial"):
        open_study(other)


def test_the_experiment_may_say_the_threads_per_trial(
    write_search: Write, planned: Planned
) -> None:
    plan = planned(write_search(changed=("  space", "  threads: 2\n  space")))
    open_study(plan)
    assert threads_per_trial(plan) == 2


def test_a_study_of_before_gets_its_threads_at_the_next_start(plan: Plan) -> None:
    study = optuna.create_study(study_name="tiny", storage=open_storage(None, plan.folder))
    study.set_user_attr("facesim", plan.definition)
    study.enqueue_trial(base_point(plan.space), user_attrs={IS_BASE: True})
    assert len(open_study(plan).trials) == 1
    assert threads_per_trial(plan) == torch.get_num_threads()


def test_a_study_whose_creator_was_killed_midway_is_completed(plan: Plan) -> None:
    study = optuna.create_study(study_name="tiny", storage=open_storage(None, plan.folder))
    study.set_user_attr("facesim", plan.definition)
    opened = open_study(plan)
    assert opened.metric_names == ["val.accuracy"]
    assert len(opened.trials) == 1


def test_what_a_database_holds_is_checked(plan: Plan, tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    plan = replace(plan, storage=f"sqlite:///{file}")
    study = open_study(plan)
    trial = study.ask()
    trial.set_user_attr(DIGEST, digest_of(trial.params, [0.5], trial.user_attrs))
    study.tell(trial, 0.5)
    open_study(plan)
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE trial_values SET value = 0.75")
    with pytest.raises(DataError, match=r"study\.db: is damaged: trial 0 is not what was written"):
        open_study(plan)
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE trial_values SET value = 0.5")
        connection.execute("UPDATE trial_user_attributes SET value_json = '{' WHERE key = 'digest'")
    with pytest.raises(DataError, match=r"study\.db: is damaged: JSONDecodeError"):
        open_study(plan)


def test_a_study_exists_once_it_was_opened(plan: Plan, tmp_path: Path) -> None:
    assert not study_exists(replace(plan, folder=tmp_path / "nowhere"))
    assert not study_exists(plan)
    open_study(plan)
    assert study_exists(plan)


def test_a_plan_is_read_back_from_its_folder(plan: Plan) -> None:
    read = Plan.read(plan.folder, None)
    assert read.experiment == plan.experiment
    assert read.definition == plan.definition
    assert read.objectives[0].name == "val.accuracy"


@pytest.mark.parametrize(
    ("metric", "compared_by"),
    [("val.eer", "eer"), ("[cost.parameters, val.eer]", "eer"), ("cost.parameters", "accuracy")],
)
def test_winner_and_base_are_compared_by_a_metric_that_every_run_measures(
    write_search: Write, planned: Planned, metric: str, compared_by: str
) -> None:
    plan = planned(
        write_search(f"  metric: {metric}\n  space: {{head.fc_dim: {{int: [8, 64]}}}}\n")
    )
    assert plan.compared_by.name == compared_by


def test_a_folder_that_cannot_be_made_is_named(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FacesimError, match="cannot make the study's folder"):
        replace(plan, folder=tmp_path / "file" / "study").write()


def test_what_a_study_decided_stands_for_all_its_trials(plan: Plan) -> None:
    study = open_study(plan)
    assert as_the_study(plan, plan.space.base).backbone_engine == "auto"
    record_decisions(study, {"backbone_engine": Decision(chosen="compiled", why="faster")})
    # Another machine that has decided meanwhile takes what is recorded.
    elsewhere = open_study(plan)
    record_decisions(elsewhere, {"backbone_engine": Decision(chosen="eager", why="no compiler")})
    assert as_the_study(plan, plan.space.base).backbone_engine == "compiled"
    asked = plan.space.base.model_copy(update={"backbone_engine": "onnxruntime"})
    assert as_the_study(plan, asked).backbone_engine == "onnxruntime"


def test_trials_of_a_study_of_before_are_run_by_eager(plan: Plan) -> None:
    study = open_study(plan)
    definition = study.user_attrs["facesim"]
    del definition["base"]["backbone_engine"]
    study.set_user_attr("facesim", definition)
    open_study(plan)  # the same experiment still
    assert as_the_study(plan, plan.space.base).backbone_engine == "eager"


def test_decisions_that_facesim_did_not_make_are_named_as_damage(plan: Plan) -> None:
    open_study(plan).set_user_attr("decisions", {"backbone_engine": {"chosen": "../x", "why": ""}})
    with pytest.raises(
        DataError, match=r"is damaged: decisions: .*cannot be chosen for backbone_engine"
    ):
        as_the_study(plan, plan.space.base)


@pytest.mark.parametrize(
    ("space", "varies"),
    [
        ("head.fc_dim: {int: [8, 64]}", False),
        ("train.precision: {choice: [auto, bfloat16]}", True),
        ("backbone.width: {int: [4, 8]}", True),
    ],
)
def test_trunks_differ_by_backbone_and_precision(
    write_search: Write, planned: Planned, space: str, varies: bool
) -> None:
    plan = planned(write_search(f"  trials: 2\n  space: {{{space}}}\n"))
    assert varies_trunk(plan) is varies
