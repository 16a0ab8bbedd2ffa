"""Tables of images and sets of evaluation pairs: rows and labels, no pixels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pandas as pd

from facesim.alignment.alignment import Acquisition
from facesim.arrays import BoolArray, FloatArray, Int64Array


@dataclass(frozen=True, eq=False)
class PairSet:
    """The pairs that an evaluation is made on.

    Attributes:
        rows: int64 [P, 2], rows of the table; the two of a pair differ.
        same: bool [P], True where both show one identity (genuine).
        fold: int64 [P], the fold of each pair, or None if there are no folds.
    """

    rows: Int64Array
    same: BoolArray
    fold: Int64Array | None = None

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, eq=False)
class AcquisitionCounts:
    """What an aligner found in the photographs of a table, those that may be left out included.

    Attributes:
        found: how many photographs by what they held.
        photographs: int64 [I], those of each identity.
        failures: int64 [I], those of them in which no face was found, or only uncertain ones.
        left_out: whether the table is without these; if not, their centres are used.
    """

    found: Mapping[Acquisition, int]
    photographs: Int64Array
    failures: Int64Array
    left_out: bool = True


@dataclass(frozen=True)
class FaceTable:
    """The images of one split: one row per image; paths and identities, no pixels.

    Attributes:
        root: the folder that holds the images.
        files: str [N], paths relative to ``root``; none may leave it.
        identities: int64 [N], class indices from 0 to ``len(labels) - 1``.
        labels: str [I], the dataset's own label of each identity.
        attributes: N rows, one column per extra attribute; may have no column.
        notes: what was left out or is unusual, with counts, one sentence each.
        pairs: those that the dataset's own protocol compares, or None if it has none.
        placements: float64 [N, 2, 3], where the crop of each face lies in its image, as
            :meth:`facesim.alignment.template.Template.place` gives it; None where images are used
            whole. The engine sets it; a dataset does not.
        acquisition: what the aligner found; None without one.
    """

    root: Path
    files: npt.NDArray[Any]
    identities: Int64Array
    labels: npt.NDArray[Any]
    attributes: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: tuple[str, ...] = ()
    pairs: PairSet | None = None
    placements: FloatArray | None = None
    acquisition: AcquisitionCounts | None = None

    def __post_init__(self) -> None:
        if len(self.files) != len(self.identities):
            raise ValueError(f"{len(self.files)} files but {len(self.identities)} identities")
        if self.attributes.columns.size and len(self.attributes) != len(self.files):
            raise ValueError(f"{len(self.files)} files but {len(self.attributes)} attribute rows")

    def __len__(self) -> int:
        return len(self.files)

    def path(self, row: int) -> Path:
        """The image file of one row."""
        return self.root / str(self.files[row])

    def placement(self, row: int) -> FloatArray | None:
        """Where the crop of one row's face lies, float64 [2, 3]; None where images are whole."""
        return None if self.placements is None else self.placements[row]
