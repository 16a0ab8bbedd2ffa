"""A map of the embeddings that `save_embeddings` has saved."""

from pathlib import Path
from typing import Annotated, Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from pydantic import Field

from facesim import (
    Axis,
    DataError,
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

_MOST_BYTES = 256 * 2**20
"""Of the arrays of a file, as of what a callback may save: a small archive may hold far more."""

_MOST_IMAGES = 10_000
_MOST_DIMENSIONS = 4096


@report_sections("embedding_map")
class EmbeddingMap(ReportSection):
    """The newest embeddings of the callback `save_embeddings`, on their first two components.

    Principal component analysis over the images of the file; of more than 10,000 over so many,
    evenly spaced. The identities with the most images are drawn, each with a colour and a marker of
    its own.
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
        newest: dict[str, tuple[int, Path]] = {}
        for key, paths in run.files.items():
            for path in paths if key.partition("-")[0] == _CALLBACK else ():
                split, _, epoch = path.stem.partition("-epoch-")
                if path.suffix == ".npz" and epoch.isdecimal():
                    newest[split] = max(newest.get(split, (0, path)), (int(epoch), path))
        if not newest:
            told = f"The callback {_CALLBACK}, whose files are drawn here, has written none."
            return Section("embedding-map", "Embeddings", (Text(told, "note"),))
        plots = tuple(self._plot(split, *newest[split]) for split in sorted(newest))
        return Section("embedding-map", "Embeddings", plots)

    def _plot(self, split: str, epoch: int, path: Path) -> Plot:
        labels, embeddings, images = _read(path)
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
        of_all = f" of {images:,}" if images > len(labels) else ""
        return Plot(
            f"embeddings-{split}",
            f"Embeddings of {split} after epoch {epoch}",
            f"{len(shown)} of {len(names)} identities on the first two principal components of "
            f"{len(labels):,} images{of_all}; what is close here may be far apart in the other "
            "dimensions.",
            (Panel(Axis(first), Axis(second), tuple(series), height=420),),
            Table("Identities", ("Identity", "Images", "Mean, first", "Mean, second"), tuple(rows)),
        )


def _read(path: Path) -> tuple[Any, FloatArray, int]:
    """Labels [N] and embeddings [N, D] of a file that anybody may have made, and its images.

    Raises:
        DataError: it does not hold what the callback writes, or more than it may.
    """
    try:
        with ZipFile(path) as archive:
            if sum(each.file_size for each in archive.infolist()) > _MOST_BYTES:
                raise DataError(f"{path}: its arrays are larger than 256 MiB")
            for name in ("labels", "embeddings"):
                _require_whole(archive, name, path)
        with np.load(path, allow_pickle=False) as arrays:
            labels, embeddings = arrays["labels"], arrays["embeddings"]
    except (BadZipFile, KeyError, ValueError, NotImplementedError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: is not what {_CALLBACK} writes: {reason}") from None
    images = len(embeddings)
    if len(labels) != images or not images or not 0 < embeddings.shape[1] <= _MOST_DIMENSIONS:
        raise DataError(
            f"{path}: {len(labels)} labels and embeddings of shape {embeddings.shape}; wanted is a "
            f"label per row, and 1 to {_MOST_DIMENSIONS} dimensions"
        )
    rows = np.linspace(0, images - 1, min(images, _MOST_IMAGES)).astype(np.int64)
    sample = embeddings[rows].astype(np.float64)
    if not np.isfinite(sample).all():
        raise DataError(f"{path}: an embedding is not finite")
    return labels[rows], sample, images


def _require_whole(archive: ZipFile, name: str, path: Path) -> None:
    """Raise unless an array has the type that is wanted, and as many bytes as its header says."""
    kind, dimensions = {"labels": ("U", 1), "embeddings": ("f", 2)}[name]
    member = archive.getinfo(f"{name}.npy")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read_header(file)
    size = dtype.itemsize
    for length in shape:
        size *= length
    if dtype.kind != kind or len(shape) != dimensions or size > member.file_size:
        raise DataError(f"{path}: {name} are {dtype} of shape {shape}, of {member.file_size} bytes")


def _components(embeddings: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Coordinates [N, 2] on the first two principal components, and their shares [2]."""
    centred = embeddings - embeddings.mean(axis=0)
    variances, axes = np.linalg.eigh(centred.T @ centred)  # [D], ascending, and [D, D]
    # Embeddings of one dimension have one component.
    variances = np.pad(variances.clip(0)[::-1], (0, 1))
    points = np.pad(centred @ axes[:, :-3:-1], ((0, 0), (0, 1)))[:, :2]
    total = float(variances.sum())
    return points, variances[:2] / total if total else np.zeros(2)
