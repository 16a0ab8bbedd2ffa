"""Pairs of a CSV file."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from facesim import (
    DataError,
    FaceTable,
    Int64Array,
    PairBatch,
    TableSampler,
    read_training_pairs,
    samplers,
)


@samplers("from_file")
class FromFile(TableSampler):
    """Every pair of a file once per epoch, in a new random order.

    The file is a CSV with the columns ``file1,file2``, paths as in the training table, and
    optionally ``same``: 1 for one identity, 0 for two. The table's identities decide; a ``same``
    that contradicts them is an error. The files in a run directory's ``pairs/`` have this format.

    Args:
        identities: int64 [N], the identity of every row of the table.
        batch_size: pairs per batch; the last batch of an epoch may hold fewer.
        seed: together with the epoch it decides the order.
        pairs: the file.

    Raises:
        DataError: by ``read_table``: the file cannot be read, a line holds an image that the table
            does not list, an image twice or a wrong ``same`` (named by line), or all pairs are of
            one class.
    """

    def __init__(
        self,
        identities: Int64Array,
        batch_size: int,
        seed: int,
        *,
        pairs: Annotated[Path, Field(description="CSV file1,file2[,same]")],
    ) -> None:
        self._identities = identities
        self._batch_size = batch_size
        self._seed = seed
        self._path = pairs
        self._rows: Int64Array = np.empty((0, 2), np.int64)

    def read_table(self, table: FaceTable) -> None:
        """Find the images of the pairs in the table."""
        pairs = read_training_pairs(self._path, table)
        if pairs.same.all() or not pairs.same.any():
            there = "genuine" if pairs.same.any() else "impostor"
            raise DataError(
                f"{self._path}: all {len(pairs)} pairs are {there} ones; training needs pairs of "
                "both classes"
            )
        self._rows = pairs.rows

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        """The batches of one epoch, generated lazily."""
        generator = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(epoch,)))
        order = generator.permutation(len(self._rows))
        for start in range(0, len(order), self._batch_size):
            rows = self._rows[order[start : start + self._batch_size]]
            yield PairBatch.of_pairs(rows, self._identities)

    def __len__(self) -> int:
        return math.ceil(len(self._rows) / self._batch_size)
