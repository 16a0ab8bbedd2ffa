"""The winner of a search, retrained with fresh seeds.

The best of many trials was chosen on val, so its value there is optimistic.
"""

from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from facesim.errors import FacesimError
from facesim.experiment.schema import Experiment
from facesim.processes import Processes
from facesim.runs.run import Run
from facesim.training.stop import StopRequest
from facesim.tuning.objectives import VAL
from facesim.tuning.storage import (
    EPOCHS,
    IS_BASE,
    REASON,
    REPEATS,
    open_storage,
    parameters_of,
    places,
)
from facesim.tuning.study import Plan
from facesim.tuning.trial import begin_or_continue, best_of_val
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
    place = places(study.get_trials(deepcopy=False))  # of equal ones, the first that was tried
    candidates = sorted(candidates, key=lambda trial: place[trial.number])
    position = plan.objectives[0].metric.best([trial.values[0] for trial in candidates])
    return candidates[position or 0]


def winning_experiment(plan: Plan, winner: FrozenTrial) -> Experiment:
    """The experiment of the winning trial, without the search."""
    return plan.space.suggest(optuna.trial.FixedTrial(dict(winner.params)))


def fresh_seeds(plan: Plan) -> list[int]:
    """Seeds that the search did not use: it trained every trial with the experiment's own."""
    seed, count = plan.experiment.seed, plan.search.winner_seeds
    return [(seed + 1 + index) % 2**32 for index in range(count)]


def winners_scored(plan: Plan) -> int:
    """How many winners of this study have been scored on test: it may go on and find another."""
    names = optuna.get_all_study_names(open_storage(plan.storage, plan.folder))
    return sum(name.startswith(f"{plan.name}/winner-") for name in names)


def winner_queue(plan: Plan, winner: FrozenTrial, processes: Processes | None = None) -> TrialQueue:
    """Winner and base experiment, each trained with every fresh seed and then scored on test.

    Where the base experiment itself has won, it is trained once for each seed.
    """
    group, storage = processes or Processes(), open_storage(plan.storage, plan.folder)
    folder_name = f"winner-{winner.number}"
    systems = [BOTH] if winner.user_attrs.get(IS_BASE) else [WINNER, BASE]
    with plan.locked():
        study = optuna.create_study(
            study_name=f"{plan.name}/{folder_name}",
            storage=storage,
            direction=plan.compared_by.direction,
            load_if_exists=True,
        )
        # Whoever queued them may have been killed in between.
        queued = [parameters_of(trial) for trial in study.get_trials(deepcopy=False)]
        for seed in fresh_seeds(plan):
            for system in systems:
                if (training := {SYSTEM: system, SEED: seed}) not in queued:
                    study.enqueue_trial(training)
    study.sampler = optuna.samplers.RandomSampler()
    experiments = dict.fromkeys(systems, plan.space.base)
    if WINNER in experiments:
        experiments[WINNER] = winning_experiment(plan, winner)

    def train(trial: optuna.Trial, stop: StopRequest) -> Sequence[float]:
        system = trial.suggest_categorical(SYSTEM, systems)
        seed = trial.suggest_categorical(SEED, fresh_seeds(plan))
        experiment = experiments[system].model_copy(update={"seed": int(seed)})
        folder = plan.folder / folder_name / f"{trial.number:04d}"
        run = begin_or_continue(plan, trial, experiment, folder, group)
        return [_train_and_measure(plan.compared_by.name, trial, run, stop)]

    total = len(systems) * plan.search.winner_seeds
    return TrialQueue(plan, study, total, train, processes=group)


def retry_failed(queue: TrialQueue) -> int:
    """Queue the trainings of a winner again that failed; returns how many.

    What failed once for a reason that is gone must not stand in the way of a summary.
    """
    with queue.plan.locked():
        failed = [trial for trial in queue.trials if trial.state == TrialState.FAIL]
        for trial in failed:
            queue.study.enqueue_trial(parameters_of(trial), user_attrs={REPEATS: trial.number})
    return len(failed)


def _train_and_measure(metric: str, trial: optuna.Trial, run: Run, stop: StopRequest) -> float:
    """Train a run to its end, and keep its results on val and test with the trial."""

    def on_epoch(epochs_done: int, _values: object) -> None:
        trial.set_user_attr(EPOCHS, epochs_done)
        stop.check()

    stop.check()
    results = run.complete(on_epoch).values()
    trial.set_user_attr(TEST, results)
    trial.set_user_attr(VAL, best_of_val(run))
    value = results[metric]
    if value is None:
        raise FacesimError(f"{metric} cannot be computed on these pairs of test")
    return value
