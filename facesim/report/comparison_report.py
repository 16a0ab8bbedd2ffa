"""The comparison of runs as an HTML page and as tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from facesim.atomic import write_text
from facesim.errors import FacesimError, count
from facesim.interfaces.fmr_support import FmrSupport
from facesim.interfaces.metric import Metric
from facesim.interfaces.result import EvaluationResult, rate_name
from facesim.machine_errors import in_words
from facesim.page import Page, Section, Table, Text
from facesim.report.formatting import (
    NOT_MEASURABLE,
    NOTHING,
    accept_rates,
    difference,
    estimate,
    headline_metrics,
    is_measurable,
    larger_class,
    metric_value,
    over_seeds,
    signed,
    support,
)
from facesim.report.plots.intervals import differences_plot
from facesim.report.plots.roc_curve import roc_overlay
from facesim.report.rendering import render
from facesim.runs.comparison import Comparison, result_of
from facesim.runs.group_comparison import GroupComparison
from facesim.runs.presentation import DescribedMetric

_ONE_ANSWER = "of one answer for all"


def write_comparison(comparison: Comparison | GroupComparison, out: Path) -> Path:
    """Write one self-contained HTML file.

    Args:
        comparison: of `facesim.runs.comparison.compare_runs` or
            `facesim.runs.group_comparison.compare_groups`.
        out: the file; an existing one is replaced.

    Raises:
        FacesimError: it cannot be written.
    """
    try:
        page = (
            group_page(comparison)
            if isinstance(comparison, GroupComparison)
            else comparison_page(comparison)
        )
        write_text(out, render(page))
    except OSError as error:
        raise FacesimError(f"{out}: cannot be written: {in_words(error)}") from None
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
            Section("metrics", "Metrics", (metrics_table(comparison), *_support_of(comparison))),
            Section("configuration", "Configuration", (configuration_block(comparison),)),
            Section("runs", "Runs", (_runs_table(comparison),)),
        ),
    )


def comparison_blocks(comparison: Comparison | GroupComparison) -> list[Table | Text]:
    """What fits a terminal or a notebook: configuration, metrics, and what they show."""
    if isinstance(comparison, GroupComparison):
        sides = (comparison.first.label, comparison.second.label)
        configuration = _configuration(comparison.configuration, sides)
        return [configuration, *_group_tables(comparison), *_group_notes(comparison)]
    metrics = (metrics_table(comparison), *_support_of(comparison))
    tables = (configuration_block(comparison), *metrics)
    return [*tables, *comparison_notes(comparison)]


def metrics_table(comparison: Comparison) -> Table:
    """Each metric of each run, and each difference to the first run."""
    first, *others = comparison.runs
    headings = [heading for run in others for heading in (run.label, "Difference to the first")]
    return Table(
        "Metrics with 95% intervals, and differences to the first run",
        ("Metric", first.label, *headings),
        tuple(row for metric in comparison.metrics.values() for row in _rows(comparison, metric)),
    )


def support_table(
    sides: Mapping[str, Sequence[EvaluationResult]], metrics: Mapping[str, Metric]
) -> tuple[Table, ...]:
    """What the rates at target FMRs rest on; nothing without such rates.

    Args:
        sides: results by what they are called; of several, the least supported counts.
        metrics: those that are compared, by name.
    """
    rates = [[dict(accept_rates(each, metrics)) for each in results] for results in sides.values()]
    targets = dict.fromkeys(target for runs in rates for each in runs for target in each)
    rows = []
    for target in targets:
        cells = [
            support(_least_supported([each[target].support for each in runs if target in each]))
            for runs in rates
        ]
        if set(cells) != {NOT_MEASURABLE}:
            rows.append((rate_name(target), *cells))
    if not targets:
        return ()
    others = ", ".join(rate_name(each) for each in [*targets][len(rows) :])
    if others:
        rows.append((others, *[NOT_MEASURABLE] * len(sides)))
    columns = ("FMR", *sides)
    return (Table("What the rates at target FMRs rest on", columns, tuple(rows), numeric=False),)


def _support_of(comparison: Comparison) -> tuple[Table, ...]:
    sides = {run.label: [run.result] for run in comparison.runs}
    return support_table(sides, comparison.metrics)


def _least_supported(found: Sequence[FmrSupport | None]) -> FmrSupport | None:
    known = [each for each in found if each is not None]
    return min(known, key=lambda it: (it.false_matches or 0, it.identities or 0), default=None)


def configuration_block(comparison: Comparison) -> Table | Text:
    """The keys in which the experiments differ."""
    return _configuration(comparison.configuration, [run.label for run in comparison.runs])


def _configuration(
    differing: Mapping[str, tuple[str | None, ...]], labels: Sequence[str]
) -> Table | Text:
    if not differing:
        return Text("The experiments do not differ.")
    return Table(
        "Keys in which the experiments differ",
        ("Key", *labels),
        tuple(
            (key, *(NOTHING if value is None else value for value in values))
            for key, values in differing.items()
        ),
        numeric=False,
    )


def _rows(comparison: Comparison, metric: Metric) -> list[tuple[str, ...]]:
    """The metric of each run, or why none has it; and what one answer for all reaches."""
    found = [run.result.metrics[metric.name] for run in comparison.runs]
    if not any(map(is_measurable, found)) and all(each.support for each in found):
        return [(metric.label, NOT_MEASURABLE)]
    if all(each.value is None for each in found):
        return [(metric.label, estimate(metric, found[0]))]
    cells = [estimate(metric, found[0])]
    for run, each in zip(comparison.runs[1:], found[1:], strict=True):
        cells += [estimate(metric, each), difference(metric, run.differences[metric.name])]
    shares = _one_answer(metric, [run.result for run in comparison.runs])
    if shares is None:
        return [(metric.label, *cells)]
    spaced = [cell for share in shares[1:] for cell in (share, NOTHING)]
    return [(metric.label, *cells), (f"{metric.label} {_ONE_ANSWER}", shares[0], *spaced)]


def _one_answer(metric: Metric, results: Sequence[EvaluationResult]) -> list[str] | None:
    """Beside an accuracy, that of always giving the answer that most pairs have, by result."""
    if not metric.depends_on_shares or all(larger_class(each) is None for each in results):
        return None
    return [metric_value(metric, each.larger_class_share) for each in results]


def comparison_notes(comparison: Comparison) -> list[Text]:
    """One sentence per run on its first metric, and a warning where it could not be paired."""
    first, *others = comparison.runs
    headline = headline_metrics(first.result, comparison.metrics)
    notes = []
    described = [it.label for it in comparison.metrics.values() if isinstance(it, DescribedMetric)]
    if described:
        told = (
            f"Compared as if the runs were independent, which shows fewer differences: "
            f"{', '.join(described)}. No plugin file of a run is imported to compare."
        )
        notes.append(Text(told, "note"))
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


def group_page(comparison: GroupComparison) -> Page:
    """The page of a comparison of two systems with several seeds each."""
    first, second = comparison.first, comparison.second
    runs = tuple(
        (side.label, str(files.experiment.seed), str(files.path))
        for side in (first, second)
        for files in side.files
    )
    blocks = (_configuration(comparison.configuration, (first.label, second.label)),)
    return Page(
        f"{count(len(second.files), 'run')} against {len(first.files)}",
        f"on {comparison.name}, {second.label} with {first.label}",
        (
            Section("result", "Result", tuple(_group_notes(comparison))),
            Section("metrics", "Metrics", _group_tables(comparison)),
            Section("configuration", "Configuration", blocks),
            Section(
                "runs",
                "Runs",
                (Table("Compared runs", ("Side", "Seed", "Directory"), runs, numeric=False),),
            ),
        ),
    )


def _group_tables(comparison: GroupComparison) -> tuple[Table, ...]:
    sides = (comparison.first, comparison.second)
    results = {side.label: [result_of(files) for files in side.files] for side in sides}
    return (_group_table(comparison), *support_table(results, comparison.metrics))


def _group_table(comparison: GroupComparison) -> Table:
    """Each metric of both sides over their seeds, and the difference."""
    rows = []
    for metric in comparison.metrics.values():
        found = comparison.differences[metric.name]
        if found.difference is None:
            continue
        sides = [over_seeds(metric, values) for values in (found.first, found.second)]
        errors = [
            NOTHING if error is None else signed(metric, error).removeprefix("+")
            for error in (found.identities_error, found.seeds_error)
        ]
        rows.append((metric.label, *sides, difference(metric, found), " / ".join(errors)))
        results = [result_of(side.files[0]) for side in (comparison.first, comparison.second)]
        shares = _one_answer(metric, results)
        if shares is not None:
            rows.append((f"{metric.label} {_ONE_ANSWER}", *shares, NOTHING, NOTHING))
    sizes = [count(len(side.files), "run") for side in (comparison.first, comparison.second)]
    return Table(
        f"{sizes[1]} of {comparison.second.label} against {sizes[0]} of {comparison.first.label}: "
        "means ± standard deviations over seeds, differences with 95% intervals over people and "
        "seeds, and their standard errors over people / seeds",
        ("Metric", "Reference", "Compared", "Difference", "Errors"),
        tuple(rows),
    )


def _group_notes(comparison: GroupComparison) -> list[Text]:
    """A sentence on the first metric, and what is to be known of the sides."""
    first, second = comparison.first, comparison.second
    notes = []
    for side in (first, second):
        if side.differing:
            told = f"The runs of {side.label} differ in more than the seed: "
            notes.append(Text(told + ", ".join(side.differing) + ".", "warning"))
    if not comparison.paired:
        seeds = [", ".join(map(str, side.seeds)) for side in (first, second)]
        told = (
            f"The two sides have other seeds ({seeds[0]} and {seeds[1]}) and are not paired by "
            "seed. This shows fewer differences."
        )
        notes.append(Text(told, "note"))
    reasons = [
        f"{metric.label}, {comparison.differences[name].reason}"
        for name, metric in comparison.metrics.items()
        if comparison.differences[name].difference is None
    ]
    if reasons:
        notes.append(Text(f"Not compared: {'; '.join(reasons)}.", "note"))
    for metric in headline_metrics(result_of(first.files[0]), comparison.metrics)[:1]:
        told = difference(metric, comparison.differences[metric.name])
        how = "over people and seeds together"
        notes.append(Text(f"{metric.label} of {second.label}, {how}: {told}."))
    return notes
