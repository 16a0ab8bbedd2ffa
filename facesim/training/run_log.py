"""Where a run's numbers go: the JSON-lines log always, and the trackers that were asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

from facesim.interfaces import Tracker
from facesim.training.metrics_log import MetricsLog


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
