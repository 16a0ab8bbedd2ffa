"""Rule about labels: one person must not be written in two ways."""

import re
import unicodedata
from collections.abc import Mapping
from itertools import combinations

import numpy as np

from facesim.data.linter.findings import Findings
from facesim.errors import count
from facesim.interfaces import FaceTable

_NUMBER = re.compile(r"([+-]?)0*(\d+)(?:[.,]0*)?")
_NUMBERED = re.compile(r"(.*[^\W\d]\W?)0*(\d+)")
_SEPARATORS = re.compile(r"(?<=\w)[\s_-]+(?=\w)")


def lint_label_spelling(tables: Mapping[str, FaceTable], findings: Findings) -> None:
    """Find labels that differ in spelling only, within a split and between two.

    ``0123``, ``123`` and ``123.0`` are one number, ``Ann Lee``, ``ann_lee`` and ``ann lee`` one
    name: tables that a spreadsheet or two exports have written. Equal labels in two splits are
    :func:`facesim.data.linter.splits.lint_identities`'s.
    """
    spelled = {name: _by_meaning(table) for name, table in tables.items()}
    for name, meanings in spelled.items():
        twice = {meaning: labels for meaning, labels in meanings.items() if len(labels) > 1}
        if twice:
            rows = [_quoted(tables[name], labels) for _, labels in sorted(twice.items())]
            findings.add(
                "label_spelling",
                f"{name} has {count(len(twice), 'identity')} written in two ways: their genuine "
                "pairs "
                "count as impostors; write one label per person",
                rows,
            )
    for first, second in combinations(spelled, 2):
        left, right = spelled[first], spelled[second]
        shared = sorted(
            meaning
            for meaning in left.keys() & right.keys()
            if not set(left[meaning]) & set(right[meaning])
        )
        if shared:
            rows = [
                f"{_quoted(tables[first], left[meaning])} in {first}, "
                f"{_quoted(tables[second], right[meaning])} in {second}"
                for meaning in shared
            ]
            findings.add(
                "label_spelling",
                f"{first} and {second} share {count(len(shared), 'identity')}, written in two "
                "ways; keep each person in one split",
                rows,
            )


def canonical_label(label: str) -> str:
    """What remains of a label without case, accents' encoding, separators and leading zeros."""
    text = _SEPARATORS.sub(" ", unicodedata.normalize("NFKC", label).casefold().strip())
    number = _NUMBER.fullmatch(text)
    if number:
        sign = "-" if number[1] == "-" and number[2] != "0" else ""
        return sign + number[2]
    return _NUMBERED.sub(r"\1\2", text) if _NUMBERED.fullmatch(text) else text


def _by_meaning(table: FaceTable) -> dict[str, list[str]]:
    """The labels that have images, by canonical form."""
    meanings: dict[str, list[str]] = {}
    for label in table.labels[np.unique(table.identities)].astype(str).tolist():
        meanings.setdefault(canonical_label(label), []).append(label)
    return meanings


def _quoted(table: FaceTable, labels: list[str]) -> str:
    names = table.labels.astype(str)
    counts = [int((table.identities == np.argmax(names == label)).sum()) for label in labels]
    return ", ".join(
        f"{label!r} ({count} {'image' if count == 1 else 'images'})"
        for label, count in zip(labels, counts, strict=True)
    )
