"""Where the experiments of several runs differ."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
    flat = [dict(_leaves(experiment.as_data())) for experiment in experiments]
    keys = dict.fromkeys(key for leaves in flat for key in leaves)
    found = (
        ConfigurationDifference(key, tuple(leaves.get(key) for leaves in flat)) for key in keys
    )
    return tuple(each for each in found if len(set(each.values)) > 1)


def _leaves(value: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict) and value:
        return [
            leaf
            for key, below in value.items()
            for leaf in _leaves(below, f"{path}.{key}" if path else str(key))
        ]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return [(path, text)]
