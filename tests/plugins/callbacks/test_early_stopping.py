"""Early stopping: when it waits, what it takes for an improvement, and what it says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from facesim import FacesimError, StopTraining, callbacks
from facesim.experiment.loading import load_experiment
from facesim.report.run_report import write_report
from facesim.runs.run import Run
from facesim_plugins.metrics.eer import Eer
from facesim_plugins.metrics.roc_auc import RocAuc
from tests.plugins.callbacks.views import view_of

Stops = Callable[..., int | None]


@pytest.fixture
def stops() -> Stops:
    """The epoch after which a sequence of values on val ends training; None if none does."""

    def stopping(values: list[float | None], **parameters: object) -> int | None:
        callback = callbacks.spec("early_stopping", **parameters).build()
        for epoch, value in enumerate(values, start=1):
            try:
                callback.on_validation(view_of(epoch, {"roc_auc": value, "eer": value}))
            except StopTraining:
                return epoch
        return None

    return stopping


@pytest.mark.parametrize(
    ("values", "parameters", "epoch"),
    [
        ([0.5, 0.6, 0.6, 0.6, 0.6, 0.7], {}, 5),
        ([0.5, 0.6, 0.5, 0.5, 0.7, 0.6, 0.6, 0.6], {}, 8),
        ([0.5, 0.4, 0.3], {"patience": 1}, 2),
        ([0.5, 0.6, 0.7, 0.8], {"patience": 1}, None),
        ([0.5, 0.65, 0.7, 0.75], {"patience": 1, "min_delta": 0.1}, 3),
        ([0.5, 0.55, 0.65, 0.7, 0.8], {"patience": 2, "min_delta": 0.1}, None),
        ([0.5, 0.4, 0.3, 0.2], {"metric": "eer", "patience": 1}, None),
        ([0.5, 0.45, 0.4], {"metric": "eer", "patience": 1, "min_delta": 0.1}, 2),
        ([0.5, 0.4, 0.3, 0.2], {"patience": 1, "first_epochs": 2}, 3),
        ([0.5, None, None, None], {}, 4),
        ([None, None], {"patience": 2}, 2),
    ],
)
def test_training_ends_after_so_many_epochs_without_an_improvement(
    stops: Stops, values: list[float | None], parameters: dict[str, object], epoch: int | None
) -> None:
    assert stops(values, **parameters) == epoch


def test_why_is_told_with_the_best_value() -> None:
    callback = callbacks.spec("early_stopping", patience=2).build()
    for epoch, value in enumerate((0.75, 0.5), start=1):
        callback.on_validation(view_of(epoch, {"roc_auc": value}))
    said = r"no better roc_auc on val for 2 epochs; it was best at 0\.7500"
    with pytest.raises(StopTraining, match=said):
        callback.on_validation(view_of(3, {"roc_auc": 0.6}))
    never = callbacks.spec("early_stopping", patience=1).build()
    with pytest.raises(StopTraining, match="for 1 epoch; it has never existed"):
        never.on_validation(view_of(1, {"roc_auc": None}))


def test_a_metric_that_is_not_measured_is_refused_before_the_first_step() -> None:
    callback = callbacks.spec("early_stopping", metric="roc_acu").build()
    with pytest.raises(FacesimError, match=r"no metric 'roc_acu'.*roc_auc.*measured are") as said:
        callback.on_start(view_of(0, {}))
    assert "callbacks: early_stopping" in str(said.value)


def test_the_metric_is_that_of_the_best_checkpoint_unless_another_is_named() -> None:
    assert (RocAuc.higher_is_better, Eer.higher_is_better) == (True, False)
    callback = callbacks.spec("early_stopping", patience=1).build()
    callback.on_validation(view_of(1, {"roc_auc": 0.5, "eer": 0.5}, best="eer"))
    callback.on_validation(view_of(2, {"roc_auc": 0.4, "eer": 0.4}, best="eer"))
    assert callback.state() == {"best": 0.4, "waited": 0}


def test_a_run_that_it_ends_is_finished_and_its_report_says_why(tmp_path: Path) -> None:
    from tests.plugins.test_trains import BASE

    (tmp_path / "stops.yaml").write_text(BASE)
    stop = "callbacks=[{name: early_stopping, metric: roc_auc, patience: 1, min_delta: 0.9}]"
    experiment = load_experiment(tmp_path / "stops.yaml", [stop, "train.epochs=9"])
    run = Run.begin(experiment, tmp_path / "runs")
    result = run.complete()
    assert result.pairs
    assert run.log is not None
    assert [entry["epoch"] for entry in run.log.val] == [1, 2]
    page = write_report(run.read(), faces=False).read_text(encoding="utf-8")
    assert "A callback ended training with epoch 2 of 9: early_stopping: no better roc_auc" in page
    assert run.missing_stages == ()
