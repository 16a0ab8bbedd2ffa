"""The comparison of runs as an HTML page and as tables."""

from collections.abc import Iterator, Mapping, Sequence

from facesim.errors import count
from facesim.evaluation.differences import MetricDifference
from facesim.evaluation.seed_differences import ONE_SEED, SeedDifference
from facesim.interfaces.fmr_support import FmrStatus
from facesim.interfaces.metric import Metric
from facesim.interfaces.result import EvaluationResult, rate_name
from facesim.page import Block, Page, Section, Table, Text
from facesim.report.formatting import (
    NOT_MEASURABLE,
    NOTHING,
    UNSTABLE,
    accept_rates,
    is_measurable,
    metric_value,
    percent,
    short_interval,
    signed,
    spread,
    support,
)
from facesim.report.plots.intervals import differences_plot
from facesim.report.plots.roc_curve import roc_overlay
from facesim.runs.compared_runs import assignment, in_short
from facesim.runs.comparison import TELLING, ComparedGroup, ComparedRun, Comparison
from facesim.runs.presentation import DescribedMetric

_SHOWN_KEYS = 12
"""Keys of the configuration on the terminal; the page has all."""

_VERDICTS = {"second": "better", "first": "worse", None: "no difference shown"}


def comparison_page(comparison: Comparison) -> Page:
    """The page of a comparison: every metric, the configuration, and each run."""
    groups = comparison.groups
    runs = sum(len(group.runs) for group in groups)
    metrics = metrics_shown(comparison, every=True)
    telling = metrics_shown(comparison)
    title = f"{count(runs, 'run')} compared"
    if len(groups) < runs:
        title = f"{title}, {count(len(groups), 'group')} by seed"
    if comparison.sides:
        title = f"{count(len(groups[1].runs), 'run')} against {len(groups[0].runs)}"
    plots = (differences_plot(comparison, telling), roc_overlay(comparison))
    drawn = tuple(plot for plot in plots if plot is not None)
    tables: list[Block] = [
        metrics_table(comparison, metrics),
        *differences_tables(comparison, metrics),
        *support_table([run.result for group in groups for run in group.runs], comparison.metrics),
    ]
    result: tuple[Block, ...] = (
        metrics_table(comparison, telling),
        *comparison_notes(comparison),
        *drawn,
    )
    return Page(
        title,
        f"on {comparison.name}, each compared with {comparison.reference.label}",
        (
            Section("result", "Result", result),
            Section("metrics", "Metrics", tuple(tables)),
            Section("configuration", "Configuration", (configuration_matrix(comparison),)),
            Section("runs", "Runs", (runs_table(comparison, telling), _places(comparison))),
        ),
    )


def comparison_blocks(comparison: Comparison, *, every: bool = False) -> list[Table | Text]:
    """What fits a terminal of 80 columns, or a notebook.

    Args:
        comparison: of runs.
        every: whether all metrics are shown, five per table, and not the five most telling ones.
    """
    metrics = metrics_shown(comparison, every=every)
    tables = [
        metrics_table(comparison, metrics[start : start + TELLING])
        for start in range(0, max(len(metrics), 1), TELLING)
    ]
    if len(comparison.groups) == 1:
        tables.append(runs_table(comparison, metrics[:TELLING]))
    results = [run.result for group in comparison.groups for run in group.runs]
    return [
        configuration_list(comparison),
        *tables,
        *(
            table
            for metric in (metrics if every else metrics[:1])
            for table in differences_tables(comparison, [metric])
        ),
        *support_table(results, {metric.name: metric for metric in metrics}),
        *comparison_notes(comparison),
    ]


def metrics_shown(comparison: Comparison, *, every: bool = False) -> tuple[Metric, ...]:
    """The five most telling metrics, or all: what heads results, then as the experiment lists them.

    What no run can measure is left out, and of the five what repeats another one in every run, as
    the balanced accuracy repeats the accuracy where both kinds of pairs are equally many.
    """
    results = [run.result for group in comparison.groups for run in group.runs]
    measured = tuple(
        metric
        for metric in comparison.ordered_metrics
        if any(is_measurable(result.metrics[metric.name]) for result in results)
    )
    if every:
        return measured
    distinct: dict[tuple[float | None, ...], Metric] = {}
    for metric in measured:
        values = (it.metrics[metric.name].value for it in results)
        key = tuple(None if value is None else round(value, 9) for value in values)
        distinct.setdefault(key, metric)
    return tuple(distinct.values())[:TELLING]


