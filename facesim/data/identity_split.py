"""Splits of one table by identity: train, val and test share nobody."""

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from facesim.arrays import Int64Array
from facesim.data.tables import keep_rows
from facesim.errors import DataError, count, did_you_mean
from facesim.experiment.exclusion import SPLITS
from facesim.experiment.sections import SPLIT_EXAMPLE, IdentitySplit
from facesim.interfaces import FaceTable
from facesim.seeds import derive_seed

COLUMN = "split"
"""The attribute column of a table that somebody has split."""

_WRITTEN = {
    **dict(zip(SPLITS, range(3), strict=True)),
    **dict.fromkeys(("valid", "validation"), 1),
    **dict(zip("012", range(3), strict=True)),  # CelebA's list_eval_partition.txt
}


def split_table(table: FaceTable, split: IdentitySplit | None) -> dict[str, FaceTable]:
    """Train, val and test of one table.

    Args:
        table: of people whom nobody has split; or with a column :data:`COLUMN`, which is taken at
            its word.
        split: how the identities are divided; None with such a column.

    Raises:
        DataError: neither or both say how, a cell of the column is no split, or a split would have
            too few people to be compared.
    """
    if split is not None and split.folds is not None:
        return _fold_tables(table, split, split.folds)
    if COLUMN in table.attributes.columns:
        if split is not None:
            raise DataError(
                f"the source has a column `{COLUMN}` already; take `data.split` out to use that, "
                "or the column out of the source to divide its people anew"
            )
        of_row = _written_splits(table)
        table = replace(table, attributes=table.attributes.drop(columns=COLUMN))
    elif split is None:
        raise DataError(
            "nothing says how the people of `data.source` are divided: it has no column "
            f"`{COLUMN}`; write below `data`: `{SPLIT_EXAMPLE}`"
        )
    else:
        of_row = divide_identities(table, split)[table.identities]
        table = _without_pairs(table)
    tables = {}
    for index, name in enumerate(SPLITS):
        rows = np.flatnonzero(of_row == index)
        if not len(rows):
            raise DataError(f"no row of the column `{COLUMN}` of the source says {name}")
        # What is unusual about the source is said once, of its first part.
        notes = tuple(f"Of the whole source: {note}" for note in table.notes) if not index else ()
        tables[name] = keep_rows(replace(table, notes=notes), rows)
    return tables


def _fold_tables(table: FaceTable, split: IdentitySplit, folds: int) -> dict[str, FaceTable]:
    """Train, val and test of one of k folds; of all of them together only test, which is everybody.

    The next fold is val, so that each person is in test once, in val once and else in train.
    """
    if COLUMN in table.attributes.columns:
        raise DataError(
            f"the source has a column `{COLUMN}`, and folds divide its people anew; take the "
            "column out of the source, or write `evaluate: {protocol: pairs}` to use it"
        )
    table = _without_pairs(table)
    fold = folds_of_identities(table, split, folds)[table.identities] + 1
    if split.fold is None:
        note = (
            f"Each of the {len(table.labels):,} identities is in the test of one of {folds} folds."
        )
        return {"test": replace(table, notes=(*table.notes, note))}
    following = split.fold % folds + 1
    rows = {
        "train": (fold != split.fold) & (fold != following),
        "val": fold == following,
        "test": fold == split.fold,
    }
    tables = {}
    for name, which in rows.items():
        notes = tuple(f"Of the whole source: {note}" for note in table.notes)
        whole = replace(table, notes=notes if name == "train" else ())
        tables[name] = keep_rows(whole, np.flatnonzero(which))
    return tables


def _without_pairs(table: FaceTable) -> FaceTable:
    """The table without its dataset's own pairs, few of which lie within one drawn split."""
    if table.pairs is None:
        return table
    note = f"The dataset's own {len(table.pairs):,} pairs are not used, as they cross the splits."
    return replace(table, pairs=None, notes=(*table.notes, note))


def _written_splits(table: FaceTable) -> Int64Array:
    """What the column says of each row, an index into ``SPLITS``, int64 [N]."""
    column = table.attributes[COLUMN]
    if pd.api.types.is_numeric_dtype(column):
        words = column.map("{:g}".format)
    else:
        words = column.astype(str).str.strip().str.lower()
    of_row = words.map(_WRITTEN)
    if of_row.isna().any():
        row = int(of_row.isna().argmax())
        raise DataError(
            f"the column `{COLUMN}` of {np.count_nonzero(of_row.isna()):,} rows of the source is "
            f"no split: {str(column.iloc[row])!r} of {table.files[row]}; write train, val or test "
            "(or 0, 1 and 2, as CelebA does)"
        )
    return np.asarray(of_row, dtype=np.int64)


def divide_identities(table: FaceTable, split: IdentitySplit) -> Int64Array:
    """The split of each identity, an index into ``SPLITS``, int64 [I].

    Identities are ordered by stratum (the attributes by which they are stratified, then a power of
    two of images) and each stratum gets its share of every split; who of a stratum is in which
    split, a hash of seed and label decides. So the same labels with the same numbers of images are
    divided alike on any machine, whatever the order of the rows, and an identity that gains an
    image changes its own stratum and the next one at most.

    Args:
        table: of the people.
        split: shares, seed and attributes.

    Raises:
        DataError: an attribute is not there or is almost unique, or a split would have too few
            people to be compared.
    """
    of_identity = _parts(table, split, split.ratios)
    images = np.bincount(table.identities, minlength=len(table.labels))
    _require_enough(of_identity, images, split)
    return of_identity


