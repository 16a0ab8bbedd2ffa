"""The winner of a search, trained again with fresh seeds.

The best of many trials was chosen on val, so its value there is optimistic.
"""

from collections.abc import Sequence

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from facesim.errors import FacesimError
from facesim.experiment.schema import Experiment
from facesim.training.stop import StopRequest
from facesim.tuning.objectives import VAL
from facesim.tuning.storage import open_storage
from facesim.tuning.study import Plan
from facesim.tuning.trial import begin_or_continue, best_of_val
from facesim.tuning.trial_attributes import EPOCHS, IS_BASE, REASON
from facesim.tuning.trial_queue import TrialQueue

WINNER, BASE, BOTH = "winner", "base", "winner and base"
SYSTEM, SEED, TEST = "system", "seed", "test"


def winning_trial(plan: Plan, study: optuna.Study) -> FrozenTrial:
    """The trial with the best value; of several objectives, the Pareto front's best in the first.

    Raises:
        FacesimError: no trial was completed.
    """
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not trials:
        failed = study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
        reasons = {str(trial.user_attrs.get(REASON)) for trial in failed} - {"None"}
        listed = "".join(f"\n  {reason}" for reason in sorted(reasons)[:5])
        raise FacesimError(f"no trial of {plan.name!r} was completed{listed}")
    candidates = study.best_trials if len(plan.objectives) > 1 else trials
    position = plan.objectives[0].metric.best([trial.values[0] for trial in candidates])
    return candidates[position or 0]


def winning_experiment(plan: Plan, winner: FrozenTrial) -> Experiment:
    """The experiment of the winning trial, without the search."""
    return plan.space.suggest(optuna.trial.FixedTrial(dict(winner.params)))


def fresh_seeds(plan: Plan) -> list[int]:
    """Seeds that the search did not use: it trained every trial with the experiment's own."""
    seed, count = plan.experiment.seed, plan.search.winner_seeds
    return [(seed + 1 + index) % 2**32 for index in range(count)]


def winner_study_name(plan: Plan, winner: FrozenTrial) -> str:
    """A winner's own study: a search that goes on may find another winner."""
    return f"{plan.name}/winner-{winner.number}"


def winner_queue(plan: Plan, winner: FrozenTrial) -> TrialQueue:
    """Winner and base experiment, each trained with every fresh seed and then scored on test.

    Where the base experiment itself has won, it is trained once for each seed.
    """
    storage = open_storage(plan.storage, plan.folder)
    name = winner_study_name(plan, winner)
    systems = [BOTH] if winner.user_attrs.get(IS_BASE) else [WINNER, BASE]
    with plan.locked():
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            direction=StudyDirection[plan.compared_by.direction.upper()],
            load_if_exists=True,
        )
        if not study.get_trials(deepcopy=False):
            for seed in fresh_seeds(plan):
                for system in systems:
                    study.enqueue_trial({SYSTEM: system, SEED: seed})
    study.sampler = optuna.samplers.RandomSampler()
    experiments = dict.fromkeys(systems, plan.space.base)
    if WINNER in experiments:
        experiments[WINNER] = winning_experiment(plan, winner)

    def train(trial: optuna.Trial, stop: StopRequest) -> Sequence[float]:
        system = trial.suggest_categorical(SYSTEM, systems)
        seed = trial.suggest_categorical(SEED, fresh_seeds(plan))
        experiment = experiments[system].model_copy(update={"seed": int(seed)})
        return _train_and_measure(plan, trial, experiment, name, stop)

    return TrialQueue(plan, study, len(systems) * plan.search.winner_seeds, train)


def _train_and_measure(
    plan: Plan, trial: optuna.Trial, experiment: Experiment, name: str, stop: StopRequest
) -> Sequence[float]:
    folder = plan.folder / name.rpartition("/")[2] / f"{trial.number:04d}"
    run = begin_or_continue(plan, trial, experiment, folder)

    def on_epoch(epochs_done: int, _values: object) -> None:
        trial.set_user_attr(EPOCHS, epochs_done)
        stop.check()

    stop.check()
    result = run.complete(on_epoch)
    trial.set_user_attr(TEST, result.values())
    trial.set_user_attr(VAL, best_of_val(run))
    value = result.values()[plan.compared_by.name]
    if value is None:
        raise FacesimError(f"{plan.compared_by.name} cannot be computed on these pairs of test")
    return [value]
