"""Which metrics stand where."""

from facesim.interfaces.metric import Metric
from facesim.interfaces.result import CurvePoint, Estimate, EvaluationResult
from facesim.interfaces.roc import Roc
from facesim.report.metric_selection import accept_rates, complement, headline_metrics


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
