"""The headline: the figures with their intervals, and what they must be compared with."""

from facesim.evaluation.baseline import Baseline
from facesim.evaluation.k_fold import KFoldAccuracy
from facesim.evaluation.metrics import far_name
from facesim.evaluation.result import Estimate, EvaluationResult
from facesim.page import Block, Card, Cards, Plot, Section, Table, Text
from facesim.report.formatting import (
    count,
    difference,
    estimate,
    interval,
    metric_label,
    metric_value,
    percent,
    words,
)
from facesim.report.plots.intervals import Line, interval_plot
from facesim.runs.run_files import RunFiles

_CARDS = ("accuracy", "eer", "roc_auc")

_ALLOWED = 10
"""The TAR shown first is at the smallest FAR that lets so many impostors pass."""


def result_section(files: RunFiles) -> Section:
    """Accuracy first, then what it has to beat."""
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
            Cards(_cards(files.result)),
            *_lint_warning(files),
            _against_baselines(files.result, files.baselines),
        ),
    )


def _verdict(result: EvaluationResult) -> str:
    on = (
        f"{count(result.pairs, 'pair')} of {count(result.identities, 'identity')} "
        f"({result.genuine:,} genuine, {result.impostor:,} impostor)"
    )
    accuracy = result.accuracy
    if accuracy.value is None:
        return f"Accuracy on {on} is undefined: {accuracy.reason}."
    text = f"{metric_value('accuracy', accuracy.value)} of {on} are decided correctly"
    if accuracy.low is not None:
        between = interval("accuracy", accuracy.low, accuracy.high)
        text += f"; the 95% interval, from a bootstrap over the identities, is {between}"
    elif accuracy.reason:
        text += f"; there is no interval, since {accuracy.reason}"
    return f"{text}. The threshold comes from {result.threshold_source}."


def _cards(result: EvaluationResult) -> tuple[Card, ...]:
    cards = [_card(name, getattr(result, name)) for name in _CARDS]
    if result.k_fold is not None:
        cards.insert(0, _k_fold_card(result.k_fold))
    supported = [at for at in result.tar_at_far if at.false_accepts_allowed >= _ALLOWED]
    if supported and supported[-1].tar is not None:
        at = supported[-1]
        found = Estimate(value=at.tar, low=at.low, high=at.high, reason=at.reason)
        cards.append(_card(f"tar_at_far_{far_name(at.far)}", found))
    return tuple(cards)


def _k_fold_card(found: KFoldAccuracy) -> Card:
    return Card(
        f"Accuracy over {len(found.folds)} folds",
        percent(found.mean_accuracy),
        f"standard error {percent(found.standard_error)}",
    )


def _card(name: str, found: Estimate) -> Card:
    metric = "tar" if name.startswith("tar_at_far_") else name
    detail = interval(metric, found.low, found.high) if found.low is not None else found.reason
    return Card(metric_label(name), metric_value(metric, found.value), detail or "no interval")


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
    lines = [
        Line(
            name,
            found.accuracy.value,
            found.accuracy.low,
            found.accuracy.high,
            estimate("accuracy", found.accuracy),
        )
        for name, found in named.items()
        if found.accuracy.value is not None
    ]
    return Plot(
        "baselines",
        "What training bought",
        " ".join(["Lines are 95% intervals.", *map(_gain, baselines)]),
        interval_plot(lines, "Accuracy"),
        _table(named),
    )


def _gain(baseline: Baseline) -> str:
    added = difference(baseline.gain("accuracy"))
    described = baseline.description.rstrip(".")
    return f"Over {words(baseline.name)} ({described}), training added {added}."


def _table(named: dict[str, EvaluationResult]) -> Table:
    metrics = ("accuracy", "eer", "roc_auc")
    return Table(
        "This run and the baselines on the same pairs, each with a threshold of its own from val",
        ("System", *map(metric_label, metrics)),
        tuple(
            (name, *(estimate(metric, getattr(found, metric)) for metric in metrics))
            for name, found in named.items()
        ),
    )
