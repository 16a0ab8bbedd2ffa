"""Headline metrics with their intervals, and the improvement over baselines."""

from facesim.evaluation.baselines import Baseline
from facesim.interfaces.protocol import ProtocolReport
from facesim.interfaces.result import Estimate, EvaluationResult
from facesim.page import Block, Card, Cards, Plot, Section, Table, Text
from facesim.report.formatting import (
    count,
    difference,
    estimate,
    headline_metrics,
    headline_point,
    interval,
    metric_label,
    metric_value,
    percent,
    quantity,
    words,
)
from facesim.report.plots.intervals import Line, interval_plot
from facesim.runs.run_files import RunFiles

_ALLOWED = 10
"""The TAR shown first is at the smallest target FMR that lets so many impostors pass."""


def result_section(files: RunFiles) -> Section:
    """The headline metrics, and the baselines that they are compared with."""
    if files.result is None:
        text = (
            f"This run has no evaluation {files.name!r} yet; "
            f"`facesim eval` measures a run that has trained."
        )
        return Section("result", "Result", (Text(text, "note"),))
    verdict = Text(_verdict(files.result))
    return Section(
        "result",
        "Result",
        (
            verdict,
            Cards(_cards(files.result, files.protocol_report)),
            *_lint_warning(files),
            _against_baselines(files.result, files.baselines),
        ),
    )


def _verdict(result: EvaluationResult) -> str:
    on = (
        f"{count(result.pairs, 'pair')} of {count(result.identities, 'identity')} "
        f"({result.genuine:,} genuine, {result.impostor:,} impostor)"
    )
    accuracy = headline_point(result).accuracy
    if accuracy.value is None:
        return f"Accuracy on {on} is undefined: {accuracy.reason}."
    text = f"{percent(accuracy.value)} of {on} are decided correctly"
    if accuracy.low is not None:
        between = f"{percent(accuracy.low)} to {percent(accuracy.high)}"
        text += f"; the 95% interval, from a bootstrap over the identities, is {between}"
    elif accuracy.reason:
        text += f"; there is no interval, since {accuracy.reason}"
    return f"{text}. The threshold comes from {result.threshold_source}."


def _cards(result: EvaluationResult, protocol: ProtocolReport) -> tuple[Card, ...]:
    """The protocol's, the headline metrics, and the smallest FMR target that is well supported."""
    cards = [_card(name, found) for name, found in headline_metrics(result).items()]
    supported = {
        name: found
        for name, found in result.at_targets.items()
        if quantity(name).higher_is_better
        and found.value is not None
        and found.point is not None
        and (found.point.false_matches_allowed or 0) >= _ALLOWED
    }
    smallest = sorted(supported, key=lambda name: _target(supported[name]))[:1]
    return (*protocol.cards, *cards, *(_card(name, supported[name]) for name in smallest))


def _target(found: Estimate) -> float:
    return (found.point.target or 0.0) if found.point is not None else 0.0


def _card(name: str, found: Estimate) -> Card:
    detail = interval(name, found.low, found.high) if found.low is not None else found.reason
    return Card(metric_label(name), metric_value(name, found.value), detail or "no interval")


def _lint_warning(files: RunFiles) -> tuple[Text, ...]:
    findings = files.lint.findings if files.lint else ()
    if not findings:
        return ()
    what = ", ".join(dict.fromkeys(found.rule.replace("_", " ") for found in findings))
    return (Text(f"The protocol linter has objections, listed below: {what}.", "warning"),)


def _against_baselines(result: EvaluationResult, baselines: tuple[Baseline, ...]) -> Block:
    if not baselines:
        return Text("No baselines were scored on these pairs.", "note")
    named = {"this run": result, **{words(each.name): each.result for each in baselines}}
    compared = next(iter(headline_metrics(result)), None)
    if compared is None:
        return _table(named)
    lines = [
        Line(name, at.value, at.low, at.high, estimate(compared, at))
        for name, found in named.items()
        if (at := found.metrics[compared]).value is not None
    ]
    return Plot(
        "baselines",
        "Improvement over baselines",
        " ".join(["Lines are 95% intervals.", *(_gain(each, compared) for each in baselines)]),
        interval_plot(lines, metric_label(compared)),
        _table(named),
    )


def _gain(baseline: Baseline, metric: str) -> str:
    added = difference(baseline.gain(metric))
    described = baseline.description.rstrip(".")
    return f"Over {words(baseline.name)} ({described}), training added {added}."


def _table(named: dict[str, EvaluationResult]) -> Table:
    metrics = tuple(headline_metrics(named["this run"]))
    return Table(
        "This run and the baselines on the same pairs, each with a threshold of its own from val",
        ("System", *map(metric_label, metrics)),
        tuple(
            (name, *(estimate(metric, found.metrics[metric]) for metric in metrics))
            for name, found in named.items()
        ),
    )
