"""The log of a run: ``metrics.jsonl`` always, and the experiment's trackers."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facesim.interfaces import Tracker


class MetricsLog:
    """Appends to ``metrics.jsonl``.

    Args:
        path: the file; made if it is not there.
        keep_bytes: where a resumed run goes on; lines after that are written again.
    """

    def __init__(self, path: Path, keep_bytes: int = 0) -> None:
        self._file = path.open("ab")
        os.truncate(path, min(keep_bytes, path.stat().st_size))

    def write(self, kind: str, values: Mapping[str, Any]) -> None:
        """Append one line, ``{"kind": kind, ...}``; a number that is not finite becomes null."""
        finite = {key: _strict(value) for key, value in values.items()}
        line = json.dumps({"kind": kind, **finite}, allow_nan=False)
        self._file.write(line.encode() + b"\n")
        self._file.flush()

    @property
    def length(self) -> int:
        """Bytes written so far, all of them handed to the operating system."""
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class RunLog:
    """Writes each set of numbers to ``metrics.jsonl`` and to every tracker.

    Args:
        log: the JSON-lines log.
        trackers: started already.
    """

    def __init__(self, log: MetricsLog, trackers: Sequence[Tracker]) -> None:
        self._log = log
        self._trackers = trackers

    @property
    def length(self) -> int:
        """Bytes of the JSON-lines log so far."""
        return self._log.length

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Log values by name; trackers get those that are numbers, as ``kind.name``."""
        self._log.write(kind, {"step": step, **values})
        numbers = {
            f"{kind}.{name}": float(value)
            for name, value in values.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        for tracker in self._trackers:
            tracker.log(numbers, step)

    def finish(self, status: str) -> None:
        """Say how the run ended: ``finished``, ``interrupted`` or ``failed``."""
        self._log.write(status, {})
        self._log.close()
        for tracker in self._trackers:
            tracker.finish(status)


def _strict(value: Any) -> Any:
    """Strict JSON has no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
