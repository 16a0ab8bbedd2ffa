"""Rules about leakage: no identity or image may be in two splits."""

from itertools import combinations
from pathlib import Path

import numpy as np

from facesim.arrays import Int64Array
from facesim.data.image_digests import Digests
from facesim.data.linter.findings import ROWS_SHOWN, Findings
from facesim.errors import count
from facesim.interfaces import FaceTable

Tables = dict[str, FaceTable]


def lint_identities(tables: Tables, findings: Findings) -> None:
    """Find identities, by the dataset's own labels, in two splits."""
    for (first, left), (second, right) in combinations(tables.items(), 2):
        shared, of_left, of_right = np.intersect1d(
            left.labels.astype(str), right.labels.astype(str), return_indices=True
        )
        if not len(shared):
            continue
        rows = [
            f"identity {label}: {_example(left, a)} in {first}, {_example(right, b)} in {second}"
            for label, a, b in zip(
                shared[:ROWS_SHOWN], of_left[:ROWS_SHOWN], of_right[:ROWS_SHOWN], strict=True
            )
        ]
        findings.add(
            "identity_in_two_splits",
            f"{first} and {second} share {count(len(shared), 'identity')}",
            rows,
            more=len(shared) - len(rows),
        )


def lint_same_images(tables: Tables, digests: dict[str, Digests], findings: Findings) -> None:
    """Find image files with the same content in two splits, whatever their names."""
    for first, second in combinations(tables, 2):
        pairs = _equal_rows(digests[first], digests[second])
        if not len(pairs):
            continue
        message = f"{first} and {second} share {count(len(pairs), 'image')}, byte for byte"
        left, right = tables[first], tables[second]
        rows, images = _named(pairs, left, right), _images(pairs, left, right)
        findings.add("image_in_two_splits", message, rows, _more(pairs), images)
        if {first, second} == {"val", "test"} and len(pairs) == len(right):
            findings.add(
                "threshold_from_same_images",
                "val and test are the same images: the threshold would be chosen on what it is "
                "reported on",
            )


def _equal_rows(left: Digests, right: Digests) -> Int64Array:
    """The rows [K, 2] with equal digests; of several equal ones the first."""
    as_left, as_right = (_as_scalars(side) for side in (left, right))
    _, of_left, of_right = np.intersect1d(as_left, as_right, return_indices=True)
    return np.stack([of_left, of_right], axis=1).astype(np.int64)


def _as_scalars(digests: Digests) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    contiguous = np.ascontiguousarray(digests)
    return contiguous.view([("digest", f"S{contiguous.shape[1]}")])["digest"].ravel()


def _named(pairs: Int64Array, left: FaceTable, right: FaceTable) -> list[str]:
    return [f"{left.files[a]} = {right.files[b]}" for a, b in pairs[:ROWS_SHOWN]]


def _images(pairs: Int64Array, left: FaceTable, right: FaceTable) -> list[tuple[Path, Path]]:
    return [(left.path(int(a)), right.path(int(b))) for a, b in pairs[:ROWS_SHOWN]]


def _more(pairs: Int64Array) -> int:
    return max(len(pairs) - ROWS_SHOWN, 0)


def _example(table: FaceTable, identity: int) -> str:
    return str(table.files[np.argmax(table.identities == identity)])