def metrics_table(comparison: Comparison, metrics: Sequence[Metric]) -> Table:
    """Each metric of each group, the best group first."""
    several = {len(group.runs) > 1 for group in comparison.groups}
    shown = "mean ± standard deviation over seeds"
    if False in several:
        people = "95% interval over people"
        shown = f"{shown}, or one seed with its {people}" if True in several else f"with {people}"
    by = [metric.label for metric in comparison.ordered_metrics[:1]]
    best = f"Best {by[0]} first: " if by and len(comparison.groups) > 1 else ""
    return Table(
        f"{best}{shown}",
        ("Runs", *(metric.label for metric in metrics)),
        tuple(
            (_named(comparison, group), *(_cell(group, metric) for metric in metrics))
            for group in comparison.ranked
        ),
    )


def _named(comparison: Comparison, group: ComparedGroup) -> str:
    """What a group is called, whether it is the reference, and its number of seeds."""
    facts = ["reference"] if group is comparison.reference and len(comparison.groups) > 1 else []
    if comparison.has_seeds:
        facts.append(f"{len(group.runs)} seeds" if len(group.runs) > 1 else "one seed")
    return f"{group.label}\n({', '.join(facts)})" if facts else group.label


def _cell(group: ComparedGroup, metric: Metric) -> str:
    """A metric of a group over lines: the value, its spread or interval, and what is to be said."""
    found = [result.metrics[metric.name] for result in group.results]
    if not all(map(is_measurable, found)):
        missing = next(each for each in found if not is_measurable(each))
        return NOT_MEASURABLE if missing.support or not missing.reason else missing.reason
    lines = [metric_value(metric, group.mean(metric))]
    deviation = group.deviation(metric)
    if deviation is not None:
        lines.append(f"± {spread(metric, deviation)}")
    elif len(found) == 1 and found[0].low is not None and found[0].high is not None:
        lines.append(short_interval(metric, found[0].low, found[0].high))
    if any(each.support and each.support.status is FmrStatus.UNSTABLE for each in found):
        lines.append(UNSTABLE)
    difference = group.differences.get(metric.name)
    if difference is not None and difference.better is not None:
        lines.append(_VERDICTS[difference.better])
    return "\n".join(lines)


def differences_tables(comparison: Comparison, metrics: Sequence[Metric]) -> tuple[Table, ...]:
    """The differences to the reference, by metric and then the best group first; none without."""
    others = [group for group in comparison.ranked if group is not comparison.reference]
    if not others or not metrics:
        return ()
    found = [(it, group, group.differences[it.name]) for it in metrics for group in others]
    over_seeds = any(isinstance(each, SeedDifference) for _, _, each in found)
    errors = ("Errors",) if over_seeds else ()
    over = "people and seeds; errors: of people / of seeds" if over_seeds else "people"
    several = len(metrics) > 1
    what = "Differences to" if several else f"{metrics[0].label} minus that of"
    unit = ", percentages in points," if any(it.unit == "percent" for it in metrics) else ""
    rows = []
    for metric, group, each in found:
        named = (metric.label, group.label) if several else (group.label,)
        rows.append((*named, *_difference_cells(metric, each, over_seeds)))
    return (
        Table(
            f"{what} {comparison.reference.label}{unit} with 95% intervals over {over}",
            (
                *(("Metric",) if several else ()),
                "Runs",
                "Difference",
                "Interval",
                *errors,
                "Verdict",
            ),
            tuple(rows),
        ),
    )


def _difference_cells(metric: Metric, found: MetricDifference, over_seeds: bool) -> tuple[str, ...]:
    if found.difference is None:
        blank = (NOTHING,) * (3 if over_seeds else 2)
        return (*blank, found.reason or "not measured")
    between = NOTHING
    if found.low is not None and found.high is not None:
        between = f"{signed(metric, found.low)} to {signed(metric, found.high)}"
    verdict = _VERDICTS[found.better]
    if found.reason is not None:
        verdict = "no verdict of one seed" if found.reason == ONE_SEED else found.reason
    cells = [signed(metric, found.difference), between]
    if isinstance(found, SeedDifference):
        errors = (found.identities_error, found.seeds_error)
        cells.append(
            " / ".join(NOTHING if error is None else spread(metric, error) for error in errors)
        )
    return (*cells, verdict)


