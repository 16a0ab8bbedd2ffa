"""A distribution of somebody else that works: a callback, a report section and a metric."""

import json
from typing import Annotated, Any

from pydantic import Field

from facesim import (
    Callback,
    Metric,
    ReportSection,
    Roc,
    RunRecord,
    Section,
    StopTraining,
    Table,
    Text,
    TrainingView,
    callbacks,
    metrics,
    report_sections,
)


@metrics("acme_gap")
class AcmeGap(Metric):
    """Share of genuine pairs accepted less that of impostor pairs, at the threshold of val."""

    label = "Acme gap"
    range = (-1.0, 1.0)
    at_threshold = True
    headline = True

    def value(self, roc: Roc, threshold: float) -> float:
        """``TAR - FMR``."""
        at = roc.at(threshold)
        return at.tar - at.fmr


@callbacks("acme_spread")
class AcmeSpread(Callback):
    """Keep how far the embeddings of val spread, and end training after some epochs."""

    def __init__(
        self, *, epochs: Annotated[int, Field(gt=0, description="after which training ends")] = 2
    ) -> None:
        self.epochs = epochs
        self.spreads: list[float] = []

    def on_epoch_end(self, view: TrainingView) -> None:
        """Log and write the standard deviation of the embeddings."""
        self.spreads.append(float(view.embed("val").embeddings.std()))
        view.log({"spread": self.spreads[-1]})
        view.save("spreads.json", json.dumps(self.spreads).encode())
        if len(self.spreads) == self.epochs:
            raise StopTraining(f"{self.epochs} epochs are enough for acme")

    def state(self) -> dict[str, Any]:
        """The spreads so far."""
        return {"spreads": self.spreads}

    def load_state(self, state: dict[str, Any]) -> None:
        """Those of before."""
        self.spreads = state["spreads"]


@report_sections("acme_spreads")
class AcmeSpreads(ReportSection):
    """The spreads that `acme_spread` wrote."""

    def section(self, run: RunRecord) -> Section | None:
        """One row per epoch."""
        files = run.files.get("acme_spread", ())
        if not files:
            return None
        spreads = json.loads(files[0].read_text(encoding="utf-8"))
        rows = tuple((f"Epoch {epoch}", f"{it:.3f}") for epoch, it in enumerate(spreads, start=1))
        blocks = (Text(f"Training ended: {run.stopped}."), Table("Spread", ("Epoch", "Std"), rows))
        return Section("spreads", "Spread of <embeddings>", blocks)
