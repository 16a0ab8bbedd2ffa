"""``metrics.jsonl`` as series to draw."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facesim.errors import DataError

_ENDINGS = ("finished", "interrupted", "pruned", "failed")


@dataclass(frozen=True)
class TrainingLog:
    """What a run logged.

    Attributes:
        train: one entry per logged step: ``step``, ``epoch``, ``loss``, ``lr``.
        val: one entry per epoch: ``step``, ``epoch`` and every metric by name.
        status: ``finished``, ``interrupted``, ``pruned`` or ``failed``; ``running`` where nothing
            was logged about an end.
    """

    train: tuple[dict[str, Any], ...]
    val: tuple[dict[str, Any], ...]
    status: str

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the run was warned of during training, each with its epoch."""
        return tuple(
            f"Epoch {entry['epoch']}: {warning}"
            for entry in self.val
            for warning in entry.get("warnings") or ()
        )


def read_training_log(path: Path) -> TrainingLog | None:
    """Read a run's log; None if there is none yet.

    A last line without its newline is still being written, and left out.

    Raises:
        DataError: a line is not a JSON object.
    """
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8")
    lines = text[: text.rfind("\n") + 1].splitlines()
    entries = [_parsed(path, number, line) for number, line in enumerate(lines, start=1)]
    last = entries[-1].get("kind") if entries else None
    return TrainingLog(
        train=tuple(entry for entry in entries if entry.get("kind") == "train"),
        val=tuple(entry for entry in entries if entry.get("kind") == "val"),
        status=last if last in _ENDINGS else "running",
    )


def _parsed(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{number}: not JSON: {error}; delete the line") from None
    if not isinstance(entry, dict):
        raise DataError(f"{path}:{number}: not a JSON object; delete the line")
    return entry
