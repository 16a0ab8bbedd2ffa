import pytest

from facesim.evaluation.differences import MetricDifference
from facesim.interfaces.fmr_support import FmrStatus, FmrSupport
from facesim.interfaces.metric import MeanLoss, Metric
from facesim.interfaces.result import (
    AcquisitionResult,
    CurvePoint,
    Estimate,
    EvaluationResult,
    ProcedureInterval,
)
from facesim.interfaces.roc import Roc
from facesim.report.formatting import (
    RATE,
    accept_rates,
    acquisition_in_words,
    axis_unit,
    complement,
    difference,
    estimate,
    headline_metrics,
    interval,
    larger_class,
    metric_value,
    number,
    percent,
    short_interval,
    signed,
    spread,
    support,
    words,
)


class Rate(Metric):
    """A rate that readers expect in percent."""

    label = "Error"
    higher_is_better = False

    def value(self, roc: Roc, threshold: float) -> float:
        raise NotImplementedError


class Area(Rate):
    """A number between 0 and 1 that they do not."""

    label = "Area"
    unit = "number"


class Separation(Area):
    """A number without bounds."""

    label = "Separation"
    range = (-float("inf"), float("inf"))


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.8203, "82.03%"),
        (1.0, "100.00%"),
        (0.0, "0.00%"),
        (0.001, "0.10%"),
        (0.000081, "0.0081%"),
        (-0.000081, "-0.0081%"),
        (-0.25, "-25.00%"),
        (None, "-"),
    ],
)
def test_shares_are_percentages_and_small_ones_keep_two_digits(
    share: float | None, text: str
) -> None:
    assert percent(share) == text


def test_a_metric_is_written_in_its_unit() -> None:
    assert metric_value(Rate(), 0.12345) == "12.35%"
    assert metric_value(Area(), 0.98) == "0.9800"
    assert metric_value(Separation(), 1.23456) == "1.235"
    assert metric_value(MeanLoss(), 0.5) == "0.5"
    assert metric_value(Separation(), None) == "-"
    assert [axis_unit(each) for each in (Rate(), Area())] == ["percent", "number"]


def test_a_difference_has_a_sign_and_of_percentages_is_in_points() -> None:
    assert signed(Rate(), 0.012) == "+1.20"
    assert signed(Separation(), -0.25) == "-0.25"


def test_a_value_without_interval_stands_alone_and_a_missing_one_gives_its_reason() -> None:
    found = Estimate(value=0.25, low=0.2, high=0.3)
    assert estimate(RATE, found) == "25.00% (20.00% to 30.00%)"
    assert estimate(RATE, Estimate(value=0.25)) == "25.00%"
    assert estimate(RATE, Estimate(value=None, reason="no impostor pair")) == "no impostor pair"
    assert interval(RATE, None, 0.3) == "-"


def test_what_too_few_comparisons_support_has_neither_a_value_nor_an_interval() -> None:
    def read_at(status: FmrStatus) -> str:
        point = CurvePoint(target=0.01, support=FmrSupport(status=status))
        return estimate(RATE, Estimate(value=0.25, low=0.2, high=0.3, point=point))

    assert read_at(FmrStatus.MEASURED) == "25.00% (20.00% to 30.00%)"
    assert read_at(FmrStatus.UNSTABLE) == "25.00%, unstable (20.00% to 30.00%)"
    assert read_at(FmrStatus.NOT_MEASURABLE) == "not measurable"


def test_large_numbers_have_no_exponent() -> None:
    assert number(123456.0) == "123,456"
    assert number(-1.01854) == "-1.019"


def test_a_spread_has_the_digits_that_matter() -> None:
    assert spread(Rate(), 0.01) == "1.00"
    assert spread(Separation(), 1.41421) == "1.4"


def test_a_short_interval_has_no_unit() -> None:
    assert short_interval(Rate(), 0.7961, 0.8429) == "79.6\N{EN DASH}84.3"
    assert short_interval(Separation(), -1.5, 2.25) == "-1.5\N{EN DASH}2.25"


def test_a_difference_of_rates_is_in_points_and_says_which_run_is_better() -> None:
    found = MetricDifference(metric="error", difference=-0.012, low=-0.02, high=-0.003)
    assert difference(Rate(), found) == "-1.20 points (-2.00 to -0.30): no difference shown"
    better = found.model_copy(update={"better": "second"})
    assert difference(Rate(), better).endswith(": better")
    worse = found.model_copy(update={"better": "first"})
    assert difference(Rate(), worse).endswith(": worse")
    one_seed = found.model_copy(update={"reason": "one seed says nothing"})
    assert difference(Rate(), one_seed) == "-1.20 points (-2.00 to -0.30): one seed says nothing"


def test_a_difference_without_value_or_interval_says_why() -> None:
    missing = MetricDifference(metric="error", difference=None, reason="no impostor pair")
    assert difference(Rate(), missing) == "no impostor pair"
    alone = MetricDifference(metric="separation", difference=0.5, reason="a run has no interval")
    assert difference(Separation(), alone) == "+0.5, without an interval: a run has no interval"


class Plain(Metric):
    def __init__(self, name: str) -> None:
        self.name = self.label = name

    def value(self, roc: Roc, threshold: float) -> float:
        raise NotImplementedError


class Headline(Plain):
    headline = True


class Error(Plain):
    higher_is_better = False