def support_table(
    results: Sequence[EvaluationResult], metrics: Mapping[str, Metric]
) -> tuple[Table, ...]:
    """What the rates at target FMRs rest on in the run that supports them least.

    Nothing without such rates.
    """
    rates = [dict(accept_rates(each, metrics)) for each in results]
    targets = dict.fromkeys(target for each in rates for target in each)
    rows, others = [], []
    for target in targets:
        known = [it for each in rates if target in each and (it := each[target].support)]
        least = min(known, key=lambda it: (it.false_matches or 0, it.identities or 0), default=None)
        said = support(least)
        if said == NOT_MEASURABLE:
            others.append(rate_name(target))
        else:
            rows.append((rate_name(target), said))
    if others:
        rows.append((", ".join(others), NOT_MEASURABLE))
    if not targets:
        return ()
    caption = "What the rates at target FMRs rest on, in the run that supports them least"
    return (Table(caption, ("FMR", "Support"), tuple(rows), numeric=False),)


def configuration_matrix(comparison: Comparison, *, short: bool = False) -> Table | Text:
    """Each key in which the experiments differ, with its value in each group.

    Args:
        comparison: of runs.
        short: whether long lists are told by what differs in them.
    """
    if not comparison.configuration:
        return Text("The experiments do not differ.")
    return Table(
        "Keys in which the experiments differ",
        ("Key", *(group.label for group in comparison.groups)),
        tuple(
            (
                key,
                *(
                    NOTHING if value is None else value
                    for value in (in_short(values) if short else values)
                ),
            )
            for key, values in comparison.configuration.items()
        ),
        numeric=False,
    )


def configuration_list(comparison: Comparison) -> Table | Text:
    """The same without what names say: as a matrix for two groups, else who has which value."""
    if len(comparison.groups) <= 2 or not comparison.configuration:
        return configuration_matrix(comparison, short=True)
    rows = []
    for key, whole in comparison.configuration.items():
        values = in_short(whole)
        if all(
            assignment(key, value) in group.label.split(", ")
            for value, group in zip(values, comparison.groups, strict=True)
        ):
            continue
        having: dict[str | None, list[str]] = {}
        for value, group in zip(values, comparison.groups, strict=True):
            having.setdefault(value, []).append(group.label)
        told = "\n".join(
            f"{NOTHING if value is None else value}: {_few(labels)}"
            for value, labels in having.items()
        )
        rows.append((key, told))
    if not rows:
        return Text("The experiments differ in nothing but what their names say.")
    more = len(rows) - _SHOWN_KEYS
    rows = rows[:_SHOWN_KEYS]
    if more > 0:
        rows.append((f"and {count(more, 'more key')}", "all of them: --out FILE.html"))
    caption = "Keys in which the experiments differ"
    return Table(caption, ("Key", "Values"), tuple(rows), numeric=False)


def _few(labels: Sequence[str]) -> str:
    if len(labels) <= 3:
        return "; ".join(labels)
    return f"{'; '.join(labels[:2])} and {len(labels) - 2:,} more"


def comparison_notes(comparison: Comparison) -> list[Text]:
    """What is to be known of the differences: how they were made, and what they do not show."""
    notes = [*_of_pairing(comparison), *_of_seeds(comparison)]
    compared = len(comparison.groups) - 1
    if compared > 1:
        best = metrics_shown(comparison, every=True)[:1]
        told = (
            f"The intervals of {compared:,} differences to {comparison.reference.label} hold "
            "together with 95%, metric by metric (Bonferroni)."
        )
        if best:
            told += (
                f" Who picks the first of {compared + 1:,} by {best[0].label} has chosen on "
                f"{comparison.name}: on other people it is less far ahead on average."
            )
        notes.append(Text(told, "note"))
    return [*notes, *_of_metrics(comparison)]


