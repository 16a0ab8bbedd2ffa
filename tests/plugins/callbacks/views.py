"""What callbacks are shown in these tests."""

from collections.abc import Callable, Mapping
from pathlib import Path

from facesim import EmbeddedImages, TrainingView
from facesim.interfaces import Quantity
from facesim.interfaces.metric import MeanLoss
from facesim_plugins.metrics.eer import Eer
from facesim_plugins.metrics.roc_auc import RocAuc


def view_of(
    epoch: int,
    metrics: Mapping[str, float | None],
    *,
    best: str = "roc_auc",
    folder: Path = Path(),
    embed: Callable[[str, int | None], EmbeddedImages] | None = None,
    log: Callable[[Mapping[str, float]], None] | None = None,
) -> TrainingView:
    """A view in an epoch of ten, of a network without weights."""
    quantities: dict[str, Quantity] = {"roc_auc": RocAuc(), "eer": Eer(), "loss": MeanLoss()}
    given = {name: each for name, each in (("embedder", embed), ("logger", log)) if each}
    return TrainingView(
        name="tried",
        epoch=epoch,
        epochs=10,
        step=4 * epoch,
        metrics=metrics,
        quantities=quantities,
        best=best,
        best_value=None,
        best_epoch=None,
        learning_rates={"tail": 0.1 / (epoch + 1), "head": 0.2 / (epoch + 1)},
        network={},
        folder=folder,
        **given,  # type: ignore[arg-type]
    )
