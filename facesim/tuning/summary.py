"""The result of a search: its winner and the base experiment, retrained and compared on test."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from facesim.errors import FacesimError
from facesim.evaluation.seed_differences import SeedDifference as SeedsDifference
from facesim.evaluation.seed_differences import judged
from facesim.experiment.measured_metrics import measured_metrics
from facesim.interfaces.metric import MeanLoss, Quantity
from facesim.json_files import JsonModel
from facesim.runs.comparison import compare_groups, compare_runs
from facesim.runs.run import Run
from facesim.tuning.liveness import ProcessIdentity
from facesim.tuning.objectives import VAL, by_current_name
from facesim.tuning.storage import (
    IS_BASE,
    PROCESS,
    REASON,
    RUN,
    counted,
    parameters_of,
    require_undamaged,
    storage_name,
)
from facesim.tuning.study import Plan
from facesim.tuning.winner import BASE, BOTH, SEED, SYSTEM, TEST, WINNER, winners_scored

UNKNOWN = "no reason is known"


class Spread(JsonModel):
    """A metric over the fresh seeds.

    Attributes:
        mean: over the seeds.
        standard_deviation: over the seeds, with K - 1; None of one seed.
        values: one per seed.
    """

    mean: float
    standard_deviation: float | None
    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of one value or more."""
        deviation = statistics.stdev(values) if len(values) > 1 else None
        return cls(
            mean=statistics.fmean(values), standard_deviation=deviation, values=tuple(values)
        )


class Retrained(JsonModel):
    """A system retrained with fresh seeds.

    Attributes:
        val: of the best epoch of each run, by metric.
        test: by metric, with thresholds from val.
        runs: the run directories, one per seed.
    """

    val: dict[str, Spread]
    test: dict[str, Spread]
    runs: tuple[str, ...]


class SeedDifference(JsonModel):
    """Winner minus base experiment for one seed, on the same pairs of test.

    Attributes:
        seed: of both.
        difference: of the metric.
        low: lower end of the paired interval over the identities; None where there is none.
        high: upper end.
        reason: why there is no interval.
    """

    seed: int
    difference: float
    low: float | None = None
    high: float | None = None
    reason: str | None = None


class Difference(JsonModel):
    """Winner minus base experiment, paired by seed.

    Attributes:
        metric: which.
        mean: over the seeds.
        low: lower end of the interval of the mean over people and seeds together; None where
            there is none.
        high: upper end.
        interval: its method and level.
        better: ``winner`` or ``base`` if the interval excludes 0; None if no difference is shown.
        per_seed: each seed's difference with its interval over the identities in test.
        reason: why there is no interval or no verdict.
        identities_error: standard error of the mean over people; None where it is not known.
        seeds_error: over seeds; None of one seed.
    """

    metric: str
    mean: float
    low: float | None
    high: float | None
    interval: str | None
    better: Literal["winner", "base"] | None
    per_seed: tuple[SeedDifference, ...]
    reason: str | None = None
    identities_error: float | None = None
    seeds_error: float | None = None


class FailedTraining(JsonModel):
    """A training of the winner or of the base experiment that came to no result.

    Attributes:
        seed: of it; the other system's training with this seed is left out, too.
        system: ``winner``, ``base`` or ``winner and base``.
        reason: why it failed.
    """

    seed: int
    system: str
    reason: str


class FailedTrial(JsonModel):
    """A trial of the search that came to no result.

    Attributes:
        number: the trial's.
        reason: why it failed.
    """

    number: int
    reason: str


