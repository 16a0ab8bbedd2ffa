"""Results as tables on the terminal."""

from rich.console import Console
from rich.table import Table

from facesim.evaluation.result import Estimate, EvaluationResult
from facesim.training.check import CheckReport


def print_result(console: Console, title: str, result: EvaluationResult) -> None:
    """Print the figures of one evaluation with their intervals."""
    table = Table(title=f"{title}: {result.pairs:,} pairs of {result.identities:,} identities")
    for column in ("metric", "value", "95% interval"):
        table.add_column(column, justify="left" if column == "metric" else "right")
    if result.k_fold is not None:
        folds = result.k_fold
        spread = f"standard error {folds.standard_error:.4f}"
        label = f"accuracy over {len(folds.folds)} folds"
        table.add_row(label, f"{folds.mean_accuracy:.4f}", spread)
    for name, label in _HEADLINES.items():
        estimate = getattr(result, name)
        table.add_row(label, _value(estimate), _interval(estimate))
    if result.loss is not None:
        table.add_row("loss", f"{result.loss:.4f}", "")
    console.print(table)
    console.print(f"threshold {_number(result.threshold)} from {result.threshold_source}")


def print_check(console: Console, name: str, report: CheckReport) -> None:
    """Print what a rehearsal found."""
    table = Table(title=f"{name}: ready to run", show_header=False)
    for what, figure in report.lines:
        table.add_row(what, figure)
    console.print(table)
    for note in report.notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)


_HEADLINES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "far": "FAR at the threshold",
    "tar": "TAR at the threshold",
    "roc_auc": "area under the ROC curve",
    "eer": "equal error rate",
}


def _value(estimate: Estimate) -> str:
    return f"undefined: {estimate.reason}" if estimate.value is None else f"{estimate.value:.4f}"


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:.4f} to {estimate.high:.4f}"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
