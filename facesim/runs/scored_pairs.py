"""``scores.csv``: the pairs that an evaluation compared, by file name, with their scores."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.errors import DataError
from facesim.interfaces import FaceTable

_COLUMNS = {
    "file1": str,
    "file2": str,
    "same": np.int8,
    "score": np.float64,
    "probability": np.float64,
}


@dataclass(frozen=True, eq=False)
class NamedPairs:
    """Scored pairs of files.

    Attributes:
        files: str [P, 2], paths as in the table.
        same: bool [P], True for genuine pairs.
        scores: float64 [P].
        probabilities: float64 [P], of showing one person; None where val supported no calibration.
    """

    files: npt.NDArray[np.object_]
    same: BoolArray
    scores: FloatArray
    probabilities: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def same_pairs_as(self, other: "NamedPairs") -> bool:
        """Whether both hold the same pairs in the same order."""
        return np.array_equal(self.files, other.files) and np.array_equal(self.same, other.same)


def read_scored_pairs(path: Path) -> NamedPairs | None:
    """Read ``file1,file2,same,score[,probability]``; None if there is no file.

    Further columns are left out.

    Raises:
        DataError: a column is missing, or ``same`` or ``score`` holds no number.
    """
    if not path.is_file():
        return None
    try:
        table = pd.read_csv(
            path,
            usecols=lambda column: column in _COLUMNS,
            dtype=_COLUMNS,
            keep_default_na=False,
            encoding_errors="surrogateescape",
        )
    except ValueError as error:
        raise DataError(f"{path}: {error}; `facesim eval` writes it again") from None
    missing = [column for column in _COLUMNS if column not in (*table.columns, "probability")]
    if missing:
        raise DataError(f"{path}: the column {missing[0]} is missing; `facesim eval` writes it")
    return NamedPairs(
        table[["file1", "file2"]].to_numpy(dtype=object),
        table["same"].to_numpy(bool),
        table["score"].to_numpy(np.float64),
        table["probability"].to_numpy(np.float64) if "probability" in table else None,
    )


def rows_of(pairs: NamedPairs, table: FaceTable) -> Int64Array:
    """The rows int64 [P, 2] of the table that the pairs' files stand in.

    Raises:
        DataError: a file is not in the table.
    """
    index = pd.Index(table.files.astype(object))
    rows: Int64Array = index.get_indexer(pairs.files.ravel()).astype(np.int64)
    missing = np.flatnonzero(rows < 0)
    if missing.size:
        raise DataError(
            f"{missing.size} scored files are not in the table any more, the first is "
            f"{pairs.files.ravel()[missing[0]]!r}; evaluate again"
        )
    return rows.reshape(pairs.files.shape)
