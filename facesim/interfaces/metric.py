"""Metrics: one number, with its unit and direction, measured from a ROC curve."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from facesim.arrays import FloatArray
from facesim.interfaces.result import CurvePoint
from facesim.interfaces.roc import Roc
from facesim.interfaces.roc_block import RocBlock


class Quantity:
    """A number by which systems are compared: how it is called, its unit and its direction.

    Attributes:
        name: what experiment files, results and logs call it.
        label: what tables call it.
        unit: ``percent`` for a share that readers expect in percent, else ``number``.
        higher_is_better: the direction; nothing assumes that higher is better.
    """

    name: str = ""
    label: str
    unit: Literal["percent", "number"] = "number"
    higher_is_better: bool = True

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """The direction as Optuna spells it."""
        return "maximize" if self.higher_is_better else "minimize"

    def better(self, value: float | None, than: float | None) -> bool:
        """Whether ``value`` beats ``than``; a value that does not exist beats nothing."""
        if value is None or math.isnan(value):
            return False
        if than is None or math.isnan(than):
            return True
        return value > than if self.higher_is_better else value < than

    def better_side(
        self, low: float | None, high: float | None
    ) -> Literal["first", "second"] | None:
        """Which of two is better if the interval of second minus first excludes 0, else None.

        Args:
            low: lower end of the interval; None if there is none.
            high: upper end.
        """
        if low is None or high is None or low <= 0.0 <= high:
            return None
        return "second" if self.better(low, than=0.0) else "first"

    def best(self, values: Sequence[float | None]) -> int | None:
        """Position of the best value, the first of equals; None if no value exists."""
        best: int | None = None
        for index, value in enumerate(values):
            if self.better(value, values[best] if best is not None else None):
                best = index
        return best


class Metric(Quantity, ABC):
    """A quantity that is measured from a ROC curve, or from the scores that it counts.

    The engine measures it with its interval (a jackknife over identities measures it without
    each identity in turn, by `values`), writes it to ``metrics.json`` and ``metrics.jsonl``, shows
    and compares it; it may choose the best checkpoint (``train.best``) and steer a search
    (``search.metric``).

    Attributes:
        name: filled in by the engine with the plugin's name, unless the metric sets its own
            because its parameters belong into it.
        range: the least and the greatest value; within 0 and 1 intervals stay inside.
        at_threshold: whether `value` needs the threshold that was chosen on ``val``.
        depends_on_shares: whether it depends on how many pairs are genuine, as the accuracy does:
            then the share of the larger class, which always giving one answer reaches, stands
            beside it.
        headline: whether it is shown on the terminal, on the report's cards and in study tables.
        standard: whether it is measured where ``evaluate.metrics`` names none.
    """

    unit: Literal["percent", "number"] = "percent"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    at_threshold: ClassVar[bool] = False
    depends_on_shares: ClassVar[bool] = False
    headline: ClassVar[bool] = False
    standard: ClassVar[bool] = False

    @abstractmethod
    def value(self, roc: Roc, threshold: float) -> float:
        """The metric of a curve; ``nan`` where it does not exist.

        Args:
            roc: counts each comparison as often as its weight says; ``roc.labelled`` and
                ``roc.weights`` have the single comparisons with their identities.
            threshold: accept iff ``score >= threshold``; ``nan`` unless `at_threshold`.
        """

    def values(self, curves: RocBlock, thresholds: FloatArray) -> FloatArray:
        """The metric of each of B curves of the same comparisons; ``nan`` where it does not exist.

        It must give what `value` gives of each, and calls it unless overridden. Intervals measure
        some hundred curves: a metric computed from the block's arrays spares them a call each.

        Args:
            curves: with other weights each.
            thresholds: float64 [B], one for each curve, as in `value`.

        Returns:
            float64 [B].
        """
        each = zip(curves, thresholds.tolist(), strict=True)
        return np.array([self.value(roc, threshold) for roc, threshold in each], np.float64)

    def undefined_reason(self, roc: Roc) -> str | None:
        """Why the metric does not exist on these comparisons, or None where it does."""
        return roc.missing

    def trials(self, roc: Roc) -> int | None:  # noqa: ARG002
        """The number of comparisons that it is a proportion of; None if it is not a proportion.

        If given, Wilson's interval, which assumes independent comparisons, is reported beside the
        one over identities.
        """
        return None

    def point(self, roc: Roc) -> CurvePoint | None:  # noqa: ARG002
        """The point of the curve at which the metric is read, for one that is read at a point."""
        return None

    @property
    def is_rate(self) -> bool:
        """Whether it lies within 0 and 1."""
        return self.range == (0.0, 1.0)


class MeanLoss(Quantity):
    """The mean training loss over the pairs, which the engine measures itself."""

    name = "loss"
    label = "Loss"
    higher_is_better = False
