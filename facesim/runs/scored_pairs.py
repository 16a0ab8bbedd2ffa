"""``scores.csv``: the pairs of an evaluation by file and identity, with their scores."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.atomic import replacing, require_unchanged, write_text
from facesim.bounded import JSON_BYTES, read_file
from facesim.csv_cells import guarded_all, unguarded_all
from facesim.errors import DataError
from facesim.interfaces import FaceTable, PairSet
from facesim.interfaces.protocol import ScoredPairs
from facesim.interfaces.roc import Roc
from facesim.interfaces.scores import LabelledScores, effective_pair_identities
from facesim.runs.directory import EVALUATE_AGAIN, EvaluationFile

_COLUMNS = {
    "file1": str,
    "file2": str,
    "identity1": str,
    "identity2": str,
    "same": np.int8,
    "score": np.float64,
    "probability": np.float64,
    "network": np.int64,
}
_OPTIONAL = ("identity1", "identity2", "probability", "network")
"""Format 1 has no identities; without enough pairs of val there is no probability; only a run of
folds has several networks."""


@dataclass(frozen=True, eq=False)
class PairIdentities:
    """The identities on both sides of P pairs.

    Attributes:
        codes: int64 [P, 2], as the pairs themselves have them: the two of a pair are equal if and
            only if it is genuine. Their order is that of the table's identities, on which the
            resamples of the intervals depend.
        labels: str [I], the dataset's own label of each identity of the pairs.
    """

    codes: Int64Array
    labels: npt.NDArray[np.object_]

    @classmethod
    def of_labels(
        cls, sides: npt.NDArray[np.object_], same: BoolArray, order: Sequence[str]
    ) -> "PairIdentities":
        """From the labels of both sides, str [P, 2], and the order of the distinct ones.

        Raises:
            KeyError: a label is not in ``order``.
        """
        labels = np.array(order, dtype=object)
        codes = pd.Index(labels).get_indexer(sides.ravel()).astype(np.int64).reshape(sides.shape)
        if (codes < 0).any():
            raise KeyError(sides[codes < 0][0])
        pairs = PairSet(codes, same)
        effective = effective_pair_identities(pairs, np.arange(len(labels)))
        return cls(np.stack(effective, axis=1), labels)


@dataclass(frozen=True, eq=False)
class NamedPairs:
    """Scored pairs of files.

    Attributes:
        files: str [P, 2], paths as in the table.
        same: bool [P], True for genuine pairs.
        scores: float64 [P].
        probabilities: float64 [P], of showing one person; None where val supported no calibration.
        identities: on both sides; None in runs of format 1, where only the table knows them.
        network: int64 [P], which of several networks gave each score, less its own threshold; None
            where one gave all.
    """

    files: npt.NDArray[np.object_]
    same: BoolArray
    scores: FloatArray
    probabilities: FloatArray | None = None
    identities: PairIdentities | None = None
    network: Int64Array | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def roc(self) -> Roc:
        """The ROC curve; of several networks the mean of theirs at each FMR.

        Each score then gives way to its place among the impostor pairs of its network. Pepe and
        Cai, "The analysis of placement values for evaluating discriminatory measures", 2004.
        """
        scores = self.scores
        if self.network is not None:
            scores = np.empty(len(self))
            for each in np.unique(self.network):
                at = self.network == each
                impostor = np.sort(self.scores[at & ~self.same])
                ends = [np.searchsorted(impostor, self.scores[at], s) for s in ("left", "right")]
                # An impostor pair is at its own rank, a genuine one between those of two.
                scores[at] = (sum(ends) - 1) / 2 / max(len(impostor), 1)
        return Roc.of_scores(scores, self.same)

    def same_pairs_as(self, other: "NamedPairs") -> bool:
        """Whether both hold the same pairs in the same order."""
        return np.array_equal(self.files, other.files) and np.array_equal(self.same, other.same)

    def as_frame(self) -> pd.DataFrame:
        """One row per pair: file1, file2, identity1, identity2, same, score and probability.

        The columns that are not known are left out.
        """
        columns: dict[str, Any] = {"file1": self.files[:, 0], "file2": self.files[:, 1]}
        if self.identities is not None:
            labels = self.identities.labels[self.identities.codes]
            columns |= {"identity1": labels[:, 0], "identity2": labels[:, 1]}
        columns |= {"same": self.same, "score": self.scores}
        if self.probabilities is not None:
            columns["probability"] = self.probabilities
        if self.network is not None:
            columns["network"] = self.network
        return pd.DataFrame(columns, copy=True)

    def rows_of_pairs(self) -> dict[tuple[str, str, bool], int]:
        """The row of each pair by its files, in alphabetical order, and by ``same``."""
        sides, same = np.sort(self.files, axis=1).tolist(), self.same.tolist()
        pairs = zip(sides, same, strict=True)
        return {(*files, is_same): row for row, (files, is_same) in enumerate(pairs)}

    def taken(self, rows: Sequence[int]) -> "NamedPairs":
        """Some of the pairs, by their rows."""
        at = np.array(rows, np.int64)
        identities, probabilities = self.identities, self.probabilities
        network = self.network
        return NamedPairs(
            self.files[at],
            self.same[at],
            self.scores[at],
            None if probabilities is None else probabilities[at],
            None if identities is None else replace(identities, codes=identities.codes[at]),
            None if network is None else network[at],
        )

    def labelled(self, identities: PairIdentities) -> LabelledScores:
        """The scores with the identities of these pairs."""
        scored = LabelledScores.of(self.scores, self.same, *identities.codes.T)
        return replace(scored, network=self.network)


def shared_pairs(first: NamedPairs, second: NamedPairs) -> tuple[NamedPairs, NamedPairs]:
    """The pairs that both hold, whichever file stands first, in one order and each once."""
    rows_of = first.rows_of_pairs(), second.rows_of_pairs()
    both = [pair for pair in rows_of[0] if pair in rows_of[1]]
    ours, theirs = ([rows[pair] for pair in both] for rows in rows_of)
    return first.taken(ours), second.taken(theirs)


def write_scored_pairs(
    folder: Path, table: FaceTable, scored: ScoredPairs, probabilities: FloatArray | None
) -> None:
    """Write ``scores.csv``, and the order of its identities as ``identities.json``.

    A name or label that a spreadsheet would take for a formula is guarded by an apostrophe.

    Args:
        folder: of the evaluation.
        table: the images.
        scored: its pairs.
        probabilities: float64 [P], of a genuine pair; None where there are none.
    """
    rows = scored.pairs.rows
    files = guarded_all(np.asarray(table.files))[rows]
    labels = guarded_all(np.asarray(table.labels))[table.identities[rows]]
    columns = {
        "file1": files[:, 0],
        "file2": files[:, 1],
        "identity1": labels[:, 0],
        "identity2": labels[:, 1],
        "same": scored.pairs.same.astype(int),
        "score": scored.scores,
    }
    if scored.pairs.fold is not None:
        columns["fold"] = scored.pairs.fold
    if scored.network is not None:
        columns["network"] = scored.network
    if probabilities is not None:
        columns["probability"] = probabilities
    order = np.asarray(table.labels)[np.unique(table.identities[rows])]
    write_text(folder / EvaluationFile.IDENTITIES, json.dumps(order.tolist(), indent=0) + "\n")
    with replacing(folder / EvaluationFile.SCORES) as file:
        pd.DataFrame(columns).to_csv(
            file, index=False, lineterminator="\n", errors="surrogateescape"
        )


def read_scored_pairs(folder: Path) -> NamedPairs | None:
    """Read ``file1,file2[,identity1,identity2],same,score[,probability][,network]``.

    Further columns are left out. None without the file.

    Raises:
        DataError: a file is not what facesim wrote, a column is missing, ``same`` or ``score``
            holds no number, or ``identities.json`` does not belong to the file.
    """
    path = folder / EvaluationFile.SCORES
    if not path.is_file():
        return None
    for file in (path, folder / EvaluationFile.IDENTITIES):
        require_unchanged(file, EVALUATE_AGAIN)
    try:
        table = pd.read_csv(
            path,
            usecols=lambda column: column in _COLUMNS,
            dtype=_COLUMNS,
            keep_default_na=False,
            encoding_errors="surrogateescape",
        )
    except ValueError as error:
        raise DataError(f"{path}: {error}; {EVALUATE_AGAIN}") from None
    missing = [column for column in _COLUMNS if column not in (*table.columns, *_OPTIONAL)]
    if missing:
        raise DataError(f"{path}: the column {missing[0]} is missing; `facesim eval` writes it")
    pairs = NamedPairs(
        unguarded_all(table[["file1", "file2"]].to_numpy(dtype=object)),
        table["same"].to_numpy(bool),
        table["score"].to_numpy(np.float64),
        table["probability"].to_numpy(np.float64) if "probability" in table else None,
        network=table["network"].to_numpy(np.int64) if "network" in table else None,
    )
    if not {"identity1", "identity2"} <= set(table.columns):
        return pairs
    sides = unguarded_all(table[["identity1", "identity2"]].to_numpy(dtype=object))
    return replace(pairs, identities=_identities(folder, sides, pairs.same))


def _identities(folder: Path, sides: npt.NDArray[np.object_], same: BoolArray) -> PairIdentities:
    path = folder / EvaluationFile.IDENTITIES
    try:
        order = TypeAdapter(list[str]).validate_json(read_file(path, JSON_BYTES))
        return PairIdentities.of_labels(sides, same, order)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise DataError(f"{path}: {reason}; {EVALUATE_AGAIN}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {error}; {EVALUATE_AGAIN}") from None
    except KeyError as error:
        raise DataError(
            f"{path}: the identity {error} of {EvaluationFile.SCORES} is missing; "
            "`facesim eval` writes both"
        ) from None


def write_baseline_scores(folder: Path, scores: Mapping[str, FloatArray]) -> None:
    """Write ``baseline_scores.csv``: a column per baseline, a row per row of ``scores.csv``.

    Without any the file is deleted.
    """
    path = folder / EvaluationFile.BASELINE_SCORES
    if not scores:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as file:
        pd.DataFrame(scores).to_csv(file, index=False, lineterminator="\n")


def read_baseline_scores(folder: Path, pairs: int) -> dict[str, FloatArray]:
    """Read ``baseline_scores.csv``, float64 [P] by baseline; empty without the file.

    Args:
        folder: of the evaluation.
        pairs: P, the rows of its ``scores.csv``.

    Raises:
        DataError: the file is not what facesim wrote.
    """
    path = folder / EvaluationFile.BASELINE_SCORES
    if not path.is_file():
        return {}
    require_unchanged(path, EVALUATE_AGAIN)
    try:
        table = pd.read_csv(path, dtype=np.float64)
    except ValueError as error:
        raise DataError(f"{path}: {error}; {EVALUATE_AGAIN}") from None
    if len(table) != pairs or not np.isfinite(table.to_numpy()).all():
        raise DataError(
            f"{path}: a finite score is needed for each of the {pairs:,} pairs of "
            f"{EvaluationFile.SCORES}; {EVALUATE_AGAIN}"
        )
    return {str(name): table[name].to_numpy(np.float64) for name in table}


@dataclass(frozen=True, eq=False)
class ScoredImages:
    """The table that pairs are of.

    Attributes:
        table: the images.
        rows: int64 [P, 2], the rows of each pair.
    """

    table: FaceTable
    rows: Int64Array

    @classmethod
    def find(cls, pairs: NamedPairs, table: FaceTable) -> "ScoredImages":
        """Find the files of pairs in a table.

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
        return cls(table, rows.reshape(pairs.files.shape))

    def identities(self, same: BoolArray) -> PairIdentities:
        """Those of the table, as the pairs have them whose ``same`` bool [P] this is."""
        effective = effective_pair_identities(PairSet(self.rows, same), self.table.identities)
        return PairIdentities(np.stack(effective, axis=1), self.table.labels.astype(object))
