"""What a search is summarised to, from trials that were trained elsewhere."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from facesim.errors import DataError, FacesimError
from facesim.evaluation.seed_differences import ONE_SEED, SEEDS_INTERVAL
from facesim.runs.run import Run
from facesim.tuning.liveness import ProcessIdentity
from facesim.tuning.space import base_point
from facesim.tuning.storage import (
    DIGEST,
    IS_BASE,
    LOST,
    PROCESS,
    REASON,
    RUN,
    STOPPED,
    digest_of,
)
from facesim.tuning.study import Plan, open_study
from facesim.tuning.summary import UNKNOWN, Spread, Summary, summarise
from facesim.tuning.winner import BASE, BOTH, SEED, SYSTEM, TEST, WINNER

Write = Callable[..., Path]
Build = Callable[..., Run]


def retrained(
    results: Mapping[str, Sequence[float | None]], metric: str, hosts: Mapping[str, str] = {}
) -> optuna.Study:
    """A study of trainings: results on test, one per seed from 1 on; None where one failed."""
    study = optuna.create_study()
    for system, values in results.items():
        for seed, value in enumerate(values, start=1):
            params: dict[str, str | int] = {SYSTEM: system, SEED: seed}
            attributes: dict[str, Any] = {
                TEST: {metric: value, "loss": 0.5},
                "val": {f"val.{metric}": value, "val.epoch": 3.0},
                RUN: f"/elsewhere/{system}/{seed}",
            }
            if system in hosts:
                process = ProcessIdentity(f"{hosts[system]} its-boot", 1, "2")
                attributes[PROCESS] = process.as_attributes()
            study.add_trial(
                optuna.create_trial(
                    state=TrialState.FAIL if value is None else TrialState.COMPLETE,
                    values=None if value is None else [value],
                    params=params,
                    distributions={
                        key: CategoricalDistribution([at]) for key, at in params.items()
                    },
                    user_attrs={REASON: "too large"} if value is None else attributes,
                )
            )
    return study


def searched(plan: Plan, values: Sequence[float]) -> tuple[optuna.Study, list[FrozenTrial]]:
    """The study of a plan with trials of these values; the first is the base experiment."""
    study = open_study(plan)
    for value in values:
        trial = study.ask()
        plan.space.suggest(trial)
        study.tell(trial, value)
    return study, study.trials


def summarised(plan: Plan, results: Mapping[str, Sequence[float | None]]) -> Summary:
    study, trials = searched(plan, [0.5, 0.75])
    winner = trials[0 if BOTH in results else 1]
    return summarise(plan, study, winner, retrained(results, plan.compared_by.name))


@pytest.fixture
def eer_plan(write_search: Write, planned: Callable[[Path], Plan]) -> Plan:
    return planned(
        write_search("  metric: val.eer\n  space: {optimizer.lr: {float: [1e-3, 1e-2]}}\n")
    )


def test_a_spread_is_mean_and_deviation() -> None:
    spread = Spread.of([0.1, 0.2, 0.6])
    assert spread.mean == pytest.approx(0.3)
    assert spread.standard_deviation == pytest.approx(np.std([0.1, 0.2, 0.6], ddof=1))
    assert spread.values == (0.1, 0.2, 0.6)
    assert Spread.of([0.1]).standard_deviation is None


def test_winner_and_base_are_compared_seed_by_seed(plan: Plan) -> None:
    summary = summarised(plan, {WINNER: [0.8, 0.9, 0.7], BASE: [0.6, 0.7, 0.4]})
    assert summary.difference is not None
    differences = [each.difference for each in summary.difference.per_seed]
    assert differences == pytest.approx([0.2, 0.2, 0.3])
    assert summary.difference.mean == pytest.approx(0.7 / 3)
    assert summary.seeds == (1, 2, 3)
    assert summary.winner.test["accuracy"].mean == pytest.approx(0.8)
    assert summary.winner.val.keys() == {"accuracy"}  # an epoch's number is not a metric
    assert summary.winner.runs[0] == "/elsewhere/winner/1"


def test_runs_of_another_machine_have_a_difference_without_an_interval(plan: Plan) -> None:
    summary = summarised(plan, {WINNER: [0.8, 0.9], BASE: [0.6, 0.7]})
    assert summary.difference is not None
    assert (summary.difference.low, summary.difference.better) == (None, None)
    assert "/elsewhere/base" in (summary.difference.reason or "")
    for each in summary.difference.per_seed:
        assert each.low is None
        assert "/elsewhere/base" in (each.reason or "")


def test_runs_of_other_hosts_are_told_with_what_would_bring_them_together(plan: Plan) -> None:
    study, (_, winner) = searched(plan, [0.5, 0.75])
    hosts = {WINNER: "two", BASE: "one"}
    fresh = retrained({WINNER: [0.8], BASE: [0.6]}, plan.compared_by.name, hosts)
    difference = summarise(plan, study, winner, fresh).difference
    assert difference is not None
    for reason in (difference.reason, difference.per_seed[0].reason):
        assert re.match(r"runs lie on one, two, .+; give all hosts an --out in a", reason or "")


def summarised_runs(
    plan: Plan, build_run: Build, winner: float, base: float, seeds: Sequence[int] = (1, 2, 3)
) -> Summary:
    """Of runs that are there, with the skills of winner and base experiment."""
    study, trials = searched(plan, [0.5, 0.75])
    fresh = optuna.create_study()
    for system, skill in ((WINNER, winner), (BASE, base)):
        for seed in seeds:
            run = build_run(system, skill, seed=seed)
            values = run.read("test").result
            assert values is not None
            params: dict[str, str | int] = {SYSTEM: system, SEED: seed}
            fresh.add_trial(
                optuna.create_trial(
                    values=[0.5],
                    params=params,
                    distributions={
                        key: CategoricalDistribution([at]) for key, at in params.items()
                    },
                    user_attrs={TEST: values.values(), "val": {}, RUN: str(run.path)},
                )
            )
    return summarise(plan, study, trials[1], fresh)


def test_the_interval_is_over_people_and_seeds_together(plan: Plan, build_run: Build) -> None:
    summary = summarised_runs(plan, build_run, 3.0, 0.5)
    difference = summary.difference
    assert difference is not None
    assert (difference.better, difference.interval) == ("winner", SEEDS_INTERVAL)
    assert difference.low is not None
    assert difference.high is not None
    assert difference.low < difference.mean < difference.high
    assert (difference.identities_error or 0) > 0
    assert all(each.low is not None for each in difference.per_seed)


def test_the_better_system_has_the_smaller_error_rate(eer_plan: Plan, build_run: Build) -> None:
    difference = summarised_runs(eer_plan, build_run, 0.5, 3.0).difference
    assert difference is not None
    assert (difference.metric, difference.better) == ("eer", "base")


def test_seeds_that_agree_show_nothing_where_other_people_might_differ(
    plan: Plan, build_run: Build
) -> None:
    difference = summarised_runs(plan, build_run, 1.55, 1.5).difference
    assert difference is not None
    assert difference.low is not None
    assert difference.high is not None
    assert difference.low < 0 < difference.high
    assert difference.better is None


def test_a_base_experiment_that_wins_has_nothing_to_be_compared_with(plan: Plan) -> None:
    summary = summarised(plan, {BOTH: [0.8, 0.9, 0.7]})
    assert (summary.base, summary.difference) == (None, None)
    assert summary.winning_value == summary.base_value == 0.5
    assert summary.winning_parameters == base_point(plan.space)


def test_a_seed_with_which_one_of_both_failed_is_left_out(plan: Plan) -> None:
    summary = summarised(plan, {WINNER: [0.8, None, 0.7], BASE: [0.6, 0.7, 0.4]})
    assert summary.seeds == (1, 3)
    assert summary.base is not None
    assert summary.base.test["accuracy"].values == (0.6, 0.4)


def test_a_result_of_the_retraining_that_was_changed_is_refused(plan: Plan) -> None:
    study, (_, winner) = searched(plan, [0.5, 0.75])
    fresh = retrained({WINNER: [0.8], BASE: [0.6]}, plan.compared_by.name)
    (first, *others) = fresh.get_trials()
    first.user_attrs[DIGEST] = digest_of(first.params, first.values, first.user_attrs)
    first.user_attrs[TEST] = {plan.compared_by.name: 0.9}
    changed = optuna.create_study()
    changed.add_trials([first, *others])
    with pytest.raises(DataError, match="is damaged: trial 0 is not what was written"):
        summarise(plan, study, winner, changed)


def test_a_failed_seed_is_told_with_its_reason(plan: Plan) -> None:
    summary = summarised(plan, {WINNER: [0.8, None, 0.7], BASE: [0.6, 0.7, 0.4]})
    (failed,) = summary.failed
    assert (failed.seed, failed.system, failed.reason) == (2, WINNER, "too large")


def test_a_failed_training_that_a_later_one_made_up_for_is_not_told(plan: Plan) -> None:
    study, trials = searched(plan, [0.5, 0.75])
    fresh = retrained({WINNER: [None, 0.7], BASE: [0.6, 0.7]}, "accuracy")
    for again in retrained({WINNER: [0.8]}, "accuracy").trials:
        fresh.add_trial(again)
    summary = summarise(plan, study, trials[1], fresh)
    assert summary.failed == ()
    assert summary.seeds == (1, 2)


def test_a_metric_that_one_seed_lacks_has_no_spread(plan: Plan) -> None:
    study, trials = searched(plan, [0.5, 0.75])
    fresh = retrained({WINNER: [0.8, 0.9], BASE: [0.6, 0.7]}, "accuracy")
    copy = optuna.create_study()
    for trial in fresh.trials:
        trial.user_attrs[TEST]["eer"] = None if trial.number == 0 else 0.25
        copy.add_trial(trial)
    summary = summarise(plan, study, trials[1], copy)
    assert "eer" not in summary.winner.test
    assert summary.base is not None
    assert summary.base.test["eer"].values == (0.25, 0.25)


def test_one_seed_has_no_verdict(plan: Plan, build_run: Build) -> None:
    difference = summarised_runs(plan, build_run, 3.0, 0.5, seeds=[1]).difference
    assert difference is not None
    assert (difference.better, difference.reason) == (None, ONE_SEED)


def test_without_any_seed_the_reason_is_told(plan: Plan) -> None:
    with pytest.raises(FacesimError, match=r"trial 1, could not be retrained .*: too large"):
        summarised(plan, {WINNER: [None, None, None], BASE: [0.6, 0.7, 0.4]})


def test_without_any_training_it_is_said_that_no_reason_is_known(plan: Plan) -> None:
    study, trials = searched(plan, [0.5, 0.75])
    with pytest.raises(FacesimError, match=f"could not be retrained with any seed: {UNKNOWN}$"):
        summarise(plan, study, trials[1], optuna.create_study())


def test_the_search_is_counted_by_state_and_its_values_are_those_of_val(plan: Plan) -> None:
    study, trials = searched(plan, [0.5, 0.75])
    study.tell(study.ask(), state=TrialState.PRUNED)
    results = {WINNER: [0.8, 0.9], BASE: [0.6, 0.7]}
    summary = summarise(plan, study, trials[1], retrained(results, "accuracy"))
    assert summary.trials == {"complete": 2, "pruned": 1}
    assert (summary.winning_value, summary.base_value) == (0.75, 0.5)
    assert trials[0].user_attrs[IS_BASE]


def test_a_search_that_came_to_fewer_results_than_asked_says_so(plan: Plan) -> None:
    study, trials = searched(plan, [0.5, 0.75])
    for attributes in ({REASON: "FacesimError: the loss is infinite"}, {LOST: STOPPED}):
        trial = study.ask()
        for key, value in attributes.items():
            trial.set_user_attr(key, value)
        study.tell(trial, state=TrialState.FAIL)
    results = {WINNER: [0.8], BASE: [0.75]}
    summary = summarise(plan, study, trials[1], retrained(results, "accuracy"))
    assert [(each.number, each.reason) for each in summary.failed_trials] == [
        (2, "FacesimError: the loss is infinite")
    ]
    assert summary.trials_asked == 4
    assert not summary.is_whole
    assert not summarised(plan, {WINNER: [0.8, None], BASE: [0.75, 0.75]}).is_whole


def test_a_summary_of_before_is_read(plan: Plan) -> None:
    summary = summarised(plan, {WINNER: [0.8], BASE: [0.75]})
    assert summary.is_whole
    before = summary.model_dump(mode="json", exclude={"failed_trials", "trials_asked"})
    assert Summary.model_validate(before).is_whole


def test_every_winner_that_was_scored_on_test_is_counted(plan: Plan) -> None:
    study, _ = searched(plan, [0.5, 0.75])
    for name in ("tiny/winner-1", "tiny/winner-0", "tinier/winner-3"):
        optuna.create_study(study_name=name, storage=study._storage)
    results = {WINNER: [0.8, 0.9], BASE: [0.6, 0.7]}
    summary = summarise(plan, study, study.trials[1], retrained(results, "accuracy"))
    assert summary.winners_scored == 2


def test_a_summary_reads_back_as_it_was_written(plan: Plan) -> None:
    summary = summarised(plan, {WINNER: [0.8, 0.9, 0.7], BASE: [0.6, 0.7, 0.4]})
    assert Summary.model_validate_json(summary.model_dump_json()) == summary