def folds_of_identities(table: FaceTable, split: IdentitySplit, folds: int) -> Int64Array:
    """The fold of each identity, int64 [I], counted from 0; see :func:`divide_identities`.

    Args:
        table: of the people.
        split: seed and attributes.
        folds: how many, of as many people each, give or take one.

    Raises:
        DataError: an attribute is not there or is almost unique, or a fold would have too few
            people to be compared.
    """
    of_identity = _parts(table, split, [1 / folds] * folds)
    images = np.bincount(table.identities, minlength=len(table.labels))
    for number in range(folds):
        here = images[of_identity == number]
        if len(here) < 2 or here.max() < 2:
            alone = ", none of them with two images" if len(here) >= 2 else ""
            raise DataError(
                f"the source has {count(len(images), 'identity')}, of which {folds} folds leave "
                f"{len(here):,} for fold {number + 1}{alone}; it needs two people, one of them "
                "with two images, for pairs of either kind. "
                + (
                    "Write fewer: `evaluate: {protocol: {name: identity_folds, folds: 3}}`"
                    if folds > 3
                    else "So few people allow no test"
                )
            )
    return of_identity


def _parts(table: FaceTable, split: IdentitySplit, ratios: Sequence[float]) -> Int64Array:
    """The part of each identity, int64 [I], of which each holds its share of every stratum."""
    images = np.bincount(table.identities, minlength=len(table.labels))
    keys = [_majority(table, name) for name in split.stratify]
    keys.append(np.frexp(images)[1])  # 1, 2-3, 4-7, 8-15, ... images
    strata = pd.MultiIndex.from_arrays(keys)
    stratum = pd.factorize(strata, sort=True)[0]
    labels = [unicodedata.normalize("NFC", str(label)) for label in table.labels]
    hashes = np.array([derive_seed(split.seed, "split", label) for label in labels])
    order = np.lexsort((table.labels, hashes, stratum))
    slots = _shares(len(labels), ratios, split.seed)
    slots = slots[np.lexsort((slots, stratum[order]))]  # of each stratum: train, val, test
    of_identity = np.empty(len(labels), dtype=np.int64)
    of_identity[order] = slots
    return of_identity


def _shares(people: int, ratios: Sequence[float], seed: int) -> Int64Array:
    """The splits in an order in which any part of it has them by ratios as near as can be.

    The divisor method of Webster and Sainte-Lague; the seed decides where the order begins, so
    that small strata do not go to the same split with every seed.
    """
    places = [(np.arange(people) + 0.5) / share for share in ratios]
    splits = np.repeat(np.arange(len(places)), people)
    rarer = np.asarray(ratios)[splits]  # first where two are due
    order = np.lexsort((rarer, np.round(np.concatenate(places), 9)))[:people]
    begin = derive_seed(seed, "first split") * people >> 63
    return np.roll(splits[order], begin)


def _majority(table: FaceTable, name: str) -> npt.NDArray[Any]:
    """The most frequent value of an attribute of each identity, as text; the first on a tie."""
    if name not in table.attributes.columns:
        known = [str(column) for column in table.attributes.columns]
        has = f"it has {', '.join(known)}" if known else "it has no attributes"
        raise DataError(
            f"`stratify`: the source has no attribute {name!r}{did_you_mean(name, known)}; {has}"
        )
    column = table.attributes[name]
    if pd.api.types.is_numeric_dtype(column):
        column = column.astype(float)
    frame = pd.DataFrame({"identity": table.identities, "value": column.astype(str)})
    counts = frame.value_counts().rename("times").reset_index()
    counts = counts.sort_values(["identity", "times", "value"], ascending=[True, False, True])
    values: npt.NDArray[Any] = counts.drop_duplicates("identity")["value"].to_numpy()
    distinct = len(set(values.tolist()))
    if distinct > max(2, len(values) // 2):
        raise DataError(
            f"`stratify`: the attribute {name!r} has {distinct:,} values for {len(values):,} "
            "identities, too many to spread each over the splits; name one with few values"
        )
    return values


_EVEN = {8: "[0.5, 0.25, 0.25]", 6: "[0.34, 0.33, 0.33]"}
"""Ratios that leave two people in each split, by how many there must be."""


def _require_enough(of_identity: Int64Array, images: Int64Array, split: IdentitySplit) -> None:
    """Raise unless each split holds two people, and of one of them two images."""
    for index, name in enumerate(SPLITS):
        here = images[of_identity == index]
        if len(here) < 2 or here.max() < 2:
            ratios = ", ".join(f"{share:g}" for share in split.ratios)
            alone = ", none of them with two images" if len(here) >= 2 else ""
            other = next((text for least, text in _EVEN.items() if len(images) >= least), None)
            remedy = "Add people" if other is None else f"Write other ratios, such as {other}"
            raise DataError(
                f"the source has {len(images):,} identities, of which ratios {ratios} leave "
                f"{len(here):,} for {name}{alone}; it needs two people, one of them with two "
                f"images, for pairs of either kind. {remedy}, or use everybody in turn: "
                "`evaluate: {protocol: identity_folds}`"
            )
