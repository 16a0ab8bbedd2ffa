"""Labels that differ in spelling only."""

from pathlib import Path

import numpy as np
import pytest

from facesim.data.linter.findings import Finding, Findings
from facesim.data.linter.labels import canonical_label, lint_label_spelling
from facesim.interfaces import FaceTable


def table(*labels: str) -> FaceTable:
    """One image per given label, in order."""
    names, identities = np.unique(labels, return_inverse=True)
    files = np.array([f"{number}.jpg" for number in range(len(labels))])
    return FaceTable(Path("faces"), files, identities, names)


def linted(**tables: FaceTable) -> tuple[Finding, ...]:
    findings = Findings({})
    lint_label_spelling(tables, findings)
    return findings.report().findings


@pytest.mark.parametrize(
    "labels",
    [
        ("0123", "123", "123.0", "+123", "\uff11\uff12\uff13"),
        ("Ann Lee", "ann_lee", "ANN-LEE", " ann  lee "),
        ("n000123", "n123", "N0123"),
        ("Andr\u00e9", "Andre\u0301"),
        ("0", "00", "0.0"),
    ],
)
def test_one_person_in_several_spellings(labels: tuple[str, ...]) -> None:
    assert len({canonical_label(label) for label in labels}) == 1


@pytest.mark.parametrize(
    "labels",
    [("1.5", "1.05", "15"), ("-5", "5"), ("12-5", "125"), ("m.0ab", "m.0ba"), ("10", "1")],
)
def test_different_people_stay_different(labels: tuple[str, ...]) -> None:
    assert len({canonical_label(label) for label in labels}) == len(labels)


def test_two_spellings_within_a_split_are_named_with_their_images() -> None:
    (finding,) = linted(test=table("0123", "123", "123", "77"))
    assert (finding.rule, finding.severity) == ("label_spelling", "error")
    assert finding.message.startswith("test has 1 identity written in two ways")
    assert finding.rows == ("'0123' (1 image), '123' (2 images)",)


def test_two_spellings_in_two_splits_are_a_leak() -> None:
    (finding,) = linted(train=table("0123", "5"), test=table("123", "6"))
    assert finding.message.startswith("train and test share 1 identity, written in two ways")
    assert finding.rows == ("'0123' (1 image) in train, '123' (1 image) in test",)


def test_equal_labels_in_two_splits_are_another_rule_s() -> None:
    assert linted(train=table("5"), test=table("5", "6")) == ()
