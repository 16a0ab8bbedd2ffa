"""What a run keeps to be shown without its plugins."""

from collections.abc import Callable

import pytest

from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.experiment.measured_metrics import measured_metrics
from facesim.experiment.schema import Experiment
from facesim.interfaces import ProtocolReport, metrics
from facesim.interfaces.roc import Roc
from facesim.page import Card, Cards, Code, Gallery, Plot, Section, Table, Text
from facesim.registry import Spec
from facesim.runs.presentation import (
    DescribedMetric,
    Presentation,
    StoredMetric,
    best_of_training,
    shown_metrics,
)
from facesim.runs.run import Run

MINE = StoredMetric(
    label="Mine",
    unit="number",
    higher_is_better=False,
    is_rate=True,
    at_threshold=False,
    depends_on_shares=False,
    headline=True,
)


def test_a_metric_of_a_plugin_that_is_not_imported_is_described_beside_the_others(
    tiny: Experiment,
) -> None:
    known = tiny.evaluate.metrics[0]
    specs = (known, Spec.stand_in(metrics, {"name": "mine"}))
    evaluate = tiny.evaluate.model_copy(update={"metrics": specs})
    shown = shown_metrics(
        tiny.model_copy(update={"evaluate": evaluate}), Presentation(metrics={"mine": MINE})
    )
    assert isinstance(shown.pop("mine"), DescribedMetric)
    assert known.name in shown
    assert not any(isinstance(metric, DescribedMetric) for metric in shown.values())


def test_a_metric_is_described_without_its_plugin() -> None:
    metric = DescribedMetric("mine", MINE)
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


def test_every_block_is_kept_a_plot_as_its_numbers_and_a_gallery_as_a_note(
    build_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = build_run().read()
    card, table = Card("label", "value", "detail"), Table("caption", ("a", "b"), (("x", "1"),))
    kept_as_they_are = (
        Text("text"),
        Text("careful", "warning"),
        table,
        Table("words", ("a", "b"), (("x", "y"),), numeric=False),
        Code("code", "a = 1"),
        Code("more", "b = 2", folded=True),
        Cards((card, card)),
    )
    others = (Plot("plot", "title", "what it shows", (), table), Gallery("Errors", ()))
    report = ProtocolReport((card,), (Section("own", "Own", (*kept_as_they_are, *others)),))
    protocol = type(files.evaluated.evaluate.protocol.build())
    monkeypatch.setattr(protocol, "report", lambda *_: report)
    written = Presentation.of(files.evaluated, files.result).model_dump_json()
    shown = Presentation.model_validate_json(written).protocol_report()
    assert shown.cards == (card,)
    instead = (Text("what it shows"), table, Text("Errors: faces are not kept.", "note"))
    assert shown.sections == (Section("own", "Own", (*kept_as_they_are, *instead)),)


def test_the_best_of_training_need_not_be_measured_at_the_end(tiny: Experiment) -> None:
    """The loss, a metric of the experiment, and a registered one that it does not ask for."""
    measured = next(iter(measured_metrics(tiny)))
    for name in ("loss", measured, "d_prime"):
        train = tiny.train.model_copy(update={"best": name})
        only = tiny.evaluate.metrics[:1]
        evaluate = tiny.evaluate.model_copy(update={"metrics": only})
        experiment = tiny.model_copy(update={"train": train, "evaluate": evaluate})
        found = best_of_training(experiment, Presentation())
        assert found is not None
        assert found.name == name


def test_the_best_of_training_may_be_unknown(tiny: Experiment) -> None:
    train = tiny.train.model_copy(update={"best": "of a plugin that is not here"})
    assert best_of_training(tiny.model_copy(update={"train": train}), Presentation()) is None
