"""The comparison of runs as an HTML page and as tables."""

from pathlib import Path

from facesim.atomic import write_text
from facesim.errors import FacesimError
from facesim.interfaces.metric import Metric
from facesim.interfaces.result import rate_name
from facesim.page import Page, Section, Table, Text
from facesim.report.formatting import (
    NOTHING,
    accept_rates,
    count,
    difference,
    estimate,
    headline_metrics,
    larger_class,
    metric_value,
    support,
)
from facesim.report.plots.intervals import differences_plot
from facesim.report.plots.roc_curve import roc_overlay
from facesim.report.rendering import render
from facesim.runs.comparison import Comparison


def write_comparison(comparison: Comparison, out: Path) -> Path:
    """Write one self-contained HTML file.

    Args:
        comparison: of :func:`facesim.runs.comparison.compare_runs`.
        out: the file; an existing one is replaced.

    Raises:
        FacesimError: it cannot be written.
    """
    try:
        write_text(out, render(comparison_page(comparison)))
    except OSError as error:
        raise FacesimError(f"{out}: cannot be written: {error.strerror}") from None
    return out


def comparison_page(comparison: Comparison) -> Page:
    """The page of a comparison."""
    first = comparison.runs[0]
    plots = (differences_plot(comparison), roc_overlay(comparison))
    drawn = (plot for plot in plots if plot is not None)
    return Page(
        f"{count(len(comparison.runs), 'run')} compared",
        f"on {comparison.name}, each with {first.label}",
        (
            Section("result", "Result", (*comparison_notes(comparison), *drawn)),
            Section("metrics", "Metrics", (metrics_table(comparison), *_support(comparison))),
            Section("configuration", "Configuration", (configuration_block(comparison),)),
            Section("runs", "Runs", (_runs_table(comparison),)),
        ),
    )


def comparison_blocks(comparison: Comparison) -> list[Table | Text]:
    """What fits a terminal or a notebook: configuration, metrics, and what they show."""
    metrics = (metrics_table(comparison), *_support(comparison))
    tables = (configuration_block(comparison), *metrics)
    return [*tables, *comparison_notes(comparison)]


def metrics_table(comparison: Comparison) -> Table:
    """Each metric of each run, and each difference to the first run."""
    first, *others = comparison.runs
    headings = [heading for run in others for heading in (run.label, "Difference to the first")]
    return Table(
        "Metrics with 95% intervals, and differences to the first run",
        ("Metric", first.label, *headings),
        tuple(
            row
            for metric in comparison.metrics.values()
            for row in (_row(comparison, metric), *_one_answer(comparison, metric))
        ),
    )


def _support(comparison: Comparison) -> tuple[Table, ...]:
    """What each run's rates at target FMRs rest on; nothing without such rates."""
    rates = [dict(accept_rates(run.result, comparison.metrics)) for run in comparison.runs]
    targets = dict.fromkeys(target for each in rates for target in each)
    if not targets:
        return ()
    rows = tuple(
        (
            rate_name(target),
            *(NOTHING if target not in each else support(each[target].support) for each in rates),
        )
        for target in targets
    )
    columns = ("FMR", *(run.label for run in comparison.runs))
    return (Table("What the rates at target FMRs rest on", columns, rows, numeric=False),)


def configuration_block(comparison: Comparison) -> Table | Text:
    """The keys in which the experiments differ."""
    if not comparison.configuration:
        return Text("The experiments do not differ.")
    return Table(
        "Keys in which the experiments differ",
        ("Key", *(run.label for run in comparison.runs)),
        tuple(
            (key, *(NOTHING if value is None else value for value in values))
            for key, values in comparison.configuration.items()
        ),
        numeric=False,
    )


def _row(comparison: Comparison, metric: Metric) -> tuple[str, ...]:
    """The metric of each run, or the reason why none has it."""
    found = [run.result.metrics[metric.name] for run in comparison.runs]
    if all(each.value is None for each in found):
        return metric.label, estimate(metric, found[0])
    cells = [estimate(metric, found[0])]
    for run, each in zip(comparison.runs[1:], found[1:], strict=True):
        cells += [estimate(metric, each), difference(metric, run.differences[metric.name])]
    return metric.label, *cells


def _one_answer(comparison: Comparison, metric: Metric) -> tuple[tuple[str, ...], ...]:
    """Beside an accuracy, that of always giving the answer that most pairs have."""
    answers = [larger_class(run.result) for run in comparison.runs]
    if not metric.depends_on_shares or all(answer is None for answer in answers):
        return ()
    first, *others = (
        metric_value(metric, run.result.larger_class_share) for run in comparison.runs
    )
    cells = [cell for share in others for cell in (share, NOTHING)]
    return ((f"{metric.label} of one answer for all", first, *cells),)


def comparison_notes(comparison: Comparison) -> list[Text]:
    """One sentence per run on its first metric, and a warning where it could not be paired."""
    first, *others = comparison.runs
    headline = headline_metrics(first.result, comparison.metrics)
    notes = []
    for run in others:
        if run.why_unpaired is not None:
            told = (
                f"{run.label} is compared as if it were independent of the first run: "
                f"{run.why_unpaired}. This shows fewer differences than a paired comparison."
            )
            notes.append(Text(told, "warning"))
        if run.shared_pairs is not None:
            shared = count(run.shared_pairs, "pair")
            told = (
                f"{run.label} was evaluated on other pairs than the first run. The differences are "
                f"of the {shared} that both share, out of {first.result.pairs:,} and "
                f"{run.result.pairs:,}; the metrics beside them are of all pairs of each run."
            )
            notes.append(Text(told, "warning"))
        for metric in headline[:1]:
            told = difference(metric, run.differences[metric.name])
            notes.append(Text(f"{metric.label} of {run.label}: {told}."))
    return notes


def _runs_table(comparison: Comparison) -> Table:
    return Table(
        "Compared runs",
        ("Run", "Directory", "Pairs", "Threshold from"),
        tuple(
            (
                run.label,
                str(run.files.path),
                f"{run.result.pairs:,}",
                run.result.threshold_source,
            )
            for run in comparison.runs
        ),
        numeric=False,
    )
