"""Where two experiments differ."""

from collections.abc import Iterator
from typing import Any

from facesim.experiment.schema import Experiment


def differences(before: Experiment, after: Experiment) -> dict[str, str]:
    """Each dotted key whose value is not the same, with ``old -> new``, in the file's order."""
    old, new = values_by_key(before), values_by_key(after)
    return {
        key: f"{old.get(key, 'nothing')} -> {new.get(key, 'nothing')}"
        for key in dict.fromkeys([*old, *new])
        if key not in old or key not in new or old[key] != new[key]
    }


def values_by_key(experiment: Experiment) -> dict[str, Any]:
    """Every value of an experiment by its dotted key, in the file's order."""
    return dict(_leaves(experiment.as_data()))


def is_within(key: str, sections: tuple[str, ...]) -> bool:
    """Whether a dotted key is one of some keys, or below one."""
    return any(key == section or key.startswith(f"{section}.") for section in sections)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _leaves(below, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
