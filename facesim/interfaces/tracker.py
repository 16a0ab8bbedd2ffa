"""Experiment trackers."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any


class Tracker(ABC):
    """Receives what a run logs. The JSON-lines log is always written besides."""

    @abstractmethod
    def start(self, run_dir: Path, name: str, experiment: dict[str, Any]) -> None:
        """The run begins, or goes on after a resume."""

    @abstractmethod
    def log(self, values: dict[str, float], step: int) -> None:
        """Scalars by name (``train.loss``) at a global step."""

    @abstractmethod
    def finish(self, status: str) -> None:
        """The run ends: ``finished``, ``interrupted`` or ``failed``."""
