"""Early stopping: the end of a training that has ceased to improve."""

from typing import Annotated, Any

from pydantic import Field

from facesim import Callback, FacesimError, StopTraining, TrainingView, callbacks, did_you_mean


@callbacks("early_stopping")
class EarlyStopping(Callback):
    """End training where a metric on val has not improved for some epochs.

    Prechelt, "Early Stopping - But When?", 1998. An epoch in which the metric does not exist counts
    as one without an improvement.
    """

    def __init__(
        self,
        *,
        metric: Annotated[
            str | None,
            Field(description="a metric that is measured on val, or loss; that of `train.best`"),
        ] = None,
        patience: Annotated[
            int, Field(gt=0, description="epochs without an improvement after which training ends")
        ] = 3,
        min_delta: Annotated[
            float, Field(ge=0, description="a change up to this size is no improvement")
        ] = 0.0,
        first_epochs: Annotated[
            int, Field(ge=0, description="epochs in which training never ends, nor is waited for")
        ] = 0,
    ) -> None:
        self.metric = metric
        self.patience = patience
        self.min_delta = min_delta
        self.first_epochs = first_epochs
        self.best: float | None = None
        self.waited = 0

    def on_start(self, view: TrainingView) -> None:
        """Refuse a metric that is not measured, before anything is trained."""
        name = self.metric or view.best
        if name not in view.quantities:
            known = list(view.quantities)
            raise FacesimError(
                f"callbacks: early_stopping: there is no metric {name!r}"
                f"{did_you_mean(name, known)}; measured are {', '.join(known)}"
            )

    def on_validation(self, view: TrainingView) -> None:
        """Compare with the best epoch so far."""
        name = self.metric or view.best
        quantity, value = view.quantities[name], view.metrics[name]
        margin = self.min_delta if quantity.higher_is_better else -self.min_delta
        if quantity.better(value, None if self.best is None else self.best + margin):
            self.best, self.waited = value, 0
        elif view.epoch > self.first_epochs:
            self.waited += 1
        if self.waited >= self.patience:
            best = "has never existed" if self.best is None else f"was best at {self.best:.4f}"
            epochs = "epoch" if self.waited == 1 else "epochs"
            raise StopTraining(f"no better {name} on val for {self.waited} {epochs}; it {best}")

    def state(self) -> dict[str, Any]:
        """The best value, and the epochs since."""
        return {"best": self.best, "waited": self.waited}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on waiting where the checkpoint was written."""
        self.best, self.waited = state["best"], state["waited"]
