"""Which trial wins, and which trainings show what it is worth."""

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from facesim.errors import FacesimError
from facesim.tuning.storage import REASON, REPEATS, open_storage
from facesim.tuning.study import Plan, open_study
from facesim.tuning.winner import (
    BASE,
    BOTH,
    SEED,
    SYSTEM,
    WINNER,
    fresh_seeds,
    retry_failed,
    winner_queue,
    winners_scored,
    winning_experiment,
    winning_trial,
)


def told(plan: Plan, *values: list[float]) -> optuna.Study:
    study = open_study(plan)
    for each in values:
        trial = study.ask()
        plan.space.suggest(trial)
        study.tell(trial, each)
    return study


def test_the_best_completed_trial_wins(plan: Plan) -> None:
    study = told(plan, [0.5], [0.75], [0.25])
    pruned = study.ask()
    pruned.report(0.9, 1)
    study.tell(pruned, state=TrialState.PRUNED)
    assert winning_trial(plan, study).number == 1


def test_of_an_error_rate_the_smallest_wins(
    write_search: Callable[..., Path], planned: Callable[[Path], Plan]
) -> None:
    space = "  space: {head.fc_dim: {int: [8, 64]}}\n"
    plan = planned(write_search(f"  metric: val.eer\n{space}"))
    assert winning_trial(plan, told(plan, [0.5], [0.25], [0.75])).number == 1


def test_of_equal_trials_the_point_that_was_tried_first_wins(plan: Plan) -> None:
    """Whether or not a kill has given it a later number."""
    study = open_study(plan)
    lost, other = study.ask(), study.ask()
    study.tell(lost, state=TrialState.FAIL)
    study.enqueue_trial({}, user_attrs={REPEATS: lost.number})
    study.tell(other, 0.5)
    study.tell(study.ask(), 0.5)
    assert winning_trial(plan, study).number == 2


def test_of_several_objectives_the_first_decides_among_the_front(
    write_search: Callable[..., Path], planned: Callable[[Path], Plan]
) -> None:
    plan = planned(
        write_search(
            "  metric: [val.eer, cost.parameters]\n  space: {head.fc_dim: {int: [8, 64]}}\n"
        )
    )
    study = told(plan, [0.2, 10], [0.1, 90], [0.1, 99])
    assert winning_trial(plan, study).number == 1


def test_without_a_completed_trial_the_reasons_are_told(plan: Plan) -> None:
    study = open_study(plan)
    trial = study.ask()
    trial.set_user_attr(REASON, "FacesimError: too large")
    study.tell(trial, state=TrialState.FAIL)
    with pytest.raises(FacesimError, match="no trial of 'tiny' was completed\n  FacesimError: too"):
        winning_trial(plan, study)


def test_the_winning_experiment_is_that_of_its_parameters(plan: Plan) -> None:
    study = told(plan, [0.5], [0.75])
    experiment = winning_experiment(plan, study.trials[1])
    assert experiment.search is None
    assert experiment.as_data()["head"]["fc_dim"] == study.trials[1].params["head.fc_dim"]
    assert winning_experiment(plan, study.trials[0]) == plan.space.base


def test_fresh_seeds_are_not_that_of_the_search(plan: Plan) -> None:
    assert plan.experiment.seed == 0
    assert fresh_seeds(plan) == [1, 2, 3]


def test_winner_and_base_are_trained_with_the_same_seeds(plan: Plan) -> None:
    queue = winner_queue(plan, told(plan, [0.5], [0.75]).trials[1])
    queued = [trial.system_attrs["fixed_params"] for trial in queue.trials]
    assert queued == [
        {SYSTEM: system, SEED: seed} for seed in (1, 2, 3) for system in (WINNER, BASE)
    ]
    assert queue.total == 6
    assert not queue.is_done


def test_a_base_experiment_that_wins_is_trained_once_per_seed(plan: Plan) -> None:
    queue = winner_queue(plan, told(plan, [0.5]).trials[0])
    assert [trial.system_attrs["fixed_params"][SYSTEM] for trial in queue.trials] == [BOTH] * 3


def test_whoever_comes_second_queues_nothing_again(plan: Plan) -> None:
    winner = told(plan, [0.5], [0.75]).trials[1]
    for _ in range(2):
        queue = winner_queue(plan, winner)
    assert len(queue.trials) == 6
    assert winners_scored(plan) == 1


def test_what_a_killed_process_had_not_queued_yet_is_queued_by_the_next(plan: Plan) -> None:
    winner = told(plan, [0.5], [0.75]).trials[1]
    study = optuna.create_study(
        study_name="tiny/winner-1",
        storage=open_storage(None, plan.folder),
        direction="maximize",
    )
    study.enqueue_trial({SYSTEM: WINNER, SEED: 1})
    queue = winner_queue(plan, winner)
    queued = [trial.system_attrs["fixed_params"] for trial in queue.trials]
    assert sorted((each[SEED], each[SYSTEM]) for each in queued) == [
        (seed, system) for seed in (1, 2, 3) for system in (BASE, WINNER)
    ]


def test_trainings_that_failed_are_tried_again_by_the_same_command(plan: Plan) -> None:
    winner = told(plan, [0.5]).trials[0]
    queue = winner_queue(plan, winner)
    for _ in range(3):
        trial = queue.study.ask()
        trial.set_user_attr(REASON, "OSError: No space left on device")
        queue.study.tell(trial, state=TrialState.FAIL)
    assert queue.is_done
    again = winner_queue(plan, winner)
    assert retry_failed(again) == 3
    assert len(again.trials) == 3
    for _ in range(3):
        trial = again.study.ask()
        again.study.tell(trial, float(trial.suggest_categorical(SEED, [1, 2, 3])))
    assert again.is_done
    assert retry_failed(again) == 0
    assert sorted(trial.value or 0.0 for trial in again.trials) == [1.0, 2.0, 3.0]
