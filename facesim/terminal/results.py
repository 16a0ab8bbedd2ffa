"""Results of evaluations, dry runs and comparisons on the terminal."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from facesim.alignment.alignment import Acquisition
from facesim.console import Console
from facesim.data.linter.findings import LintReport
from facesim.errors import count
from facesim.evaluation.baselines import Baseline
from facesim.interfaces.metric import MeanLoss, Metric
from facesim.interfaces.result import Estimate
from facesim.report.aligned_folder import CROPS, FACES_CSV, AlignedFolder
from facesim.report.comparison_report import comparison_blocks
from facesim.report.formatting import (
    NOT_MEASURABLE,
    VAL_AGAIN,
    accept_rates,
    acquisition_in_words,
    difference,
    estimated_value,
    gap_in_words,
    headline_metrics,
    interval,
    is_measurable,
    larger_class,
    metric_value,
    score,
    target_rates_table,
    threshold_note,
    words,
)
from facesim.runs.comparison import Comparison
from facesim.runs.dry_run import CheckReport
from facesim.runs.run_files import RunFiles
from facesim.terminal.blocks import print_block


def print_result(console: Console, files: RunFiles) -> None:
    """Print the headline metrics of an evaluation, and the improvement over baselines."""
    result = files.result
    if result is None:
        return
    people = f"{count(result.pairs, 'pair')} of {count(result.identities, 'identity')}"
    table = Table(title=Text(f"{files.name}: {people}"))
    again = any(found.procedure for found in result.metrics.values())
    for column in ("metric", "value", "95% interval", *([VAL_AGAIN] if again else [])):
        table.add_column(column, justify="left" if column == "metric" else "right")
    for card in files.protocol_report.cards:
        cells = card.label, card.value, card.detail, *(["not drawn again"] if again else [])
        table.add_row(*map(Text, cells))
    headline = headline_metrics(result, files.metrics)
    answer = larger_class(result)
    for metric in headline:
        table.add_row(Text(metric.label), *_cells(metric, result.metrics[metric.name], again=again))
        if answer is not None and metric.depends_on_shares:
            label = Text(f"{metric.label} of always {answer}")
            share = metric_value(metric, result.larger_class_share)
            table.add_row(label, share, *["certain"] * (1 + again))
    if result.loss is not None:
        loss = metric_value(MeanLoss(), result.loss)
        table.add_row(MeanLoss.label, loss, *["none for a loss"] * (1 + again))
    table.add_section()
    for metric in headline[:1]:
        for baseline in files.baselines:
            label = Text(f"{metric.label} of {words(baseline.name)}")
            found = baseline.result.metrics[metric.name]
            table.add_row(label, *_cells(metric, found, again=again))
    console.print(table)
    rates = accept_rates(result, files.metrics)
    if rates:
        print_block(console, target_rates_table("TAR at FAR", ("FAR", "TAR"), rates))
    if result.threshold is None:
        reason = result.reasons["threshold"]
        _say(console, f"no threshold from {result.threshold_source}: {reason}")
    else:
        threshold = score(result.threshold, files.score_unit)
        _say(console, f"threshold {threshold} from {result.threshold_source}")
        _say(console, threshold_note(result))
    if result.acquisition is not None:
        _say(console, acquisition_in_words(result.acquisition))
    for metric in headline[:1]:
        _print_gain(console, metric, files.baselines)
    if files.slices is not None and files.slices.worst_gap is not None:
        _say(console, gap_in_words(files.slices.worst_gap))


def print_check(console: Console, name: str, report: CheckReport) -> None:
    """Print the result of a dry run."""
    table = Table(title=Text(f"{name}: ready to run"), show_header=False)
    for line in report.lines:
        table.add_row(*map(Text, line))
    console.print(table)
    for note in report.notes:
        _say(console, note)


def print_lint(console: Console, report: LintReport) -> None:
    """Print the findings of the linter, those that stop a run first."""
    for finding in report.findings:
        _say(console, str(finding))
    if not report.findings:
        _say(console, "the protocol linter found nothing")
    for images in report.images:
        _say(console, str(images))


def print_exclusion(console: Console, path: Path, images: int) -> None:
    """Print what to do with an exclusion file of so many images, 0 if there was no need of one."""
    if images:
        _say(console, f"written to {path}: {count(images, 'image')}; leave them out with")
        _say(console, f"  data: {{exclude: {path.name}}}  # relative to the experiment")
    else:
        _say(console, f"no image is in two splits: {path} is not written")


def _cells(metric: Metric, found: Estimate, *, again: bool) -> tuple[Text, ...]:
    """The value, its interval, and that with val drawn again; or why there is none."""
    if found.value is None:
        cells = [f"undefined: {found.reason}", *["undefined"] * (1 + again)]
        return tuple(map(Text, cells))
    cells = [estimated_value(metric, found), found.reason or NOT_MEASURABLE]
    if found.low is not None and is_measurable(found):
        cells[1] = interval(metric, found.low, found.high)
    if found.procedure is not None:
        cells.append(interval(metric, found.procedure.low, found.procedure.high))
    elif again:
        cells.append("not drawn again" if metric.at_threshold else "uses no threshold")
    return tuple(map(Text, cells))


def _print_gain(console: Console, metric: Metric, baselines: Sequence[Baseline]) -> None:
    """The improvement over the strongest baseline."""
    position = metric.best([each.result.metrics[metric.name].value for each in baselines])
    if position is not None:
        strongest = baselines[position]
        gain = difference(metric, strongest.gain(metric.name))
        _say(console, f"{metric.label} over {words(strongest.name)}: {gain}")


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def print_comparison(console: Console, comparison: Comparison, *, every: bool = False) -> None:
    """Print the differences of the experiments, then those of the metrics: five, or every one."""
    for block in comparison_blocks(comparison, every=every):
        print_block(console, block, light=True)


def print_aligned(console: Console, aligned: AlignedFolder, contact_sheet: Path) -> None:
    """Print what was found in a folder of photographs, and where the results are."""
    total = len(aligned.photographs)
    kept = aligned.crops - aligned.fresh
    there = f" ({kept:,} of them were there already)" if kept else ""
    crops = aligned.out / CROPS
    lines = [
        f"{aligned.crops:,} of {total:,} photographs have a crop in {crops}{there}",
        *(
            f"{aligned.count(each):>9,}  {'unusable' if each is None else each}"
            for each in (*Acquisition, None)
        ),
        *aligned.notes,
        f"boxes and landmarks: {aligned.out / FACES_CSV}",
        f"contact sheet: {contact_sheet}",
    ]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
