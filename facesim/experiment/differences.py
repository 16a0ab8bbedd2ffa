"""Where experiments differ, by dotted key."""

import copy
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from facesim.experiment.nodes import KeyPath
from facesim.experiment.schema import value_at


def differences(before: Any, after: Any) -> dict[str, str]:
    """Each dotted key whose value is not the same, with ``old -> new``, in the file's order.

    Args:
        before: nested dictionaries of plain data, such as ``Experiment.as_data()``.
        after: the same.
    """
    return {
        key: " -> ".join("nothing" if value is None else value for value in values)
        for key, values in differing_values([before, after]).items()
    }


def differing_values(documents: Sequence[Any]) -> dict[str, tuple[str | None, ...]]:
    """Each dotted key that does not have the same value in all documents, in their order.

    Args:
        documents: nested dictionaries of plain data.

    Returns:
        For each key one text per document, as in JSON; None where a document has no such key.
    """
    return {
        key: tuple(_as_text(values[at]) if at in values else None for at in range(len(documents)))
        for key, values in differing_leaves(documents).items()
    }


def differing_leaves(documents: Sequence[Any]) -> dict[str, dict[int, Any]]:
    """The same as plain data: the value by the index of each document that has the key."""
    leaves = [dict(_leaves(document)) for document in documents]
    keys = dict.fromkeys(key for values in leaves for key in values)
    return {
        key: {at: values[key] for at, values in enumerate(leaves) if key in values}
        for key in keys
        if any(key not in values or values[key] != leaves[0].get(key) for values in leaves)
    }


def with_values_of(other: Any, keys: Iterable[KeyPath], document: Any) -> Any:
    """A document with another one's values at some keys, where both have them.

    Args:
        other: nested dictionaries and lists of plain data.
        keys: keys and indices from the root.
        document: what is copied.
    """
    document = copy.deepcopy(document)
    for key in keys:
        above, there = value_at(document, key[:-1]), value_at(other, key)
        if there is not None and value_at(document, key) is not None:
            above[key[-1]] = there
    return document


def is_within(key: str, sections: tuple[str, ...]) -> bool:
    """Whether a dotted key is one of some keys, or below one."""
    return any(key == section or key.startswith(f"{section}.") for section in sections)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _leaves(below, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
