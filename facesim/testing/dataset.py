"""Contract of datasets."""

from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np

from facesim.data.decoding import decode_image
from facesim.errors import DataError, count
from facesim.interfaces import FaceTable, PairSet, Recognised
from facesim.registry import Spec
from facesim.testing.contract import Contract, promises_of_every_kind, require
from facesim.testing.modules import pickled

DATASET: Contract[FaceTable] = Contract("dataset", promises_of_every_kind())

_SPLITS = ("train", "val", "test")
_BUILD_TABLE = "make the table with facesim.build_table, which ensures it"


@DATASET.promise(hint=_BUILD_TABLE)
def identities_are_indices_of_labels(spec: Spec[FaceTable]) -> None:
    """Identities are int64 from 0, one per label; the labels are distinct."""
    table = spec.build()
    require(len(table) > 0, "the table is empty; raise DataError instead")
    dtype = table.identities.dtype
    require(dtype == np.int64, f"the identities are {dtype}")
    used, labels = np.unique(table.identities), table.labels
    observed = (
        f"{len(labels)} labels, but identities from {used[0]} to {used[-1]}, {len(used)} of them"
    )
    require(np.array_equal(used, np.arange(len(labels))), observed)
    require(len(set(labels)) == len(labels), "two identities have the same label")


@DATASET.promise(hint=_BUILD_TABLE)
def no_image_is_listed_twice(spec: Spec[FaceTable]) -> None:
    """No image is in two rows, because a pair could then hold it twice."""
    files, counts = np.unique(spec.build().files, return_counts=True)
    twice = files[counts > 1]
    require(not len(twice), f"{count(len(twice), 'image')} in several rows, the first {twice[:1]}")


@DATASET.promise(hint=_BUILD_TABLE)
def files_lie_below_the_root(spec: Spec[FaceTable]) -> None:
    """Every image exists, at a relative path inside the root."""
    table = spec.build()
    for row, file in enumerate(table.files):
        path = PurePosixPath(str(file))
        outside = path.is_absolute() or ".." in path.parts
        require(not outside, f"row {row}: {path} leaves the root")
        require(table.path(row).is_file(), f"row {row}: there is no file {table.path(row)}")


@DATASET.promise(
    hint="leave out files that are not images and say so in `notes`, or raise DataError"
)
def images_can_be_decoded(spec: Spec[FaceTable]) -> None:
    """Images can be decoded: the first, the last, and some between."""
    table = spec.build()
    for row in np.unique(np.linspace(0, len(table) - 1, 5).astype(int)):
        decode_image(table.path(int(row)), (32, 32))


@DATASET.promise(hint="sort the listing of a folder; draw nothing, or draw from a seed parameter")
def table_is_the_same_each_time(spec: Spec[FaceTable]) -> None:
    """Built twice it is the same table in the same order, which a resumed run relies on."""
    first, second = spec.build(), spec.build()
    for name in ("files", "identities", "labels"):
        same = np.array_equal(getattr(first, name), getattr(second, name))
        require(same, f"{name} differ the second time")
    require(first.attributes.equals(second.attributes), "the attributes differ the second time")


@DATASET.promise(hint="make identities and pairs from the same rows, after leaving rows out")
def pairs_are_those_of_the_table(spec: Spec[FaceTable]) -> None:
    """Pairs, if the dataset has any, are of two different rows, with true labels."""
    table = spec.build()
    if table.pairs is not None:
        _require_pairs_of(table, table.pairs)


@DATASET.promise(hint="keep arrays and text in the table, not open files or lambdas")
def it_can_be_pickled(spec: Spec[FaceTable]) -> None:
    """The table can be pickled, and so be sent to a worker process."""
    table = spec.build()
    require(np.array_equal(pickled(table).files, table.files), "the copy has different files")


@DATASET.promise(hint="return None for what is another's, and only nodes that build a table")
def what_it_recognises_it_can_read(spec: Spec[FaceTable]) -> None:
    """If it is registered with ``suggest``: that knows its own images, and none where none are."""
    suggest = spec.plugin.suggest
    if suggest is None:
        return
    with TemporaryDirectory() as empty:
        found = suggest(Path(empty))
        require(found is None, f"it recognises something in an empty folder: {found}")
    try:
        found = suggest(spec.build().root)
    except DataError:
        return  # which says what is missing for it
    if found is None:
        return
    require(isinstance(found, Recognised), f"it returns a {type(found).__name__}")
    keys = {*found.data}
    require("source" in keys or keys == {*_SPLITS}, f"it suggests {sorted(keys)} only")
    require(keys <= {"source", *_SPLITS}, f"it suggests {sorted(keys)}")
    for key, node in found.data.items():
        built = spec.plugin.registry.spec(**node).build()
        require(len(built) > 0, f"what it suggests for {key} is an empty table")


def _require_pairs_of(table: FaceTable, pairs: PairSet) -> None:
    rows = pairs.rows
    shaped = rows.ndim == 2 and rows.shape[1] == 2 and len(pairs.same) == len(rows)
    require(shaped, f"rows {list(rows.shape)} for {len(pairs.same)} labels; write [P, 2] and [P]")
    inside = not len(rows) or 0 <= rows.min() <= rows.max() < len(table)
    require(bool(inside), f"a pair has a row beyond the {len(table)} of the table")
    require(not (rows[:, 0] == rows[:, 1]).any(), "a pair holds one image twice")
    first, second = table.identities[rows].T
    wrong = np.count_nonzero((first == second) != pairs.same)
    require(wrong == 0, f"`same` is wrong for {wrong} of {count(len(rows), 'pair')}")
    folds = pairs.fold is None or len(pairs.fold) == len(rows)
    require(folds, "the number of folds differs from that of pairs")
