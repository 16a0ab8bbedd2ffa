"""Headline metrics with their intervals, and the improvement over baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from facesim.errors import count
from facesim.evaluation.baselines import Baseline
from facesim.interfaces.fmr_support import FmrStatus
from facesim.interfaces.metric import Metric, Quantity
from facesim.interfaces.result import Estimate, EvaluationResult, rate_name
from facesim.page import Block, Card, Cards, Plot, Section, Table, Text
from facesim.report.formatting import (
    NOTHING,
    RATE,
    VAL_AGAIN,
    accept_rates,
    acquisition_in_words,
    axis_unit,
    difference,
    estimate,
    headline_metrics,
    interval,
    larger_class,
    metric_value,
    percent,
    score,
    support,
    threshold_note,
    words,
)
from facesim.report.plots.intervals import Line, interval_panel
from facesim.report.sections.folds import RESUME
from facesim.runs.run_files import RunFiles


def result_section(files: RunFiles) -> Section:
    """The headline metrics, and the baselines that they are compared with."""
    result = files.result
    if result is None:
        text = f"This run has no evaluation {files.name!r} yet"
        if files.experiment.folds is None:
            text += "; `facesim eval` evaluates a run that has trained."
        else:
            text += f": its folds are not all tested. {RESUME}"
        return Section("result", "Result", (Text(text, "note"),))
    metrics = files.metrics
    cards = (*files.protocol_report.cards, *headline_cards(result, metrics))
    return Section(
        "result",
        "Result",
        (
            Text(_verdict(result, files.score_unit)),
            Cards(cards),
            *([Text(acquisition_in_words(result.acquisition))] if result.acquisition else []),
            *_lint_warning(files),
            baselines_block(result, files.baselines, headline_metrics(result, metrics)),
        ),
    )


def _verdict(result: EvaluationResult, score_unit: str) -> str:
    on = (
        f"{count(result.pairs, 'pair')} of {count(result.identities, 'identity')} "
        f"({result.genuine:,} genuine, {result.impostor:,} impostor)"
    )
    if result.headline is not None:
        return _verdict_at_fmr(on, result, result.headline)
    at = result.at_threshold
    accuracy = at.accuracy if at else Estimate(value=None, reason=result.reasons.get("threshold"))
    if accuracy.value is None:
        return f"Accuracy on {on} is undefined: {accuracy.reason}."
    text = f"{percent(accuracy.value)} of {on} are decided correctly{_interval(accuracy)}"
    if accuracy.procedure is not None:
        between = interval(RATE, accuracy.procedure.low, accuracy.procedure.high)
        text += f" with the threshold held fixed, and {between} {VAL_AGAIN} and it chosen again"
    answer = larger_class(result)
    if answer is not None:
        text += f"; always answering {answer} is right for {percent(result.larger_class_share)}"
    chosen = "" if result.threshold is None else f", {score(result.threshold, score_unit)},"
    text += f". The threshold{chosen} comes from {result.threshold_source}."
    return text if accuracy.procedure is not None else f"{text} {threshold_note(result)}"


def _verdict_at_fmr(on: str, result: EvaluationResult, headline: str) -> str:
    target, fnmr = headline.rpartition("_")[2], result.metrics[headline]
    if fnmr.value is None:
        return f"FNMR at FMR {target} on {on} is undefined: {fnmr.reason}."
    answer = f"always answering {larger_class(result)}"
    return (
        f"At FMR {target}, {percent(fnmr.value)} of the genuine pairs are rejected, of {on}"
        f"{_interval(fnmr)}. That FMR is {support(fnmr.support)}; its threshold is read on these "
        f"pairs. An accuracy says little here: {answer} is right for "
        f"{percent(result.larger_class_share)}."
    )


def _interval(found: Estimate) -> str:
    if found.low is not None:
        between = interval(RATE, found.low, found.high)
        return f"; the 95% interval, from a jackknife over the identities, is {between}"
    return f"; there is no interval, since {found.reason}" if found.reason else ""


def headline_cards(result: EvaluationResult, metrics: Mapping[str, Metric]) -> list[Card]:
    """The headline metrics, and the TAR at the smallest target FMR that is measured."""
    cards = [
        _card(metric, metric.label, result.metrics[metric.name])
        for metric in headline_metrics(result, metrics)
    ]
    answer = larger_class(result)
    for index, metric in enumerate(headline_metrics(result, metrics)):
        if answer is not None and metric.depends_on_shares:
            share = f"always {answer}: {metric_value(metric, result.larger_class_share)}"
            cards[index] = replace(cards[index], detail=f"{cards[index].detail}; {share}")
    measured = [
        (target, at)
        for target, at in accept_rates(result, metrics)
        if at.support is not None and at.support.status is FmrStatus.MEASURED
    ]
    for target, at in measured[-1:]:
        cards.append(_card(RATE, f"TAR at FAR {rate_name(target)}", at))
    return cards


def _card(metric: Quantity, label: str, found: Estimate) -> Card:
    detail = interval(metric, found.low, found.high) if found.low is not None else found.reason
    return Card(label, metric_value(metric, found.value), detail or "no interval")


def _lint_warning(files: RunFiles) -> tuple[Text, ...]:
    findings = files.lint.findings if files.lint else ()
    if not findings:
        return ()
    rules = ", ".join(dict.fromkeys(words(found.rule) for found in findings))
    return (Text(f"The protocol linter has findings, listed below: {rules}.", "warning"),)


def baselines_block(
    result: EvaluationResult, baselines: Sequence[Baseline], metrics: Sequence[Metric]
) -> Block:
    """The run beside the baselines: the first metric as a plot, all of them as a table.

    Args:
        result: of the run.
        baselines: on the same pairs.
        metrics: those to show.
    """
    if not baselines:
        return Text("No baselines were measured on these pairs.", "note")
    systems = {"this run": result, **{words(each.name): each.result for each in baselines}}
    rows = [
        (name, *(estimate(metric, found.metrics[metric.name]) for metric in metrics))
        for name, found in systems.items()
    ]
    answer = larger_class(result)
    if answer is not None and any(metric.depends_on_shares for metric in metrics):
        share = result.larger_class_share
        of = (metric_value(each, share) if each.depends_on_shares else NOTHING for each in metrics)
        rows.append((f"always {answer}", *of))
    table = Table(
        "This run and the baselines on the same pairs, each with a threshold of its own from val",
        ("System", *(metric.label for metric in metrics)),
        tuple(rows),
    )
    if not metrics:
        return table
    compared = metrics[0]
    lines = [
        Line(name, at.value, at.low, at.high, estimate(compared, at))
        for name, found in systems.items()
        if (at := found.metrics[compared.name]).value is not None
    ]
    gains = (
        f"{compared.label} over {words(each.name)} ({each.description.rstrip('.')}): "
        f"{difference(compared, each.gain(compared.name))}."
        for each in baselines
    )
    return Plot(
        "baselines",
        "Improvement over baselines",
        " ".join(["Lines are 95% intervals.", *gains]),
        (interval_panel(lines, compared.label, unit=axis_unit(compared)),),
        table,
    )