def _of_metrics(comparison: Comparison) -> Iterator[Text]:
    described = [it.label for it in comparison.metrics.values() if isinstance(it, DescribedMetric)]
    if described and not comparison.has_seeds and len(comparison.groups) > 1:
        yield Text(
            f"Compared as if the runs were independent, which shows fewer differences: "
            f"{', '.join(described)}. No plugin file of a run is imported to compare.",
            "note",
        )
    shown = {metric.name for metric in metrics_shown(comparison, every=True)}
    lost = [metric.label for name, metric in comparison.metrics.items() if name not in shown]
    if lost:
        yield Text(f"Not measurable in any run: {', '.join(lost)}.", "note")
    reasons: dict[str, list[str]] = {}
    for group in comparison.groups[1:]:
        for name, found in group.differences.items():
            if found.difference is None and name in shown:
                said = reasons.setdefault(found.reason or "not measured", [])
                said.append(comparison.metrics[name].label)
    for reason, labels in reasons.items():
        yield Text(f"Not compared: {', '.join(dict.fromkeys(labels))}, {reason}.", "note")
    shares = [it.result.larger_class_share for group in comparison.groups for it in group.runs]
    known = sorted({share for share in shares if share is not None and share > 0.5})
    depending = [it.label for it in metrics_shown(comparison) if it.depends_on_shares]
    if known and depending:
        between = " to ".join(dict.fromkeys(percent(share) for share in (known[0], known[-1])))
        yield Text(f"Of one answer for all, {', '.join(depending)}: {between}.", "note")


def _of_pairing(comparison: Comparison) -> Iterator[Text]:
    reference = comparison.reference
    for group in comparison.groups[1:]:
        if group.why_unpaired is not None and comparison.has_seeds:
            yield Text(f"{group.label} has no interval: {group.why_unpaired}.", "warning")
        elif group.why_unpaired is not None:
            yield Text(
                f"{group.label} is compared as if it were independent of {reference.label}: "
                f"{group.why_unpaired}. This shows fewer differences than a paired comparison.",
                "warning",
            )
        if group.shared_pairs is not None:
            pairs = (reference.results[0].pairs, group.results[0].pairs)
            yield Text(
                f"{group.label} was evaluated on other pairs than {reference.label}. The "
                f"differences are of the {count(group.shared_pairs, 'pair')} that both share, out "
                f"of {pairs[0]:,} and {pairs[1]:,}; the metrics beside them are of all pairs of "
                "each run.",
                "warning",
            )


def _of_seeds(comparison: Comparison) -> Iterator[Text]:
    groups, reference = comparison.groups, comparison.reference
    for group in groups if comparison.sides else ():
        if group.differing:
            told = f"The runs of {group.label} differ in more than the seed: "
            yield Text(told + ", ".join(group.differing) + ".", "warning")
    if len(groups) == 1:
        yield Text(
            f"All runs are of one experiment, {reference.label}: there is nothing to compare them "
            "with but each other, which `facesim compare RUN --against RUN` does.",
            "note",
        )
        return
    if not comparison.has_seeds:
        yield Text(
            "Each was trained with one seed: the intervals are over people and hold these networks "
            "fixed. With other seeds they would differ, too; runs that differ in nothing but the "
            "seed are compared over seeds.",
            "note",
        )
        return
    alone = [group.label for group in groups if len(group.runs) == 1]
    if alone:
        yield Text(f"Of {', '.join(alone)}: {ONE_SEED}.", "note")
    other = [
        f"{group.label} ({', '.join(map(str, group.seeds))})"
        for group in groups[1:]
        if group.seeds != reference.seeds or len(set(group.seeds)) < len(group.seeds)
    ]
    if other:
        yield Text(
            f"Not paired by seed, since their seeds are not those of {reference.label} "
            f"({', '.join(map(str, reference.seeds))}), each once: {'; '.join(other)}. This shows "
            "fewer differences.",
            "note",
        )


def runs_table(comparison: Comparison, metrics: Sequence[Metric]) -> Table:
    """Each run by itself, in the order of its group."""
    return Table(
        "Single runs, with 95% intervals over people",
        ("Run", *(metric.label for metric in metrics)),
        tuple(
            (run.label, *(_of_run(run, metric) for metric in metrics))
            for group in comparison.ranked
            for run in group.runs
        ),
    )


def _of_run(run: ComparedRun, metric: Metric) -> str:
    found = run.result.metrics[metric.name]
    if not is_measurable(found):
        return NOT_MEASURABLE if found.support or not found.reason else found.reason
    value = metric_value(metric, found.value)
    if found.low is None or found.high is None:
        return value
    return f"{value}\n{short_interval(metric, found.low, found.high)}"


def _places(comparison: Comparison) -> Table:
    return Table(
        "Run directories",
        ("Run", "Seed", "Directory", "Pairs", "Threshold from"),
        tuple(
            (
                run.label,
                str(run.files.experiment.seed),
                str(run.files.path),
                f"{run.result.pairs:,}",
                run.result.threshold_source,
            )
            for group in comparison.ranked
            for run in group.runs
        ),
        numeric=False,
    )
