"""Where the experiments of several runs differ."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from facesim.experiment.differences import values_by_key
from facesim.experiment.schema import Experiment


@dataclass(frozen=True)
class ConfigurationDifference:
    """One key that does not say the same in all runs.

    Attributes:
        key: dotted, as in ``--set``.
        values: one per run, as text; None where a run's experiment has no such key.
    """

    key: str
    values: tuple[str | None, ...]


def configuration_differences(
    experiments: Sequence[Experiment],
) -> tuple[ConfigurationDifference, ...]:
    """Every key whose values differ, in the order of the file."""
    found = [values_by_key(experiment) for experiment in experiments]
    keys = dict.fromkeys(key for values in found for key in values)
    rows = (
        ConfigurationDifference(
            key, tuple(_as_text(values[key]) if key in values else None for values in found)
        )
        for key in keys
    )
    return tuple(row for row in rows if len(set(row.values)) > 1)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
