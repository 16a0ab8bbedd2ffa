"""The first section: cards, and the improvement over baselines."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from facesim.experiment.loading import load_experiment
from facesim.interfaces.fmr_support import FmrStatus, FmrSupport
from facesim.interfaces.result import CurvePoint, Estimate
from facesim.page import Card, Cards, Plot, Table, Text
from facesim.report.formatting import estimate
from facesim.report.sections.result import baselines_block, headline_cards, result_section
from facesim.runs.run import Run
from facesim.runs.run_files import RunFiles


@pytest.fixture
def files(build_run: Callable[..., Run]) -> RunFiles:
    return build_run().read()


@pytest.mark.parametrize(("false_matches", "is_shown"), [(29, False), (30, True)])
def test_cards_are_headline_metrics_and_the_smallest_fmr_that_is_measured(
    files: RunFiles, false_matches: int, *, is_shown: bool
) -> None:
    assert files.result is not None
    support = FmrSupport(status=FmrStatus.of(false_matches))
    point = CurvePoint(target=0.1, tar=0.5, support=support)
    metrics = {**files.result.metrics, "tar_at_far_1e-1": Estimate(value=0.5, point=point)}
    result = files.result.model_copy(update={"metrics": metrics})
    labels = [card.label for card in headline_cards(result, files.metrics)]
    headline = [metric.label for metric in files.metrics.values() if metric.headline]
    assert labels == [*headline, *(["TAR at FAR 1e-1"] if is_shown else [])]


def test_of_several_measured_targets_the_smallest_has_the_card(files: RunFiles) -> None:
    assert files.result is not None
    measured = FmrSupport(status=FmrStatus.MEASURED)
    rates = {
        f"tar_at_far_{name}": Estimate(
            value=tar, point=CurvePoint(target=target, tar=tar, support=measured)
        )
        for name, target, tar in (("1e-1", 0.1, 0.75), ("1e-2", 0.01, 0.5))
    }
    metrics = {**files.result.metrics, **rates}
    result = files.result.model_copy(update={"metrics": metrics})
    card = headline_cards(result, files.metrics)[-1]
    assert (card.label, card.value) == ("TAR at FAR 1e-2", "50.00%")


def test_a_card_has_the_interval_or_the_reason_why_there_is_none(files: RunFiles) -> None:
    assert files.result is not None
    eer = files.metrics["eer"]
    found = {
        Estimate(value=0.25, low=0.125, high=0.5): "12.50% to 50.00%",
        Estimate(value=0.25, reason="too few identities"): "too few identities",
        Estimate(value=0.25): "no interval",
    }
    for value, detail in found.items():
        metrics = {**files.result.metrics, "eer": value}
        result = files.result.model_copy(update={"metrics": metrics})
        assert Card(eer.label, "25.00%", detail) in headline_cards(result, files.metrics)


def test_an_undefined_accuracy_has_its_reason(files: RunFiles) -> None:
    assert files.result is not None
    result = files.result.model_copy(
        update={"threshold": None, "reasons": {"threshold": "val has no pairs"}}
    )
    verdict, *_ = result_section(replace(files, result=result)).blocks
    assert isinstance(verdict, Text)
    assert verdict.text.endswith("is undefined: val has no pairs.")


def unequal(files: RunFiles, *, headline: bool) -> RunFiles:
    """The run as if nine tenths of its pairs were impostors."""
    assert files.result is not None
    support = FmrSupport(status=FmrStatus.MEASURED, false_matches=32, identities=20)
    point = CurvePoint(target=0.1, tar=0.75, support=support)
    fnmr = Estimate(value=0.25, low=0.125, high=0.5, point=point)
    update = {
        "genuine": 36,
        "impostor": 324,
        "larger_class_share": 0.9,
        "metrics": {**files.result.metrics, "fnmr_at_fmr_1e-1": fnmr},
        "headline": "fnmr_at_fmr_1e-1" if headline else None,
    }
    return replace(files, result=files.result.model_copy(update=update))


def test_beside_an_accuracy_on_unequal_kinds_stands_the_share_of_the_larger(
    files: RunFiles,
) -> None:
    some = unequal(files, headline=False)
    verdict, cards, *_ = result_section(some).blocks
    assert isinstance(verdict, Text)
    assert 'always answering "different" is right for 90.00%' in verdict.text
    assert isinstance(cards, Cards)
    accuracy = next(card for card in cards.cards if card.label == "Accuracy")
    assert accuracy.detail.endswith('; always "different": 90.00%')
    assert some.result is not None
    shown = [some.metrics["eer"], some.metrics["accuracy"]]
    plot = baselines_block(some.result, some.baselines, shown)
    assert isinstance(plot, Plot)
    assert plot.numbers.rows[-1] == ('always "different"', "-", "90.00%")
    assert 'always "' not in str(result_section(files).blocks[:2])


def test_where_most_pairs_are_of_one_kind_the_fnmr_at_an_fmr_is_the_headline(
    files: RunFiles,
) -> None:
    some = replace(unequal(files, headline=True), baselines=())
    verdict, cards, *_ = result_section(some).blocks
    assert isinstance(verdict, Text)
    assert verdict.text.startswith("At FMR 1e-1, 25.00% of the genuine pairs are rejected, of 360")
    assert "is 12.50% to 50.00%" in verdict.text
    assert "That FMR is measured: 32 false matches of 20 identities" in verdict.text
    assert 'always answering "different" is right for 90.00%' in verdict.text
    assert isinstance(cards, Cards)
    assert cards.cards[0].label == "FNMR at FMR 1e-1"


def test_a_headline_that_is_undefined_says_at_which_fmr_and_why(files: RunFiles) -> None:
    assert files.result is not None
    missing = Estimate(value=None, reason="there are no impostor pairs")
    update = {"metrics": {"fnmr_at_fmr_1e-1": missing}, "headline": "fnmr_at_fmr_1e-1"}
    result = files.result.model_copy(update=update)
    verdict, *_ = result_section(replace(files, result=result, baselines=())).blocks
    assert isinstance(verdict, Text)
    assert verdict.text == (
        "FNMR at FMR 1e-1 on 360 pairs of 24 identities (180 genuine, 180 impostor) is undefined: "
        "there are no impostor pairs."
    )


def test_findings_of_the_linter_are_announced(files: RunFiles) -> None:
    warning = result_section(files).blocks[2]
    told = "The protocol linter has findings, listed below: dominant identity."
    assert warning == Text(told, "warning")
    assert isinstance(result_section(replace(files, lint=None)).blocks[2], Plot)


def test_a_run_without_the_evaluation_says_how_to_make_one(files: RunFiles) -> None:
    (block,) = result_section(replace(files, result=None)).blocks
    assert isinstance(block, Text)
    assert "`facesim eval`" in block.text


def test_the_first_metric_is_drawn_and_all_are_in_the_table(files: RunFiles) -> None:
    assert files.result is not None
    shown = [files.metrics["eer"], files.metrics["roc_auc"]]
    plot = baselines_block(files.result, files.baselines, shown)
    assert isinstance(plot, Plot)
    assert "Equal error rate over chance (a random score): -" in plot.description
    assert plot.panels[0].x.title == "Equal error rate"
    assert plot.numbers.columns == ("System", "Equal error rate", "ROC AUC")
    assert [row[0] for row in plot.numbers.rows] == ["this run", "chance"]


@pytest.mark.parametrize(("name", "is_percentage"), [("eer", True), ("roc_auc", False)])
def test_the_axis_of_a_metric_is_in_its_unit(
    files: RunFiles, name: str, *, is_percentage: bool
) -> None:
    assert files.result is not None
    plot = baselines_block(files.result, files.baselines, [files.metrics[name]])
    assert isinstance(plot, Plot)
    assert (plot.panels[0].x.unit == "percent") == is_percentage


def test_each_system_has_its_own_metrics_under_their_headings(files: RunFiles) -> None:
    assert files.result is not None
    shown = [files.metrics["eer"], files.metrics["roc_auc"]]
    plot = baselines_block(files.result, files.baselines, shown)
    assert isinstance(plot, Plot)
    systems = {"this run": files.result, "chance": files.baselines[0].result}
    assert plot.numbers.rows == tuple(
        (name, *(estimate(metric, found.metrics[metric.name]) for metric in shown))
        for name, found in systems.items()
    )
    assert len({cell for row in plot.numbers.rows for cell in row}) == 6


def test_without_metrics_or_baselines_nothing_is_drawn(files: RunFiles) -> None:
    assert files.result is not None
    assert isinstance(baselines_block(files.result, files.baselines, []), Table)
    assert isinstance(baselines_block(files.result, (), [files.metrics["eer"]]), Text)


def test_cards_of_the_protocol_come_first(files: RunFiles) -> None:
    assert files.result is not None
    fold = {"fold": 1, "pairs": 24, "threshold": 0.5, "accuracy": 0.9}
    details = {"folds": [fold, fold], "mean_accuracy": 0.9, "standard_error": 0.01}
    k_fold = replace(
        files,
        evaluated=load_experiment(files.path / "experiment.yaml", ["evaluate.protocol=k_fold"]),
        result=files.result.model_copy(update={"details": details}),
    )
    cards = result_section(k_fold).blocks[1]
    assert isinstance(cards, Cards)
    assert cards.cards[0] == Card("Accuracy over 2 folds", "90.00%", "standard error 1.00%")
    assert cards.cards[1].label == "Accuracy"


def test_the_verdict_says_what_the_threshold_is(files: RunFiles) -> None:
    assert files.result is not None
    point = files.result.operating_points[0].model_copy(
        update={"accuracy": Estimate(value=0.5), "threshold": 0.25}
    )
    told_of = {"threshold": 0.25, "threshold_source": "val", "operating_points": (point,)}
    result = files.result.model_copy(update=told_of)
    presentation = files.training_presentation.model_copy(update={"score_unit": "logit"})
    shown = replace(files, result=result, training_presentation=presentation)
    told = result_section(shown).blocks[0]
    assert isinstance(told, Text)
    assert "The threshold, 0.25 (logit), comes from val." in told.text
