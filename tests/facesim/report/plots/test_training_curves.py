import pytest

from facesim.interfaces.metric import MeanLoss, Metric
from facesim.interfaces.roc import Roc
from facesim.report.plots.training_curves import health_plot, loss_plot, validation_plot
from facesim.runs.log import TrainingLog


class Rate(Metric):
    headline = True

    def __init__(self, name: str, label: str, *, higher: bool = True) -> None:
        self.name, self.label, self.higher_is_better = name, label, higher

    def value(self, roc: Roc, threshold: float) -> float:
        raise NotImplementedError


class Area(Rate):
    unit = "number"


class Quiet(Rate):
    headline = False


ACCURACY = Rate("accuracy", "Accuracy")
ERROR = Rate("error", "EER", higher=False)
AREA = Area("area", "Area")


def log_of(*val: dict[str, object]) -> TrainingLog:
    entries = tuple({"epoch": n, "step": 10 * n, **values} for n, values in enumerate(val, 1))
    train = ({"step": 5, "loss": 2.0}, {"step": 10, "loss": 1.0})
    return TrainingLog(train=train, val=entries, status="finished")


LOG = log_of(
    {"accuracy": 0.8, "error": 0.3, "area": 0.7, "loss": 3.0},
    {"accuracy": 0.7, "error": 0.1, "area": 0.9, "loss": 2.5},
)


def test_headline_rates_are_drawn_and_all_headline_metrics_are_in_the_table() -> None:
    found = validation_plot(LOG, ACCURACY, [ACCURACY, AREA, ERROR, Quiet("loss", "Quiet")])
    assert [series.name for series in found.panels[0].series] == ["Accuracy", "EER"]
    assert found.panels[0].y.unit == "percent"
    assert found.numbers.columns == ("Epoch", "Accuracy", "Area", "EER")
    assert found.numbers.rows[1] == ("2", "70.00%", "0.9000", "10.00%")


@pytest.mark.parametrize(
    ("best", "told"),
    [
        (ACCURACY, "that of the highest accuracy on val: 80.00% in epoch 1."),
        (ERROR, "that of the lowest EER on val: 10.00% in epoch 2."),
        (MeanLoss(), "that of the lowest loss on val: 2.5 in epoch 2."),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_best_epoch_follows_the_metrics_direction(best: Metric, told: str) -> None:
    assert validation_plot(LOG, best, [ACCURACY]).description.endswith(told)


def test_a_metric_that_was_not_logged_is_left_out() -> None:
    other = Rate("other", "Other")
    found = validation_plot(LOG, ACCURACY, [ACCURACY, other])
    assert found.numbers.columns == ("Epoch", "Accuracy")


def test_the_loss_of_batches_and_of_val_has_a_curve_each() -> None:
    found = loss_plot(LOG)
    assert [(series.name, series.y) for series in found.panels[0].series] == [
        ("training batches", (2.0, 1.0)),
        ("val", (3.0, 2.5)),
    ]
    assert "of the training batches went from 2 to 1 and on val went from 3 to 2.5" in (
        found.description
    )


def test_a_long_log_is_averaged() -> None:
    train = tuple({"step": step, "loss": float(step % 2)} for step in range(4000))
    drawn = loss_plot(TrainingLog(train=train, val=(), status="running")).panels[0].series[0]
    assert len(drawn.y) == 1000
    assert set(drawn.y) == {0.5}


@pytest.mark.parametrize(("steps", "marks"), [(1, ("points",)), (2, ("line",))])
def test_a_single_batch_is_a_point(steps: int, marks: tuple[str, ...]) -> None:
    train = tuple({"step": step, "loss": 1.0} for step in range(steps))
    (panel,) = loss_plot(TrainingLog(train=train, val=(), status="running")).panels
    assert panel.series[0].marks == marks


def test_without_a_loss_that_is_said() -> None:
    empty = TrainingLog(train=(), val=(), status="running")
    assert loss_plot(empty).description == "No loss was logged."


def test_only_diagnostics_that_were_logged_are_drawn() -> None:
    found = health_plot(log_of({"effective_rank": 3.0}, {"effective_rank": 2.0}))
    assert [panel.series[0].y for panel in found.panels] == [(3.0, 2.0)]
    assert found.numbers.columns == ("Epoch", "Effective rank")
    assert "After the last epoch: effective rank 2." in found.description


def test_a_share_of_impostors_is_in_percent() -> None:
    found = health_plot(log_of({"impostors_inside_margin": 0.25}))
    assert found.numbers.rows == (("1", "25.00%"),)


def test_curves_are_drawn_over_the_steps_or_epochs_that_have_a_value() -> None:
    log = log_of({"accuracy": 0.8, "loss": 3.0}, {"loss": None}, {"accuracy": 0.9, "loss": 2.0})
    batches, val = loss_plot(log).panels[0].series
    assert (batches.x, val.x, val.y) == ((5, 10), (10, 30), (3.0, 2.0))
    (drawn,) = validation_plot(log, ACCURACY, [ACCURACY]).panels[0].series
    assert (drawn.x, drawn.y) == ((1, 3), (0.8, 0.9))
    table = loss_plot(log).numbers
    assert table.columns == ("Epoch", "Loss")
    assert table.rows == (("1", "3"), ("2", "-"), ("3", "2"))


def test_a_log_of_exactly_a_thousand_batches_is_not_averaged() -> None:
    train = tuple({"step": step, "loss": float(step % 2)} for step in range(1000))
    drawn = loss_plot(TrainingLog(train=train, val=(), status="running")).panels[0].series[0]
    assert set(drawn.y) == {0.0, 1.0}
    assert drawn.x == tuple(range(1000))


def test_without_val_the_words_are_of_the_batches_alone() -> None:
    train = ({"step": 1, "loss": 2.0}, {"step": 2, "loss": 0.5})
    told = loss_plot(TrainingLog(train=train, val=(), status="running")).description
    assert told.startswith("The loss of the training batches went from 2 to 0.5. Batches and val")


def test_curves_have_styles_of_their_own() -> None:
    accuracy, error = validation_plot(LOG, ACCURACY, [ERROR]).panels[0].series
    assert (accuracy.style, error.style) == (0, 1)


def test_a_best_metric_that_no_epoch_has_leaves_its_epoch_out() -> None:
    told = validation_plot(log_of({"error": 0.5}), ACCURACY, [ERROR]).description
    assert told == "The best checkpoint is that of the highest accuracy on val."


def test_each_diagnostic_has_its_plot_over_the_epochs_and_its_column() -> None:
    first: dict[str, object] = {"effective_rank": 3.0, "embedding_relative_variance": 0.5}
    second: dict[str, object] = {"effective_rank": 2.0, "impostors_inside_margin": 0.25}
    found = health_plot(log_of(first, second))
    rank, variance, inside = (panel.series[0] for panel in found.panels)
    assert rank.x == variance.x == inside.x
    assert list(rank.x) == [1, 2]
    assert [list(each.y) for each in (variance, inside)] == [[0.5, None], [None, 0.25]]
    assert [panel.y.title for panel in found.panels] == list(found.numbers.columns[1:])
    assert [panel.x.title for panel in found.panels] == ["", "", "Epoch"]
    assert {panel.x.unit for panel in found.panels} == {"whole"}
    assert found.numbers.rows == (("1", "3", "0.5", "-"), ("2", "2", "-", "25.00%"))
    assert found.description.endswith(
        "After the last epoch: effective rank 2, variance relative to squared length -, impostors "
        "inside the margin 25.00%."
    )
