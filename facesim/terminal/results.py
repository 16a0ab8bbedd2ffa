"""Results as tables on the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from facesim.evaluation.baseline import Baseline
from facesim.evaluation.metrics import ACCURACY
from facesim.evaluation.result import Estimate, EvaluationResult
from facesim.training.dry_run import CheckReport


def print_result(
    console: Console, title: str, result: EvaluationResult, baselines: Sequence[Baseline] = ()
) -> None:
    """Print the figures of one evaluation with their intervals, and what training added."""
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
    table.add_section()
    for baseline in baselines:
        accuracy = baseline.result.accuracy
        table.add_row(f"accuracy of {_words(baseline)}", _value(accuracy), _interval(accuracy))
    console.print(table)
    console.print(f"threshold {_number(result.threshold)} from {result.threshold_source}")
    strongest = ACCURACY.best([baseline.result.accuracy.value for baseline in baselines])
    if strongest is not None:
        console.print(_gain(baselines[strongest]), soft_wrap=True)


def print_check(console: Console, name: str, report: CheckReport) -> None:
    """Print the result of a dry run."""
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


def _gain(baseline: Baseline) -> str:
    """What training added to the accuracy of a baseline, or that this is not shown."""
    gain = baseline.gain("accuracy")
    if gain.difference is None:
        return f"training cannot be compared with {_words(baseline)}: {gain.reason}"
    if gain.low is None or gain.high is None:
        return f"accuracy gained over {_words(baseline)}: {gain.difference:+.4f} ({gain.reason})"
    shown = "" if gain.better else ", which shows no difference"
    return (
        f"accuracy gained over {_words(baseline)}: {gain.difference:+.4f} "
        f"({gain.low:+.4f} to {gain.high:+.4f}){shown}"
    )


def _words(baseline: Baseline) -> str:
    return baseline.name.replace("_", " ")


def _value(estimate: Estimate) -> str:
    return f"undefined: {estimate.reason}" if estimate.value is None else f"{estimate.value:.4f}"


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:.4f} to {estimate.high:.4f}"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
