"""Results as tables on the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from facesim.evaluation.baselines import Baseline
from facesim.interfaces.result import Estimate, EvaluationResult
from facesim.page import Card
from facesim.report.formatting import headline_metrics, metric_label, quantity, words
from facesim.training.dry_run import CheckReport


def print_result(
    console: Console,
    title: str,
    result: EvaluationResult,
    baselines: Sequence[Baseline] = (),
    cards: Sequence[Card] = (),
) -> None:
    """Print the headline metrics with their intervals, and the improvement over baselines.

    Args:
        console: where to print.
        title: of the table.
        result: the evaluation's.
        baselines: on the same pairs.
        cards: what the protocol adds.
    """
    table = Table(title=f"{title}: {result.pairs:,} pairs of {result.identities:,} identities")
    for column in ("metric", "value", "95% interval"):
        table.add_column(column, justify="left" if column == "metric" else "right")
    for card in cards:
        table.add_row(escape(card.label), escape(card.value), escape(card.detail))
    headline = headline_metrics(result)
    for name, found in headline.items():
        table.add_row(escape(metric_label(name)), _value(found), _interval(found))
    if result.loss is not None:
        table.add_row("Loss", f"{result.loss:.4f}", "")
    table.add_section()
    compared = next(iter(headline), "")
    measured = [baseline for baseline in baselines if compared in baseline.result.metrics]
    for baseline in measured:
        found = baseline.result.metrics[compared]
        label = f"{metric_label(compared)} of {words(baseline.name)}"
        table.add_row(escape(label), _value(found), _interval(found))
    console.print(table)
    console.print(f"threshold {_number(result.threshold)} from {result.threshold_source}")
    values = [baseline.result.metrics[compared].value for baseline in measured]
    strongest = quantity(compared).best(values)
    if strongest is not None:
        console.print(_gain(measured[strongest], compared), soft_wrap=True)


def print_check(console: Console, name: str, report: CheckReport) -> None:
    """Print the result of a dry run."""
    table = Table(title=f"{name}: ready to run", show_header=False)
    for what, figure in report.lines:
        table.add_row(what, figure)
    console.print(table)
    for note in report.notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)


def _gain(baseline: Baseline, metric: str) -> str:
    """The improvement in a metric over a baseline, or that none is shown."""
    gain, label = baseline.gain(metric), metric_label(metric)
    over = words(baseline.name)
    if gain.difference is None:
        return f"{label} cannot be compared with that of {over}: {gain.reason}"
    if gain.low is None or gain.high is None:
        return f"{label} against {over}: {gain.difference:+.4f} ({gain.reason})"
    shown = "" if gain.better else ", which shows no difference"
    return (
        f"{label} against {over}: {gain.difference:+.4f} "
        f"({gain.low:+.4f} to {gain.high:+.4f}){shown}"
    )


def _value(estimate: Estimate) -> str:
    return f"undefined: {estimate.reason}" if estimate.value is None else f"{estimate.value:.4f}"


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:.4f} to {estimate.high:.4f}"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
