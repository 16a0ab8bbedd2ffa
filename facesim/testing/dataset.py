"""What a dataset promises."""

from pathlib import PurePosixPath

import numpy as np

from facesim.data.decoding import decode_image
from facesim.interfaces import FaceTable, PairSet
from facesim.registry import Spec
from facesim.testing.contract import Contract, require
from facesim.testing.every_kind import promises_of_every_kind
from facesim.testing.modules import pickled

DATASET: Contract[FaceTable] = Contract("dataset", promises_of_every_kind())

_BUILD_TABLE = "make the table with facesim.data.tables.build_table, which sees to it"


@DATASET.promise(mend=_BUILD_TABLE)
def identities_are_indices_of_labels(spec: Spec[FaceTable]) -> None:
    """Identities are int64 from 0 on, one for each label; the labels are distinct."""
    table = spec.build()
    require(isinstance(table, FaceTable), f"it is no FaceTable but a {type(table).__name__}")
    require(len(table) > 0, "the table is empty, and nothing says so")
    dtype = table.identities.dtype
    require(dtype == np.int64, f"the identities are {dtype}")
    used, labels = np.unique(table.identities), table.labels
    seen = f"{len(labels)} labels, but identities from {used[0]} to {used[-1]}, {len(used)} of them"
    require(np.array_equal(used, np.arange(len(labels))), seen)
    require(len(set(labels)) == len(labels), "two identities have one label")


@DATASET.promise(mend=_BUILD_TABLE)
def no_image_is_there_twice(spec: Spec[FaceTable]) -> None:
    """No image stands in two rows, or a pair could hold it twice."""
    files, counts = np.unique(spec.build().files, return_counts=True)
    twice = files[counts > 1]
    require(not len(twice), f"{len(twice)} images stand in several rows, {twice[:1]} first")


@DATASET.promise(mend=_BUILD_TABLE)
def files_lie_below_the_root(spec: Spec[FaceTable]) -> None:
    """Every image exists, at a path relative to the root that does not leave it."""
    table = spec.build()
    for row, file in enumerate(table.files):
        path = PurePosixPath(str(file))
        outside = path.is_absolute() or ".." in path.parts
        require(not outside, f"row {row}: {path} leaves the root")
        require(table.path(row).is_file(), f"row {row}: there is no file {table.path(row)}")


@DATASET.promise(mend="leave out what is no picture and say so in `notes`, or raise DataError")
def images_can_be_decoded(spec: Spec[FaceTable]) -> None:
    """Images can be read: the first one, the last one, and some between."""
    table = spec.build()
    for row in np.unique(np.linspace(0, len(table) - 1, 5).astype(int)):
        decode_image(table.path(int(row)), (32, 32))


@DATASET.promise(mend="sort what a folder's listing gives; draw nothing, or from a seed parameter")
def table_is_the_same_each_time(spec: Spec[FaceTable]) -> None:
    """Built twice it is the same table, in the same order: a resumed run counts on it."""
    first, second = spec.build(), spec.build()
    for name in ("files", "identities", "labels"):
        same = np.array_equal(getattr(first, name), getattr(second, name))
        require(same, f"the second time, {name} came out otherwise")
    require(first.attributes.equals(second.attributes), "the attributes came out otherwise")


@DATASET.promise(mend="make identities and pairs from the same rows, after all was left out")
def pairs_are_those_of_the_table(spec: Spec[FaceTable]) -> None:
    """If the dataset brings pairs, they are of two different rows, with true labels."""
    table = spec.build()
    if table.pairs is not None:
        _require_pairs_of(table, table.pairs)


@DATASET.promise(mend="keep arrays and text in the table; no open file, no lambda")
def it_can_be_pickled(spec: Spec[FaceTable]) -> None:
    """A worker process can be handed the table."""
    table = spec.build()
    require(np.array_equal(pickled(table).files, table.files), "the copy has other files")


def _require_pairs_of(table: FaceTable, pairs: PairSet) -> None:
    rows = pairs.rows
    shaped = rows.ndim == 2 and rows.shape[1] == 2 and len(pairs.same) == len(rows)
    require(shaped, f"rows {list(rows.shape)} for {len(pairs.same)} labels; write [P, 2] and [P]")
    inside = not len(rows) or 0 <= rows.min() <= rows.max() < len(table)
    require(bool(inside), f"a pair names a row beyond the {len(table)} of the table")
    require(not (rows[:, 0] == rows[:, 1]).any(), "a pair holds one image twice")
    first, second = table.identities[rows].T
    wrong = np.count_nonzero((first == second) != pairs.same)
    require(wrong == 0, f"`same` is wrong for {wrong} of {len(rows)} pairs")
    folds = pairs.fold is None or len(pairs.fold) == len(rows)
    require(folds, "there are not as many folds as pairs")
