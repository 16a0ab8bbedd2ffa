"""Keys of an experiment that leave a choice to the machine, and what was decided there."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict

from facesim.experiment.schema import Experiment, value_at, with_value

AUTO: Final = "auto"

LEFT_TO_THE_MACHINE: Final[Mapping[str, tuple[str | bool, ...]]] = {
    "backbone_engine": ("eager", "compiled", "onnxruntime"),
    "train.compile": (False, True),
}
"""The keys that may say ``auto``, which is decided when a run begins and kept in its directory,
with the values that they may get."""


class Decision(BaseModel):
    """What was decided for a key, as ``environment.json`` and the attributes of a study hold it.

    Attributes:
        chosen: the value.
        why: in a few words.
        versions: of what the results depend on because of it; empty where they do not.
        measured: what was measured to decide, by name.
        refused: what could not be chosen, and why.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    chosen: str | bool
    why: str
    versions: str = ""
    measured: dict[str, float] = {}
    refused: dict[str, str] = {}

    def __str__(self) -> str:
        return f"{self.chosen} ({self.why})"


def _known(decisions: dict[str, Decision]) -> dict[str, Decision]:
    known = {key: each for key, each in decisions.items() if key in LEFT_TO_THE_MACHINE}
    for key, each in known.items():
        if each.chosen not in LEFT_TO_THE_MACHINE[key]:
            raise ValueError(f"{each.chosen!r} cannot be chosen for {key}")
    return known


RecordedDecisions = Annotated[dict[str, Decision], AfterValidator(_known)]
"""Decisions as a file holds them, by dotted key. A later facesim may leave other keys open, which
are passed over; a value that a key does not have is an error."""


def left_open(experiment: Experiment) -> bool:
    """Whether an experiment leaves something to the machine."""
    return any(attrgetter(key)(experiment) == AUTO for key in LEFT_TO_THE_MACHINE)


def decided(experiment: Experiment, decisions: Mapping[str, Decision]) -> Experiment:
    """The experiment with what was decided in place of ``auto``.

    Args:
        experiment: as it was read.
        decisions: by dotted key.
    """
    return _with_values(experiment, {key: found.chosen for key, found in decisions.items()})


def applying(decisions: Mapping[str, Decision], experiment: Experiment) -> dict[str, Decision]:
    """Those of some decisions whose values an experiment has."""
    return {
        key: each for key, each in decisions.items() if attrgetter(key)(experiment) == each.chosen
    }


def decided_as(experiment: Experiment, other: Mapping[str, Any]) -> Experiment:
    """The experiment with another one's values in place of ``auto``.

    Args:
        experiment: as it was read.
        other: plain data of an experiment in which everything is decided.
    """
    return _with_values(
        experiment, {key: value_at(other, key.split(".")) for key in LEFT_TO_THE_MACHINE}
    )


def _with_values(experiment: Experiment, values: Mapping[str, Any]) -> Experiment:
    for key, value in values.items():
        if attrgetter(key)(experiment) == AUTO:
            experiment = with_value(experiment, key.split("."), value)
    return experiment
