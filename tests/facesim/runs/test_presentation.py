"""What a run keeps to be shown without its plugins."""

from collections.abc import Callable

import pytest

from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.interfaces import ProtocolReport
from facesim.interfaces.roc import Roc
from facesim.page import Section
from facesim.runs.presentation import DescribedMetric, Presentation, StoredMetric
from facesim.runs.run import Run


def test_a_metric_is_described_without_its_plugin() -> None:
    stored = StoredMetric(
        label="Mine",
        unit="number",
        higher_is_better=False,
        is_rate=True,
        at_threshold=False,
        depends_on_shares=False,
        headline=True,
    )
    metric = DescribedMetric("mine", stored)
    assert (metric.name, metric.label, metric.unit) == ("mine", "Mine", "number")
    assert metric.better(0.1, than=0.2)
    with pytest.raises(FacesimError, match="the metric 'mine' cannot be measured"):
        metric.value(Roc.of_scores([0.1, 0.9], [False, True]), 0.5)


def test_what_a_protocol_adds_is_kept_and_shown_without_it(build_run: Callable[..., Run]) -> None:
    run = build_run()
    result = run.read().result
    assert result is not None
    fold = {"fold": 1, "pairs": 24, "threshold": 0.5, "accuracy": 0.9}
    details = {"folds": [fold, fold], "mean_accuracy": 0.9, "standard_error": 0.01}
    folded = load_experiment(run.path / "experiment.yaml", ["evaluate.protocol=k_fold"])
    result = result.model_copy(update={"details": details})
    kept = Presentation.of(folded, result).protocol_report()
    made = folded.evaluate.protocol.build().report(result)
    assert kept.cards == made.cards
    assert [section.title for section in kept.sections] == [each.title for each in made.sections]
    assert kept.sections
    assert Presentation.of(folded).protocol_report().sections == ()


def test_a_section_keeps_its_name_where_a_page_can_link_to_it(
    build_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = build_run()
    files = run.read()
    names = ("by-age", "2d", "a b")
    report = ProtocolReport((), tuple(Section(name, name, ()) for name in names))
    protocol = type(files.evaluated.evaluate.protocol.build())
    monkeypatch.setattr(protocol, "report", lambda *_: report)
    kept = Presentation.of(files.evaluated, files.result).protocol_report()
    assert [section.name for section in kept.sections] == ["by-age", "section-2d", "a-b"]
