"""What facesim writes beside a trial, and what it means."""

from typing import Any

from optuna.trial import FrozenTrial, TrialState

PRESENCE = "worked_on_by"
"""The process that works on the trial; see `facesim.tuning.process_identity`."""

BEAT = "beat"
"""A number that this process raises now and then."""

RUN = "run"
"""The trial's run directory."""

EPOCHS = "epochs_done"
"""Epochs that are done, with a checkpoint."""

LOST = "lost"
"""Why a failed trial does not count: its process died, was stopped, or it was one too many."""

REPEATS = "repeats"
"""The number of the lost trial whose parameters this one tries again."""

FRUITLESS = "fruitless_attempts"
"""How often in a row the parameters were lost without another epoch."""

EPOCHS_BEFORE = "epochs_done_before"
"""Epochs that were done when this trial took its parameters over from a lost one."""

IS_BASE = "is_base"
"""Whether this is the experiment as it stands in its file."""

REASON = "reason"
"""Why a trial failed."""

DIED, STOPPED, SURPLUS = "died", "stopped", "surplus"

_MOST_FRUITLESS = 3


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of those that were asked for."""
    lost = trial.user_attrs.get(LOST)
    if lost is None or trial.state != TrialState.FAIL:
        return True
    return lost != SURPLUS and not is_worth_repeating(trial)


def is_worth_repeating(trial: FrozenTrial) -> bool:
    """Whether a lost trial is tried again: not if its parameters kill whoever tries them."""
    if trial.user_attrs.get(LOST) == STOPPED:
        return True
    return trial.user_attrs.get(LOST) == DIED and fruitless(trial) < _MOST_FRUITLESS


def fruitless(trial: FrozenTrial) -> int:
    """How often in a row, this time included, the trial's parameters led to no further epoch."""
    attributes = trial.user_attrs
    progressed = attributes.get(EPOCHS, 0) > attributes.get(EPOCHS_BEFORE, 0)
    return 0 if progressed else int(attributes.get(FRUITLESS, 0)) + 1


def repeat_of(trial: FrozenTrial) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the attributes with which a lost trial is tried again."""
    attributes = {
        REPEATS: trial.number,
        FRUITLESS: fruitless(trial),
        EPOCHS_BEFORE: trial.user_attrs.get(EPOCHS, 0),
    }
    carried = {key: trial.user_attrs[key] for key in (IS_BASE, RUN) if key in trial.user_attrs}
    wanted = trial.system_attrs.get("fixed_params", {})
    return {**wanted, **trial.params}, {**attributes, **carried}
