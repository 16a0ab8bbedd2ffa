"""What a tracker remembers of its run in a store that takes nothing back."""

import json
from pathlib import Path

from facesim.atomic import write_text


class RemoteRun:
    """The identity of a run in the store, and the last step that each name was logged at.

    It is kept in the run directory, so that a run that is resumed goes on in the same run of the
    store, and does not send again what that has already: the steps between the last checkpoint
    and the interruption are trained again, to the same numbers.

    Args:
        file: where it is kept; need not exist yet.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        self.id: str | None = known.get("id")
        self._last: dict[str, int] = known.get("last", {})

    def begin(self, run_id: str) -> None:
        """Keep the identity that the store has given, or was given."""
        self.id = run_id
        self._save()

    def news(self, values: dict[str, float], step: int) -> dict[str, float]:
        """Those values that the store does not have yet."""
        return {name: value for name, value in values.items() if step > self._last.get(name, -1)}

    def sent(self, steps: dict[str, int]) -> None:
        """Note up to which step the store has each name; a kill just before sends them again."""
        self._last |= steps
        self._save()

    def _save(self) -> None:
        self._file.parent.mkdir(exist_ok=True)
        write_text(self._file, json.dumps({"id": self.id, "last": self._last}, indent=2) + "\n")
