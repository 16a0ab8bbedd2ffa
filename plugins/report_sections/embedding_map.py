"""A map of the embeddings that `save_embeddings` has saved."""

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from facesim import (
    Axis,
    FloatArray,
    Panel,
    Plot,
    ReportSection,
    RunRecord,
    Section,
    Series,
    Table,
    Text,
    report_sections,
)

_CALLBACK = "save_embeddings"


@report_sections("embedding_map")
class EmbeddingMap(ReportSection):
    """The newest embeddings of the callback `save_embeddings`, on their first two components.

    Principal component analysis over all images of the file. The identities with the most images
    are drawn, each with a colour and a marker of its own.
    """

    def __init__(
        self,
        *,
        identities: Annotated[
            int, Field(gt=0, le=12, description="how many are drawn; 12 can be told apart")
        ] = 12,
    ) -> None:
        self.identities = identities

    def section(self, run: RunRecord) -> Section | None:
        """One plot per split that was saved; of a run in folds, in the reports of its folds."""
        if run.folds:
            return None
        newest: dict[str, Path] = {}
        for key, paths in run.files.items():
            for path in paths if key.partition("-")[0] == _CALLBACK else ():
                newest[path.stem.partition("-")[0]] = path  # they are sorted by epoch
        if not newest:
            told = f"The callback {_CALLBACK}, whose files are drawn here, has written none."
            return Section("embedding-map", "Embeddings", (Text(told, "note"),))
        plots = tuple(self._plot(split, path) for split, path in sorted(newest.items()))
        return Section("embedding-map", "Embeddings", plots)

    def _plot(self, split: str, path: Path) -> Plot:
        with np.load(path, allow_pickle=False) as arrays:
            labels, embeddings = arrays["labels"], arrays["embeddings"].astype(np.float64)
        points, shares = _components(embeddings)
        names, counts = np.unique(labels, return_counts=True)
        shown = names[np.argsort(-counts, kind="stable")][: self.identities]
        series, rows = [], []
        for style, name in enumerate(shown):
            x, y = points[labels == name].T
            series.append(Series(str(name), (*x.tolist(),), (*y.tolist(),), style, ("points",)))
            rows.append((str(name), str(len(x)), f"{x.mean():.3f}", f"{y.mean():.3f}"))
        first, second = (
            f"{order} component, {share:.0%} of the variance"
            for order, share in zip(("First", "Second"), shares, strict=True)
        )
        epoch = int(path.stem.rpartition("-")[2])
        return Plot(
            f"embeddings-{split}",
            f"Embeddings of {split} after epoch {epoch}",
            f"{len(shown)} of {len(names)} identities on the first two principal components of "
            f"{len(labels):,} images; what is close here may be far apart in the other dimensions.",
            (Panel(Axis(first), Axis(second), tuple(series), height=420),),
            Table("Identities", ("Identity", "Images", "Mean, first", "Mean, second"), tuple(rows)),
        )


def _components(embeddings: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Coordinates [N, 2] on the first two principal components, and their shares [2]."""
    centred = embeddings - embeddings.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    # Embeddings of one dimension, or a single image, have fewer than two components.
    sizes = np.pad(sizes, (0, 2))
    points = np.pad(left, ((0, 0), (0, 2)))[:, :2] * sizes[:2]
    total = float((sizes**2).sum())
    return points, sizes[:2] ** 2 / total if total else np.zeros(2)
