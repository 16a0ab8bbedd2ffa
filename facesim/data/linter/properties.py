"""Rules about image files: no split, and no kind of pair, is told by size, encoding or quality."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.data.linter.findings import ROWS_SHOWN, Findings
from facesim.data.linter.image_properties import PROPERTIES, mid_ranks, read_properties
from facesim.experiment.sections import Rule
from facesim.interfaces import FaceTable, PairSet
from facesim.processes import Processes

SAMPLED_IMAGES = 300
"""Of a split; differences that matter show in a few hundred images."""

SAMPLED_PAIRS = 150
"""Of each kind, whose images are read."""

SHIFTED_SHARE = 0.15
"""By how much the share of an encoding or a size must differ between two splits."""

SHIFTED_AREA = 0.3
"""By how much the area under the ROC curve that tells two splits apart must differ from 1/2."""

SHORTCUT_AREA = 0.4
"""From this area beyond 1/2 on, i.e. 0.9, a property alone decides the pairs."""

HINT_AREA = 0.2
"""From this area beyond 1/2 on a property says much about them."""

_RULES: tuple[Rule, ...] = ("split_differs", "pair_shortcut", "pair_hint")

_SURE = 5.0
"""Standard errors; a few dozen comparisons are made."""

_FEWEST_PEOPLE = 5
_FEWEST_PAIRS = 20


@dataclass(frozen=True, eq=False)
class PropertySample:
    """Properties of some images of a split.

    Attributes:
        rows: int64 [N], distinct, ascending.
        identities: int64 [N].
        values: N rows, see :func:`read_properties`.
        pairs: of the split whose images are all among the rows; None if none are listed.
    """

    rows: Int64Array
    identities: Int64Array
    values: pd.DataFrame
    pairs: PairSet | None


def sample_properties(
    name: str, table: FaceTable, pairs: PairSet | None, processes: Processes
) -> PropertySample:
    """Read the properties of some images of a split: those of some of its pairs, if it has any.

    Raises:
        DataError: an image cannot be read.
    """
    generator = np.random.default_rng(0)
    if pairs is not None:
        pairs = _some_pairs(pairs, generator)
        rows = np.unique(pairs.rows)
    else:
        number = min(SAMPLED_IMAGES, len(table))
        rows = np.sort(generator.choice(len(table), number, replace=False))
    with processes.reporter.task(f"looking at images of {name}", len(rows)) as advance:
        values = read_properties(table, rows, advance)
    return PropertySample(rows, table.identities[rows], values, pairs)


def lint_properties(
    tables: Mapping[str, FaceTable],
    pairs: Mapping[str, PairSet],
    findings: Findings,
    processes: Processes,
) -> None:
    """Find properties of image files that tell splits apart, or genuine from impostor pairs.

    Args:
        tables: by split.
        pairs: of the splits that have some.
        findings: receives what is found.
        processes: show progress while images are read.

    Raises:
        DataError: an image cannot be read.
    """
    if not any(map(findings.watches, _RULES)):
        return
    samples = {
        name: sample_properties(name, table, pairs.get(name), processes)
        for name, table in tables.items()
    }
    lint_split_properties(samples, findings)
    for name, sample in samples.items():
        lint_pair_properties(name, tables[name], sample, findings)


def lint_split_properties(samples: Mapping[str, PropertySample], findings: Findings) -> None:
    """Find properties of the images by which splits differ."""
    differing: dict[str, list[str]] = {}
    for (first, left), (second, right) in combinations(samples.items(), 2):
        for column in PROPERTIES:
            for shown in _differences(column, left, right):
                told = f"{PROPERTIES[column].name}: {shown[0]} in {first}, {shown[1]} in {second}"
                differing.setdefault(f"{first} and {second}", []).append(told)
    for couple, rows in differing.items():
        findings.add(
            "split_differs",
            f"the images of {couple} differ in kind: what is measured on one, and thresholds "
            "chosen on it, need not hold for images like the other's; prepare all splits alike, "
            "unless the difference is what you measure",
            rows,
        )


def lint_pair_properties(
    split: str, table: FaceTable, sample: PropertySample, findings: Findings
) -> None:
    """Find properties of the images that tell genuine from impostor pairs without any face."""
    if sample.pairs is None:
        return
    same = sample.pairs.same
    if min(same.sum(), (~same).sum()) < _FEWEST_PAIRS:
        return
    positions = np.searchsorted(sample.rows, sample.pairs.rows)
    telling: list[tuple[float, str, FloatArray]] = []
    for column in PROPERTIES:
        values = sample.values[column].to_numpy()
        for told, feature in _pair_features(column, values, positions):
            beyond = _area(feature, same)
            error = _area_error(same)
            if abs(beyond) >= max(HINT_AREA, _SURE * error):
                telling.append((abs(beyond), told, feature))
    if not telling:
        return
    telling.sort(key=lambda found: -found[0])
    beyond, told, _ = telling[0]
    rows = [f"{told}: area under the ROC curve {0.5 + area:.2f}" for area, told, _ in telling]
    shown = [
        tuple(table.path(int(row)) for row in sample.pairs.rows[number])
        for number in _examples(telling[0][2], same)
    ]
    certain = beyond >= SHORTCUT_AREA
    findings.add(
        "pair_shortcut" if certain else "pair_hint",
        f"{told} tells genuine from impostor pairs of {split} without looking at a face (area "
        f"under the ROC curve {0.5 + beyond:.2f}): the result "
        f"{'measures that' if certain else 'is helped by it'}, not recognition; choose impostor "
        "pairs among images like those of the genuine pairs",
        rows,
        images=shown,
    )


def _some_pairs(pairs: PairSet, generator: np.random.Generator) -> PairSet:
    kept = []
    for kind in (pairs.same, ~pairs.same):
        numbers = np.flatnonzero(kind)
        kept.append(generator.permutation(numbers)[:SAMPLED_PAIRS])
    chosen = np.sort(np.concatenate(kept))
    return PairSet(pairs.rows[chosen], pairs.same[chosen])


def _differences(
    column: str, left: PropertySample, right: PropertySample
) -> Iterator[tuple[str, str]]:
    """What a property is in both splits, where it differs."""
    if min(len(np.unique(sample.identities)) for sample in (left, right)) < _FEWEST_PEOPLE:
        return
    ours, theirs = left.values[column].to_numpy(), right.values[column].to_numpy()
    of_column = PROPERTIES[column]
    if not of_column.categorical:
        ranks = mid_ranks(np.concatenate([ours, theirs]).astype(np.float64))
        split = ranks[: len(ours)], ranks[len(ours) :]
        if _shifted(*split, left.identities, right.identities, SHIFTED_AREA):
            middles = (f"{float(np.median(side)):.4g}{of_column.unit}" for side in (ours, theirs))
            yield next(middles), next(middles)
            return
    # Some images of another quality shift no median, but the share of the usual one.
    common = pd.Series(np.concatenate([ours, theirs])).value_counts()
    usual = common.index[:2][common.iloc[:2] >= (len(ours) + len(theirs)) / 10]
    for value in usual:
        shares = (ours == value).astype(float), (theirs == value).astype(float)
        if _shifted(*shares, left.identities, right.identities, SHIFTED_SHARE):
            told = value if of_column.categorical else f"{value:g}{of_column.unit}"
            yield f"{told} {shares[0].mean():.0%}", f"{told} {shares[1].mean():.0%}"
            return


def _shifted(
    ours: FloatArray, theirs: FloatArray, my: Int64Array, their: Int64Array, least: float
) -> bool:
    """Whether two means differ, by enough and beyond what the people in them explain."""
    difference = abs(ours.mean() - theirs.mean())
    error = np.sqrt(_squared_error(ours, my) + _squared_error(theirs, their))
    return bool(difference >= least and difference >= _SURE * error)


def _squared_error(values: FloatArray, identities: Int64Array) -> float:
    """Of the mean, when images of one identity go together."""
    _, of_image = np.unique(identities, return_inverse=True)
    sums = np.bincount(of_image.ravel(), weights=values - values.mean())
    return float(np.square(sums).sum() / len(values) ** 2)


def _pair_features(
    column: str, values: npt.NDArray[Any], positions: Int64Array
) -> Iterator[tuple[str, FloatArray]]:
    """How far the two images of each pair differ, and what they are together: float64 [P]."""
    name = PROPERTIES[column].name
    first, second = values[positions].T
    if PROPERTIES[column].categorical:
        yield f"whether the two images differ in {name}", (first != second).astype(np.float64)
        common = pd.Series(values).mode()[0]
        both = (first == common).astype(np.float64) + (second == common)
        yield f"the {name} of the two images", both
    else:
        yield f"how far the two images differ in {name}", np.abs(first - second).astype(float)
        yield f"the {name} of the two images", (first + second).astype(float)


def _area(feature: FloatArray, same: BoolArray) -> float:
    """The area under the ROC curve, less 1/2."""
    ranks = mid_ranks(feature)
    return float(ranks[~same].mean() - ranks[same].mean())


def _area_error(same: BoolArray) -> float:
    """The standard error of an area under chance (Mann and Whitney)."""
    genuine, impostor = int(same.sum()), int((~same).sum())
    return float(np.sqrt((genuine + impostor + 1) / (12 * genuine * impostor)))


def _examples(feature: FloatArray, same: BoolArray) -> Int64Array:
    """A few pairs of each kind, where they are most typical of it."""
    order = np.argsort(feature if _area(feature, same) > 0 else -feature, kind="stable")
    half = ROWS_SHOWN // 2
    genuine, impostor = order[same[order]], order[~same[order]]
    return np.concatenate([genuine[:half], impostor[-half:]])
