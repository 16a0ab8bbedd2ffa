"""Metrics and decisions that show themselves as tables: HTML in Jupyter, text elsewhere."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO

from facesim.console import Console
from facesim.interfaces import Estimate, EvaluationResult, FmrSupport, Metric
from facesim.page import Table, Text
from facesim.report.formatting import (
    NOTHING,
    estimated_value,
    interval,
    is_measurable,
    larger_class,
    metric_value,
    number,
    percent,
    score,
    support,
)
from facesim.terminal.blocks import print_block

_WIDTH = 120


class Shown:
    """Shows its blocks as tables and paragraphs."""

    def blocks(self) -> Sequence[Table | Text]:
        """What is shown, from top to bottom."""
        raise NotImplementedError

    def __repr__(self) -> str:
        text = StringIO()
        console = Console(file=text, width=_WIDTH, force_jupyter=False)
        for block in self.blocks():
            print_block(console, block)
        return text.getvalue().rstrip("\n")

    def _repr_html_(self) -> str:
        return "\n".join(_as_html(block) for block in self.blocks())


def _as_html(block: Table | Text) -> str:
    if isinstance(block, Text):
        return f"<p>{escape(block.text)}</p>"
    heading = "".join(_cell("th", column, 0, 1, block) for column in block.columns)
    rows = "".join(f"<tr>{_row(row, block)}</tr>" for row in block.rows)
    caption = f"<caption>{escape(block.caption)}</caption>" if block.caption else ""
    return f"<table>{caption}<thead><tr>{heading}</tr></thead><tbody>{rows}</tbody></table>"


def _row(row: Sequence[str], block: Table) -> str:
    spans = [1] * (len(row) - 1) + [len(block.columns) - len(row) + 1]
    cells = zip(row, spans, strict=True)
    return "".join(
        _cell("td", text, number, span, block) for number, (text, span) in enumerate(cells)
    )


def _cell(tag: str, text: str, number: int, span: int, block: Table) -> str:
    side = "right" if block.numeric and number > 0 else "left"
    spanned = f' colspan="{span}"' if span > 1 else ""
    return f'<{tag}{spanned} style="text-align: {side}">{escape(text)}</{tag}>'


class Metrics(Shown, Mapping[str, Estimate]):
    """The metrics of an evaluation by name, each with its interval.

    Attributes:
        result: all that was measured.
    """

    def __init__(
        self,
        title: str,
        result: EvaluationResult,
        metrics: Mapping[str, Metric],
        score_unit: str = "",
    ) -> None:
        self._title = title
        self._metrics = metrics
        self._score_unit = score_unit
        self.result = result

    def __getitem__(self, name: str) -> Estimate:
        return self.result.metrics[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.result.metrics)

    def __len__(self) -> int:
        return len(self.result.metrics)

    def blocks(self) -> list[Table | Text]:
        """A table of all metrics, and where the threshold comes from."""
        rows, answer = [], larger_class(self.result)
        for name, metric in self._metrics.items():
            if name not in self:
                continue
            found = self[name]
            between = found.reason or NOTHING
            if found.reason is None and is_measurable(found):
                between = interval(metric, found.low, found.high)
            rows.append((metric.label, estimated_value(metric, found), between))
            if answer is not None and metric.depends_on_shares:
                share = metric_value(metric, self.result.larger_class_share)
                rows.append((f"{metric.label} of always {answer}", share, NOTHING))
        table = Table(self._title, ("Metric", "Value", "95% interval"), tuple(rows))
        threshold, source = self.result.threshold, self.result.threshold_source
        if threshold is None:
            reason = self.result.reasons.get("threshold")
            return [table, Text(f"No threshold from {source}: {reason}.")]
        return [table, Text(f"Threshold {score(threshold, self._score_unit)} from {source}.")]


@dataclass(frozen=True, repr=False)
class Verification(Shown):
    """The decision on a pair of images.

    Attributes:
        score: of the pair; higher is more alike.
        threshold: of the decision.
        operating_point: the rule that chose the threshold.
        probability: of a genuine pair, for the share of genuine pairs that val has; None if it
            could not be fitted.
        support: what the FMR of an operating point at a target rests on; None for others.
    """

    score: float
    threshold: float
    operating_point: str
    probability: float | None
    support: FmrSupport | None = None

    @property
    def same(self) -> bool:
        """Whether the two images are accepted as one person."""
        return self.score >= self.threshold

    def blocks(self) -> list[Table]:
        """The decision in a table."""
        rows = [
            ("same person", "yes" if self.same else "no"),
            ("score", number(self.score)),
            (f"threshold ({self.operating_point})", number(self.threshold)),
            ("probability", percent(self.probability)),
        ]
        if self.support is not None:
            rows.append(("FMR where chosen", support(self.support)))
        return [Table("", ("Verification", ""), tuple(rows))]
