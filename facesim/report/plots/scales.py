"""Scales of axes: where values lie, and at which of them there are ticks."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from facesim.arrays import FloatArray
from facesim.page import Axis
from facesim.report.formatting import number, percent

_ROOM = 0.03
"""Of the range of the data, beyond its ends."""

_EACH_WHOLE_NUMBER_UP_TO = 12
_DECADES = 7
_ROW_ENDS = (0.6, 0.4)
"""How far an axis of rows reaches above the first and below one beyond the last."""


@dataclass(frozen=True)
class Scale:
    """An axis with its ends.

    Attributes:
        axis: what it belongs to.
        low: where it begins.
        high: where it ends, beyond ``low``.
    """

    axis: Axis
    low: float
    high: float

    @classmethod
    def of(cls, axis: Axis, values: Iterable[float | None]) -> "Scale":
        """The scale that holds all values, but for ends that the axis gives itself."""
        if axis.names:
            return cls(axis, -_ROW_ENDS[0], len(axis.names) - _ROW_ENDS[1])
        there = [each for each in values if each is not None and math.isfinite(each)]
        if axis.log:
            there = [math.log10(each) for each in there if each > 0]
        ends = [
            math.log10(each) if axis.log and each is not None else each
            for each in (axis.low, axis.high)
        ]
        low, high = (min(there, default=0.0), max(there, default=1.0))
        room = _ROOM * (high - low) or (0.5 if axis.unit == "whole" else 0.05 * abs(high) or 0.05)
        low = low - room if ends[0] is None else ends[0]
        high = high + room if ends[1] is None else ends[1]
        return cls(axis, low, high if high > low else low + room)

    def at(self, values: Iterable[float | None]) -> FloatArray:
        """Where values lie, 0 at ``low`` and 1 at ``high``; ``nan`` where they have no place."""
        there = np.array([math.nan if each is None else each for each in values], np.float64)
        if self.axis.log:
            there = np.log10(there, out=np.full_like(there, math.nan), where=there > 0)
        return (there - self.low) / (self.high - self.low)

    def written(self, value: float) -> str:
        """A value for reading."""
        if self.axis.unit == "percent":
            return percent(value)
        if self.axis.unit == "whole":
            return f"{value:,.0f}"
        return f"{value:+.4g}" if self.axis.unit == "points" else number(value)

    def ticks(self, about: int = 5) -> list[tuple[float, str]]:
        """Where there are ticks, 0 to 1, with their labels.

        Args:
            about: into how many intervals they divide a linear axis.
        """
        if self.axis.unit == "hidden":
            return []
        if self.axis.names:
            return list(zip(self.at(range(len(self.axis.names))), self.axis.names, strict=True))
        if self.axis.log:
            values = _log_ticks(self.low, self.high)
            labels = [f"{100 * each:g}%" if self._percent else f"{each:g}" for each in values]
        else:
            values, labels = self._linear_ticks(about)
        return list(zip(self.at(values).tolist(), labels, strict=True))

    @property
    def _percent(self) -> bool:
        return self.axis.unit == "percent"

    def _linear_ticks(self, about: int) -> tuple[list[float], list[str]]:
        unit = 100.0 if self._percent else 1.0  # steps are round in the unit that is written
        low, high = unit * self.low, unit * self.high
        step = _round_step((high - low) / about)
        if self.axis.unit == "whole":
            step = 1 if high - low <= _EACH_WHOLE_NUMBER_UP_TO else max(1, step)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        places = max(0, -math.floor(math.log10(step) + 1e-9))
        sign = "+" if self.axis.unit == "points" else ""
        end = "%" if self._percent else ""
        values = [step * each + 0.0 for each in range(first, last + 1)]
        labels = [f"{each:{sign},.{places}f}{end}" for each in values]
        if sign:
            labels = ["0" if each == 0 else it for each, it in zip(values, labels, strict=True)]
        return [each / unit for each in values], labels


def _round_step(about: float) -> float:
    """The nearest of 1, 2, 5, 10, ... times a power of ten, by ratio."""
    decade = 10.0 ** math.floor(math.log10(about))
    return min((1, 2, 5, 10), key=lambda each: abs(math.log(each * decade / about))) * decade


def _log_ticks(low: float, high: float) -> list[float]:
    """Decades between two exponents, thinned out; fewer than two are divided at 2 and 5."""
    first, last = math.ceil(low - 1e-9), math.floor(high + 1e-9)
    stride = math.ceil((last - first + 1) / _DECADES)
    if last - first >= 1:
        return [10.0**each for each in range(first, last + 1, stride)]
    candidates = (each * 10.0**of for of in range(first - 1, last + 1) for each in (1, 2, 5))
    return [each for each in candidates if low - 1e-9 <= math.log10(each) <= high + 1e-9]
