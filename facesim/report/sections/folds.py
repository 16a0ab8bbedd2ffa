"""The folds of a run: what each network reached on the people that it had not seen."""

from facesim.errors import count
from facesim.page import Block, Links, Plot, Section, Table, Text
from facesim.report.formatting import (
    NOTHING,
    axis_unit,
    estimate,
    headline_metrics,
    metric_value,
    score,
)
from facesim.report.plots.intervals import Line, interval_panel
from facesim.runs.directory import FOLDS, RunFile
from facesim.runs.run_files import RunFiles

RESUME = "`facesim run experiment.yaml --resume .` in the run directory goes on."
"""What to do with a run of folds that is not finished."""


def folds_section(files: RunFiles) -> Section:
    """The folds beside each other, and the way to their own reports."""
    folds = files.experiment.folds or 0
    split = files.experiment.data.split
    seed = 0 if split is None else split.seed
    blocks: list[Block] = [
        Text(
            f"The people are divided into {folds} folds (seed {seed}). For each, a network was "
            "trained without them, its checkpoint and threshold chosen on the people of the next "
            "fold; so each person is tested once. A pair is decided by the threshold of its own "
            "fold. The area under the ROC curve, the equal error rate and rates at a target FMR "
            "are means over the folds, weighted by their pairs, since the scores of two networks "
            "are on no common scale. The intervals above say what other people would change, "
            "these networks as they are; how far networks differ is the spread below."
        )
    ]
    done = [each for each in files.folds if each.result is not None]
    tested = {int(each.path.name) for each in done}
    left = [f"fold {number}" for number in range(1, folds + 1) if number not in tested]
    if files.result is None:
        left.append("the evaluation of all folds together")
    if left:
        told = f"{len(done)} of {folds} folds are tested so far. Still to do: {', '.join(left)}."
        blocks.append(Text(f"{told} {RESUME}", "note"))
    if done:
        blocks.append(_compared(done))
    links = tuple(
        (f"fold {each.path.name}", f"{FOLDS}/{each.path.name}/{RunFile.REPORT}") for each in done
    )
    if links:
        blocks.append(Links("The reports of the folds, with their training", links))
    return Section("folds", "Folds", tuple(blocks))


def _compared(folds: list[RunFiles]) -> Block:
    """The headline metrics of each fold; the first as a plot."""
    results = [each.result for each in folds if each.result is not None]
    metrics = [
        metric
        for metric in headline_metrics(results[0], folds[0].metrics)
        if all(metric.name in each.metrics for each in results)
    ]
    names = [f"fold {each.path.name}" for each in folds]
    rows = tuple(
        (
            name,
            f"{result.identities:,}",
            f"{result.pairs:,}",
            NOTHING if result.threshold is None else score(result.threshold, each.score_unit),
            *(estimate(metric, result.metrics[metric.name]) for metric in metrics),
        )
        for name, each, result in zip(names, folds, results, strict=True)
    )
    columns = ("Fold", "People", "Pairs", "Threshold", *(metric.label for metric in metrics))
    table = Table("The folds, each measured by itself", columns, rows)
    if not metrics:
        return table
    first = metrics[0]
    lines = [
        Line(name, at.value, at.low, at.high, estimate(first, at))
        for name, result in zip(names, results, strict=True)
        if (at := result.metrics[first.name]).value is not None
    ]
    values = [line.value for line in lines]
    if not values:
        return table
    spread = f"{metric_value(first, min(values))} to {metric_value(first, max(values))}"
    return Plot(
        "folds",
        f"{first.label} by fold",
        f"From {spread} over {count(len(values), 'fold')}; lines are 95% intervals over the few "
        "people of one fold.",
        (interval_panel(lines, first.label, unit=axis_unit(first)),),
        table,
    )
