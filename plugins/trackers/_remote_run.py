"""State of a run in a remote store that cannot delete what was logged."""

import json
from pathlib import Path

from pydantic import BaseModel, ValidationError

from facesim import FacesimError, write_text


class _Known(BaseModel):
    id: str | None = None
    last: dict[str, int] = {}


def _read(file: Path) -> _Known:
    try:
        return _Known.model_validate_json(file.read_bytes(), strict=True)
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.errors()[0]["msg"]
        raise FacesimError(
            f"{file}: cannot be read: {reason}; delete it, and the tracker begins a new run"
        ) from None


class RemoteRun:
    """The id of a run in the store, and the last step at which each name was logged.

    It is kept in the run directory, so that a resumed run continues the same run of the store and
    does not send again what that already has: the steps between the last checkpoint and the
    interruption are trained again, to the same values.

    Args:
        file: where it is kept; need not exist yet.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        known = _read(file) if file.exists() else _Known()
        self.id: str | None = known.id
        self._last: dict[str, int] = known.last

    def begin(self, run_id: str) -> None:
        """Save the run's id in the store."""
        self.id = run_id
        self._save()

    def unsent(self, values: dict[str, float], step: int) -> dict[str, float]:
        """Those values that the store does not have yet."""
        return {name: value for name, value in values.items() if step > self._last.get(name, -1)}

    def mark_sent(self, steps: dict[str, int]) -> None:
        """Save the last step that was sent of each name; a kill just before sends them again."""
        self._last |= steps
        self._save()

    def _save(self) -> None:
        self._file.parent.mkdir(exist_ok=True)
        write_text(self._file, json.dumps({"id": self.id, "last": self._last}, indent=2) + "\n")
