"""Embeddings of whole splits, in a space whitened within identities."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facesim.arrays import FloatArray, Int64Array
from facesim.interfaces import FaceTable


@dataclass(frozen=True, eq=False)
class EmbeddedSplit:
    """Embeddings of some images of a split, all of each identity.

    Attributes:
        name: of the split.
        table: its images.
        rows: int64 [N], of the table.
        embeddings: float [N, D]; of a network that was not trained on the labels that are doubted.
    """

    name: str
    table: FaceTable
    rows: Int64Array
    embeddings: FloatArray

    @property
    def people(self) -> Int64Array:
        """The identity of each row, from 0 without gaps: int64 [N]."""
        _, people = np.unique(self.table.identities[self.rows], return_inverse=True)
        return np.asarray(people.ravel(), np.int64)

    @property
    def labels(self) -> list[str]:
        """Of each of :attr:`people`."""
        codes = np.unique(self.table.identities[self.rows])
        return [str(label) for label in self.table.labels[codes]]

    def file(self, image: int) -> str:
        """The image's path in its table."""
        return str(self.table.files[self.rows[image]])

    def path(self, image: int) -> Path:
        """The image's file."""
        return self.table.path(int(self.rows[image]))


class WhitenedSplits:
    """Embeddings in spaces in which images of one identity spread alike in every direction.

    WCCN: Hatch and Stolcke, "Generalized linear kernels for one-versus-all classification", 2006.

    Args:
        splits: with embeddings of one network.
    """

    def __init__(self, splits: Sequence[EmbeddedSplit]) -> None:
        unit = {split.name: _unit(split.embeddings.astype(np.float64)) for split in splits}
        mean = np.concatenate(list(unit.values())).mean(axis=0)
        self._images = {name: _unit(images - mean) for name, images in unit.items()}
        self._within = {split.name: self._scatter(split) for split in splits}

    def images(
        self, split: EmbeddedSplit, by: Sequence[EmbeddedSplit], shrinkage: float
    ) -> FloatArray:
        """The embeddings of a split, float64 [N, D] of length 1.

        Args:
            split: one of those given.
            by: splits whose covariance within identities becomes the identity matrix.
            shrinkage: multiple of its mean variance that is added to the covariance.
        """
        nothing = np.zeros_like(self._within[split.name])
        scatter = sum((self._within[other.name] for other in by), nothing)
        freedom = sum(len(other.rows) - len(other.labels) for other in by)
        covariance = scatter / max(freedom, 1)
        level = max(float(np.trace(covariance)) / len(covariance), 1e-12)
        shrunk = covariance + shrinkage * level * np.eye(len(covariance))
        return _unit(np.linalg.solve(np.linalg.cholesky(shrunk), self._images[split.name].T).T)

    def _scatter(self, split: EmbeddedSplit) -> FloatArray:
        images, people = self._images[split.name], split.people
        means = np.zeros((len(split.labels), images.shape[1]))
        np.add.at(means, people, images)
        deviations = images - (means / np.bincount(people)[:, None])[people]
        return np.asarray(deviations.T @ deviations)


def similarities(images: FloatArray, people: Int64Array) -> tuple[FloatArray, FloatArray]:
    """Mean cosines to the images of each identity [N, I], and to the others of the own one [N]."""
    counts = np.bincount(people)
    sums = np.zeros((len(counts), images.shape[1]))
    np.add.at(sums, people, images)
    to_sums = images @ sums.T
    itself = np.square(images).sum(axis=1)
    others = np.where(counts > 1, counts - 1, np.nan)[people]
    own = (to_sums[np.arange(len(images)), people] - itself) / others
    return to_sums / counts, own


def _unit(rows: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12))