def result(**metrics: Estimate) -> EvaluationResult:
    return EvaluationResult(
        pairs=4,
        genuine=2,
        impostor=2,
        identities=3,
        threshold=None,
        threshold_source="val",
        loss=None,
        metrics=metrics,
        operating_points=(),
        wilson={},
        seed=0,
        resamples=0,
        reasons={},
    )


def test_headline_metrics_are_in_the_experiments_order_and_were_measured() -> None:
    metrics = {"b": Headline("b"), "plain": Plain("plain"), "a": Headline("a"), "c": Headline("c")}
    found = result(a=Estimate(value=1), b=Estimate(value=1), plain=Estimate(value=1))
    assert [metric.name for metric in headline_metrics(found, metrics)] == ["b", "a"]


def test_the_tar_at_a_target_is_told_from_other_metrics_that_are_read_there() -> None:
    point = CurvePoint(target=0.01, threshold=0.5, achieved_fmr=0.01, tar=0.5)
    found = result(
        low=Estimate(value=None, reason="too few", point=CurvePoint(target=0.001)),
        tar=Estimate(value=0.5, point=point),
        fnmr=Estimate(value=0.5, point=point),
        accuracy=Estimate(value=0.7, point=point),
        high=Estimate(value=0.9, point=point.model_copy(update={"target": 0.1, "tar": 0.9})),
        eer=Estimate(value=0.9, point=CurvePoint(threshold=0.5)),
    )
    metrics: dict[str, Metric] = {name: Plain(name) for name in found.metrics}
    metrics["fnmr"] = Error("fnmr")
    assert accept_rates(found, metrics) == [
        (0.1, found.metrics["high"]),
        (0.01, found.metrics["tar"]),
        (0.001, found.metrics["low"]),
    ]


def test_the_complement_swaps_the_ends_of_the_interval() -> None:
    found = complement(Estimate(value=0.75, low=0.5, high=1.0, reason="few pairs"))
    assert (found.value, found.low, found.high) == (0.25, 0.0, 0.5)
    assert found.reason == "few pairs"
    assert complement(Estimate(value=None, reason="no pairs")).value is None


def test_the_complement_swaps_the_ends_with_val_drawn_again_too() -> None:
    again = ProcedureInterval(low=0.25, high=0.875, threshold_error=0.125)
    found = complement(Estimate(value=0.75, low=0.5, high=0.8, procedure=again)).procedure
    assert found == ProcedureInterval(low=0.125, high=0.75, threshold_error=0.125)


def test_numbers_have_an_exponent_only_where_they_are_small() -> None:
    assert number(9999.4) == "9999"
    assert number(10000.0) == "10,000"
    assert number(-10000.0) == "-10,000"
    assert number(0.000012345) == "1.234e-05"
    assert number(None) == "-"


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (None, "-"),
        (FmrSupport(status=FmrStatus.NOT_MEASURABLE), "not measurable"),
        (FmrSupport(status=FmrStatus.UNSTABLE, false_matches=1), "unstable: 1 false match"),
        (
            FmrSupport(status=FmrStatus.MEASURED, false_matches=40, identities=1),
            "measured: 40 false matches of 1 identity",
        ),
    ],
)
def test_support_is_in_words(found: FmrSupport | None, told: str) -> None:
    assert support(found) == told


def test_the_larger_class_is_the_answer_that_is_right_more_often() -> None:
    some = result()
    assert larger_class(some) is None
    assert larger_class(some.model_copy(update={"genuine": 3})) == '"same"'
    assert larger_class(some.model_copy(update={"impostor": 3})) == '"different"'


def test_a_difference_without_a_value_or_a_reason_was_not_measured() -> None:
    assert difference(RATE, MetricDifference(metric="x", difference=None)) == "not measured"


def test_what_is_not_measurable_says_why_where_that_is_known() -> None:
    point = CurvePoint(target=0.01, support=FmrSupport(status=FmrStatus.NOT_MEASURABLE))
    assert estimate(RATE, Estimate(value=None, reason="of 3 pairs", point=point)) == "of 3 pairs"
    assert estimate(RATE, Estimate(value=None)) == "not measurable"
    assert words("raw_pixels_2") == "raw pixels 2"


@pytest.mark.parametrize(
    ("left_out", "no_face", "ends"),
    [
        (True, 2, ". The error rates are those of photographs with a face."),
        (False, 2, ". The error rates include those without a face, of which the centre is used."),
        (False, 0, ". The error rates are those of photographs with a face."),
        (None, 2, "in 2 of which no face was found."),
    ],
)
def test_whether_error_rates_include_photographs_without_a_face(
    left_out: bool | None, no_face: int, ends: str
) -> None:
    content = {
        "photographs": 20,
        "one_face": 20 - no_face,
        "several_faces": 0,
        "low_confidence": 0,
        "no_face": no_face,
        "failure_to_acquire": {"value": no_face / 20},
    }
    if left_out is not None:  # files of before lack it
        content["left_out"] = left_out
    assert acquisition_in_words(AcquisitionResult.model_validate(content)).endswith(ends)


def test_a_difference_of_nothing_has_no_interval_of_no_width() -> None:
    found = MetricDifference(metric="x", difference=0.0, low=0.0, high=0.0)
    told = "+0.00 points: equal on these pairs, which says nothing of other people"
    assert difference(RATE, found) == told
