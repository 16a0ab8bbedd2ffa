"""The attributes that facesim stores with a trial of Optuna's, and which trials count."""

from typing import Any

from optuna.trial import FrozenTrial, TrialState

PROCESS = "worked_on_by"
"""The process that works on the trial: a `facesim.tuning.liveness.ProcessIdentity`."""

BEAT = "beat"
"""A number that this process increments now and then."""

RUN = "run"
"""Path of the trial's run directory."""

EPOCHS = "epochs_done"
"""Epochs that are done, with a checkpoint."""

LOST = "lost"
"""Why a failed trial does not count, as far as a living process could write it; see `loss_of`."""

REPEATS = "repeats"
"""The number of the lost trial whose parameters this one tries again."""

FRUITLESS = "fruitless_attempts"
"""How many attempts in a row were lost with these parameters without another epoch."""

EPOCHS_BEFORE = "epochs_done_before"
"""Epochs that were done when this trial took over the parameters of a lost one."""

IS_BASE = "is_base"
"""Whether this is the experiment as its file has it, with the search left out."""

REASON = "reason"
"""Why a trial failed."""

DIED, STOPPED, SURPLUS = "died", "stopped", "surplus"

_MOST_FRUITLESS = 3


def loss_of(trial: FrozenTrial) -> str | None:
    """How a failed trial was lost: `DIED`, `STOPPED` or `SURPLUS`; None for any other trial.

    A process that lives writes why it fails a trial before it does so. Without a reason, then, the
    process died, and another one failed the trial.
    """
    if trial.state != TrialState.FAIL:
        return None
    if LOST in trial.user_attrs:
        return str(trial.user_attrs[LOST])
    return None if REASON in trial.user_attrs else DIED


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of those that were asked for."""
    loss = loss_of(trial)
    return loss is None or (loss != SURPLUS and not is_worth_repeating(trial))


def is_worth_repeating(trial: FrozenTrial) -> bool:
    """Whether a trial is lost and tried again: not after repeated crashes without progress."""
    loss = loss_of(trial)
    return loss == STOPPED or (loss == DIED and fruitless_attempts(trial) < _MOST_FRUITLESS)


def fruitless_attempts(trial: FrozenTrial) -> int:
    """How many attempts in a row, this one included, brought these parameters no epoch further."""
    attributes = trial.user_attrs
    progressed = attributes.get(EPOCHS, 0) > attributes.get(EPOCHS_BEFORE, 0)
    return 0 if progressed else int(attributes.get(FRUITLESS, 0)) + 1


def repeat_of(trial: FrozenTrial) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the attributes with which a lost trial is tried again."""
    attributes = {
        REPEATS: trial.number,
        FRUITLESS: fruitless_attempts(trial),
        EPOCHS_BEFORE: trial.user_attrs.get(EPOCHS, 0),
    }
    carried = {key: trial.user_attrs[key] for key in (IS_BASE, RUN) if key in trial.user_attrs}
    # A process may die before it has asked for every queued parameter.
    queued = trial.system_attrs.get("fixed_params", {})
    return {**queued, **trial.params}, {**attributes, **carried}
