"""Metrics and decisions that show themselves as tables."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from facesim.interfaces import Estimate, EvaluationResult, Metric
from facesim.notebook.display import Shown
from facesim.page import Table, Text
from facesim.report.formatting import interval, metric_value, number, percent


class Metrics(Shown, Mapping[str, Estimate]):
    """The metrics of an evaluation by name, each with its interval.

    Attributes:
        result: all that was measured.
    """

    def __init__(self, title: str, result: EvaluationResult, metrics: Mapping[str, Metric]) -> None:
        self._title = title
        self._metrics = metrics
        self.result = result

    def __getitem__(self, name: str) -> Estimate:
        return self.result.metrics[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.result.metrics)

    def __len__(self) -> int:
        return len(self.result.metrics)

    def blocks(self) -> list[Table | Text]:
        """A table of all metrics, and where the threshold comes from."""
        rows = tuple(
            (
                self._metrics[name].label,
                metric_value(self._metrics[name], found.value),
                found.reason or interval(self._metrics[name], found.low, found.high),
            )
            for name, found in self.items()
        )
        table = Table(self._title, ("Metric", "Value", "95% interval"), rows)
        source = self.result.threshold_source
        return [table, Text(f"Threshold {number(self.result.threshold)} from {source}.")]


@dataclass(frozen=True, repr=False)
class Verification(Shown):
    """The decision on a pair of images.

    Attributes:
        score: of the pair; higher is more alike.
        threshold: of the decision.
        operating_point: the rule that chose the threshold.
        probability: of a genuine pair, for the share of genuine pairs that val has; None if it
            could not be fitted.
    """

    score: float
    threshold: float
    operating_point: str
    probability: float | None

    @property
    def same(self) -> bool:
        """Whether the two images are accepted as one person."""
        return self.score >= self.threshold

    def blocks(self) -> list[Table]:
        """The decision in a table."""
        rows = (
            ("same person", "yes" if self.same else "no"),
            ("score", number(self.score)),
            (f"threshold ({self.operating_point})", number(self.threshold)),
            ("probability", percent(self.probability)),
        )
        return [Table("", ("Verification", ""), rows)]