class Summary(JsonModel):
    """What ``summary.json`` holds.

    Attributes:
        study: its name.
        metric: by which winner and base experiment are compared.
        trials: how many ended, by state.
        winning_trial: its number.
        winning_parameters: by path.
        winning_value: what won the search, on val, with the experiment's own seed.
        base_value: what the base experiment reached there.
        seeds: the fresh ones.
        winner: retrained with them.
        base: the same for the base experiment; None where it is the winner itself.
        difference: on test; None where the base experiment is the winner.
        winners_scored: how many winners of this study have been scored on test so far: with more
            than one, test has taken part in a choice.
        failed: trainings with fresh seeds that failed.
        failed_trials: trials of the search that failed, of those that were asked for.
        trials_asked: how many trials were asked for; None in a summary of before.
    """

    study: str
    metric: str
    trials: dict[str, int]
    winning_trial: int
    winning_parameters: dict[str, Any]
    winning_value: float
    base_value: float | None
    seeds: tuple[int, ...]
    winner: Retrained
    base: Retrained | None
    difference: Difference | None
    winners_scored: int
    failed: tuple[FailedTraining, ...] = ()
    failed_trials: tuple[FailedTrial, ...] = ()
    trials_asked: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the search came to as many results as were asked for."""
        return not self.failed and not self.failed_trials


def summarise(
    plan: Plan, study: optuna.Study, winner: FrozenTrial, retrained: optuna.Study
) -> Summary:
    """Summarise a search whose winner has been retrained.

    Raises:
        FacesimError: with no seed did the trainings succeed.
        DataError: a result is not what was written.
    """
    require_undamaged(retrained.get_trials(deepcopy=False), storage_name(plan.storage, plan.folder))
    metric = plan.compared_by
    is_base = bool(winner.user_attrs.get(IS_BASE))
    winners = _by_seed(retrained, BOTH if is_base else WINNER)
    bases = {} if is_base else _by_seed(retrained, BASE)
    seeds = sorted(winners if is_base else winners.keys() & bases.keys())
    failed = _failed(retrained)
    if not seeds:
        reasons = "; ".join(sorted({each.reason for each in failed})) or UNKNOWN
        raise FacesimError(
            f"the winner, trial {winner.number}, could not be retrained with any seed: {reasons}"
        )
    measured = (MeanLoss.name, *measured_metrics(plan.experiment))
    trials = study.get_trials(deepcopy=False)
    states = {state: sum(trial.state == state for trial in trials) for state in TrialState}
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    base_values = [_value(each, plan) for each in complete if each.user_attrs.get(IS_BASE)]
    return Summary(
        study=plan.name,
        metric=metric.name,
        trials={state.name.lower(): count for state, count in states.items() if count},
        winning_trial=winner.number,
        winning_parameters=dict(winner.params),
        winning_value=_value(winner, plan),
        base_value=base_values[0] if base_values else None,
        seeds=tuple(seeds),
        winner=_retrained([winners[seed] for seed in seeds], measured),
        base=None if is_base else _retrained([bases[seed] for seed in seeds], measured),
        difference=None if is_base else _difference(metric, seeds, winners, bases),
        winners_scored=winners_scored(plan),
        failed=failed,
        failed_trials=tuple(
            FailedTrial(number=each.number, reason=str(each.user_attrs.get(REASON) or UNKNOWN))
            for each in counted(trials)
            if each.state == TrialState.FAIL
        ),
        trials_asked=plan.search.trials,
    )


def _difference(
    metric: Quantity,
    seeds: Sequence[int],
    winners: dict[int, FrozenTrial],
    bases: dict[int, FrozenTrial],
) -> Difference:
    systems = [[trials[seed] for seed in seeds] for trials in (bases, winners)]
    values = [
        [by_current_name(trial.user_attrs[TEST])[metric.name] for trial in trials]
        for trials in systems
    ]
    found = judged(metric, *values, paired=True, people=None)
    try:
        runs = [[Run.open(Path(trial.user_attrs[RUN])) for trial in trials] for trials in systems]
        compared = compare_groups(*runs, metric=metric.name).groups[1].differences
        over_seeds = compared.get(metric.name)
        found = over_seeds if isinstance(over_seeds, SeedsDifference) else found
    except FacesimError as error:
        reason = _why_not_compared([*systems[0], *systems[1]], error)
        found = found.model_copy(update={"reason": reason})
    sides: dict[str | None, Literal["winner", "base"]] = {"first": "base", "second": "winner"}
    return Difference(
        metric=metric.name,
        mean=statistics.fmean(values[1]) - statistics.fmean(values[0]),
        low=found.low,
        high=found.high,
        interval=found.interval,
        better=sides.get(found.better),
        per_seed=tuple(_of_seed(metric, seed, winners[seed], bases[seed]) for seed in seeds),
        reason=found.reason,
        identities_error=found.identities_error,
        seeds_error=found.seeds_error,
    )


def _of_seed(metric: Quantity, seed: int, winner: FrozenTrial, base: FrozenTrial) -> SeedDifference:
    measured = [by_current_name(trial.user_attrs[TEST]) for trial in (base, winner)]
    difference = measured[1][metric.name] - measured[0][metric.name]
    try:
        runs = [Run.open(Path(trial.user_attrs[RUN])) for trial in (base, winner)]
        compared = compare_runs(runs).groups[1]
    except FacesimError as error:
        reason = _why_not_compared([base, winner], error)
        return SeedDifference(seed=seed, difference=difference, reason=reason)
    found = compared.differences.get(metric.name)
    if found is None or compared.why_unpaired:
        reason = compared.why_unpaired or f"{metric.name} has no interval over the identities"
        return SeedDifference(seed=seed, difference=difference, reason=reason)
    return SeedDifference(
        seed=seed, difference=difference, low=found.low, high=found.high, reason=found.reason
    )


def _why_not_compared(trials: Sequence[FrozenTrial], error: FacesimError) -> str:
    """Why runs have no interval: they may lie on other hosts of the study."""
    absent = [trial for trial in trials if not Path(trial.user_attrs[RUN]).exists()]
    processes = [ProcessIdentity.read(trial.user_attrs.get(PROCESS)) for trial in absent]
    hosts = {process.name_of_host for process in processes if process is not None}
    elsewhere = sorted(hosts - {ProcessIdentity.here().name_of_host})
    if not elsewhere:
        return str(error)
    return (
        f"runs lie on {', '.join(elsewhere)}, and pairs are compared only of runs in one place; "
        "give all hosts an --out in a folder that they share"
    )


def _by_seed(retrained: optuna.Study, system: str) -> dict[int, FrozenTrial]:
    complete = retrained.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return {int(each.params[SEED]): each for each in complete if each.params[SYSTEM] == system}


def _retrained(trials: Sequence[FrozenTrial], names: Sequence[str]) -> Retrained:
    prefix = f"{VAL}."
    on_val = [
        {name.removeprefix(prefix): value for name, value in trial.user_attrs[VAL].items()}
        for trial in trials
    ]
    return Retrained(
        val=_spreads(on_val, names),
        test=_spreads([trial.user_attrs[TEST] for trial in trials], names),
        runs=tuple(str(trial.user_attrs[RUN]) for trial in trials),
    )


def _spreads(values: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, Spread]:
    """The spread of each metric that exists with every seed."""
    values = [by_current_name(each) for each in values]
    found = {name: [each[name] for each in values if each.get(name) is not None] for name in names}
    return {name: Spread.of(each) for name, each in found.items() if len(each) == len(values)}


def _value(trial: FrozenTrial, plan: Plan) -> float:
    """What the search compares a trial by: the metric of val, or else its first objective."""
    sources = [objective.source for objective in plan.objectives]
    return float(trial.values[sources.index(VAL) if VAL in sources else 0])


def _failed(study: optuna.Study) -> tuple[FailedTraining, ...]:
    """Those that no later attempt has made up for."""
    complete, failed = (
        {
            (int(parameters[SEED]), str(parameters[SYSTEM])): trial
            for trial in study.get_trials(deepcopy=False, states=(state,))
            if SEED in (parameters := parameters_of(trial))
        }
        for state in (TrialState.COMPLETE, TrialState.FAIL)
    )
    return tuple(
        FailedTraining(
            seed=seed, system=system, reason=str(trial.user_attrs.get(REASON) or UNKNOWN)
        )
        for (seed, system), trial in sorted(failed.items(), key=lambda item: item[0])
        if (seed, system) not in complete
    )
