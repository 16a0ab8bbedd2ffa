"""Rules about splits: nobody and nothing in two of them."""

from pathlib import Path

import numpy as np
import pytest

from facesim.data.linter.findings import ROWS_SHOWN, Finding, Findings
from facesim.data.linter.splits import lint_identities, lint_same_images
from facesim.experiment.sections import Rule
from facesim.interfaces import FaceTable


def table(*rows: tuple[str, str]) -> FaceTable:
    files, people = (np.array(column) for column in zip(*rows, strict=True))
    labels, identities = np.unique(people, return_inverse=True)
    return FaceTable(Path("faces"), files, identities, labels)


def contents(*names: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.array([list(name.encode().ljust(16, b"\0")) for name in names], np.uint8)


TRAIN = table(("t0.jpg", "ann"), ("t1.jpg", "ann"), ("t2.jpg", "bob"))
VAL = table(("v0.jpg", "cy"), ("v1.jpg", "bob"))
TEST = table(("e0.jpg", "di"), ("e1.jpg", "eve"))
TABLES = {"train": TRAIN, "val": VAL, "test": TEST}


def by_rule(findings: Findings) -> dict[Rule, Finding]:
    return {finding.rule: finding for finding in findings.report().findings}


def test_an_identity_in_two_splits_is_named_with_an_image_of_each() -> None:
    findings = Findings({})
    lint_identities(TABLES, findings)
    (finding,) = findings.report().findings
    assert finding.rule == "identity_in_two_splits"
    assert finding.message == "train and val share 1 identity"
    assert finding.rows == ("identity bob: t2.jpg in train, v1.jpg in val",)


def test_many_shared_identities_are_counted() -> None:
    everybody = table(*((f"{n}.jpg", f"person {n:02d}") for n in range(ROWS_SHOWN + 5)))
    findings = Findings({})
    lint_identities({"val": everybody, "test": everybody}, findings)
    (finding,) = findings.report().findings
    assert finding.rows[-1] == "... and 5 more"


def test_the_same_bytes_in_two_splits_are_found_under_any_name() -> None:
    findings = Findings({})
    digests = {
        "train": contents("a", "b", "c"),
        "val": contents("x", "b"),
        "test": contents("c", "z"),
    }
    lint_same_images(TABLES, digests, findings)
    assert [(f.message, f.rows) for f in findings.report().findings] == [
        ("train and val share 1 image, byte for byte", ("t1.jpg = v1.jpg",)),
        ("train and test share 1 image, byte for byte", ("t2.jpg = e0.jpg",)),
    ]
    assert findings.report().findings[0].images == (("faces/t1.jpg", "faces/v1.jpg"),)


def test_digests_that_end_with_zeros_are_told_apart() -> None:
    first = np.zeros((1, 16), np.uint8)
    second = first.copy()
    second[0, 0] = 1
    findings = Findings({})
    lint_same_images({"train": VAL, "val": VAL}, {"train": first, "val": second}, findings)
    assert findings.report().findings == ()


def test_thresholds_from_the_images_that_they_are_reported_on() -> None:
    findings = Findings({})
    digests = {"val": contents("a", "b"), "test": contents("b", "a")}
    lint_same_images({"val": VAL, "test": TEST}, digests, findings)
    found = by_rule(findings)
    assert set(found) == {"image_in_two_splits", "threshold_from_same_images"}
    findings = Findings({})
    lint_same_images({"val": VAL, "test": TEST}, {**digests, "test": contents("a", "z")}, findings)
    assert set(by_rule(findings)) == {"image_in_two_splits"}


def test_a_val_that_is_a_part_of_test_is_no_test_of_the_same_images() -> None:
    findings = Findings({})
    digests = {"val": contents("a", "b"), "test": contents("a", "b", "c")}
    larger = table(("e0.jpg", "di"), ("e1.jpg", "eve"), ("e2.jpg", "flo"))
    lint_same_images({"val": VAL, "test": larger}, digests, findings)
    assert set(by_rule(findings)) == {"image_in_two_splits"}


@pytest.mark.parametrize("rule", ["identity_in_two_splits", "image_in_two_splits"])
def test_a_rule_may_be_off(rule: Rule) -> None:
    findings = Findings({rule: "off"})
    lint_identities(TABLES, findings)
    lint_same_images(
        {"train": VAL, "val": VAL}, dict.fromkeys(("train", "val"), contents("a", "b")), findings
    )
    assert rule not in by_rule(findings)
