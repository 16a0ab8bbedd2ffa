"""Sections that plugins add to the report of a run."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from facesim.interfaces.metric import Metric
from facesim.interfaces.result import EvaluationResult
from facesim.page import Cards, Code, Plot, Section, Table, Text

BLOCKS = (Text, Table, Plot, Cards, Code)
"""What a section may hold: plain data, which leads nowhere and brings no image."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A run and one of its evaluations, as its directory tells; copies, which nobody else reads.

    Attributes:
        path: the run directory.
        title: ``name/run id``.
        evaluation: the name of the evaluation, ``test`` for the run's own.
        experiment: the resolved experiment as plain data.
        status: ``finished``, ``interrupted``, ``pruned``, ``failed``, ``running`` or ``not
            started``.
        stopped: why training ended early; None if it did not.
        steps: the logged steps: ``step``, ``epoch``, ``loss``, ``lr``.
        epochs: the validations: ``step``, ``epoch``, and every metric by name.
        logged: what callbacks logged: ``step``, ``epoch``, and ``CALLBACK.NAME``.
        result: the evaluation's metrics with their intervals; None before the evaluation.
        metrics: that the evaluation measured, by name: labels, units, directions.
        scores: one row per compared pair (file1, file2, identity1, identity2, same, score,
            probability), without the columns that the run lacks; None where no scores were kept.
        files: what callbacks wrote, by callback; each file's path.
        folds: the runs of the folds that have begun, where each fold trained a network of its own:
            then they have the logs and the files, and reports of their own.
    """

    path: Path
    title: str
    evaluation: str
    experiment: Mapping[str, Any]
    status: str
    stopped: str | None
    steps: tuple[Mapping[str, Any], ...]
    epochs: tuple[Mapping[str, Any], ...]
    logged: tuple[Mapping[str, Any], ...]
    result: EvaluationResult | None
    metrics: Mapping[str, Metric]
    scores: pd.DataFrame | None
    files: Mapping[str, tuple[Path, ...]]
    folds: "tuple[RunRecord, ...]" = ()


class ReportSection(ABC):
    """Adds a section to the report, from what the run directory holds.

    The page escapes every text. A section that raises costs the report nothing but itself: page
    and terminal name it.
    """

    @abstractmethod
    def section(self, run: RunRecord) -> Section | None:
        """The section, of `Text`, `Table`, `Plot`, `Cards` and `Code`; None where there is none."""
