"""What copies of one image mean, said by rule, label and effect."""

from pathlib import Path

import numpy as np

from facesim.arrays import Int64Array
from facesim.data.image_copies import ImageCopies
from facesim.data.linter.copies import leaked_images, lint_duplicates, lint_near_images
from facesim.data.linter.findings import ROWS_SHOWN, Finding, Findings
from facesim.data.near_duplicates import NearDuplicates
from facesim.experiment.exclusion import ExcludedImage
from facesim.interfaces import FaceTable, PairSet

TRAIN = FaceTable(
    Path("faces"),
    np.array(["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"]),
    np.array([0, 0, 1, 1, 2]),
    np.array(["ann", "bob", "cy"]),
)
TEST = FaceTable(
    Path("faces"), np.array(["x.jpg", "y.jpg"]), np.array([0, 1]), np.array(["u", "v"])
)


def copies(contents: dict[str, list[int]], *near: tuple[int, int, bool]) -> ImageCopies:
    """Copies of seven contents, of which number 6 is blank."""
    groups: Int64Array = np.arange(7)
    for first, second, _ in near:
        groups[groups == groups[second]] = groups[first]
    rows = np.array([pair[:2] for pair in near], np.int64).reshape(-1, 2)
    mirrored = np.array([pair[2] for pair in near], bool)
    return ImageCopies(
        {name: np.array(numbers) for name, numbers in contents.items()},
        groups,
        NearDuplicates(rows, mirrored),
        np.arange(7) == 6,
        decoded=True,
    )


def duplicates(
    found: ImageCopies, pairs: PairSet | None = None, name: str = "train"
) -> list[Finding]:
    findings = Findings({})
    lint_duplicates(name, TRAIN, found, pairs, findings)
    return list(findings.report().findings)


def test_near_images_of_two_splits_are_an_error_with_their_paths() -> None:
    findings = Findings({})
    found = copies({"train": [0, 1, 2, 3, 4], "test": [5, 1]}, (2, 5, True))
    lint_near_images({"train": TRAIN, "test": TEST}, found, findings)
    (finding,) = findings.report().findings
    assert (finding.rule, finding.severity) == ("near_image_in_two_splits", "error")
    assert finding.message == "train and test share 1 image that looks the same"
    assert finding.rows == ("c.jpg = x.jpg (mirrored)",)
    assert finding.images == (("faces/c.jpg", "faces/x.jpg"),)


def test_no_copy_is_no_finding() -> None:
    assert duplicates(copies({"train": [0, 1, 2, 3, 4]})) == []


def test_one_image_twice_under_one_label_is_told_from_one_under_two() -> None:
    found = copies({"train": [0, 0, 2, 3, 4]}, (3, 4, False))
    twice, labels = duplicates(found)
    assert (twice.rule, twice.severity) == ("image_twice", "warning")
    assert twice.rows == ("a.jpg = b.jpg: identity ann",)
    assert "train holds 1 couple of one image under one identity, byte for byte: " in twice.message
    assert (labels.rule, labels.severity) == ("image_under_two_labels", "warning")
    assert labels.rows == ("d.jpg = e.jpg: identities bob and cy",)
    assert "1 couple of one image under two identities, none byte for byte: " in labels.message
    assert "at least one label of each is wrong" in labels.message


def test_the_pairs_that_compare_copies_are_counted() -> None:
    found = copies({"test": [0, 0, 2, 3, 4]}, (3, 4, False))
    pairs = PairSet(
        np.array([[1, 0], [2, 3], [0, 2], [4, 3], [1, 4]]),
        np.array([True, True, False, False, False]),
    )
    twice, labels = duplicates(found, pairs, "test")
    assert twice.message.endswith(
        "1 of the 2 genuine pairs compares two of them, which every system accepts"
    )
    assert labels.message.endswith(
        "1 of the 3 impostor pairs compares two of them, which every system falsely matches"
    )


def test_no_pair_that_compares_copies_is_none_and_not_0() -> None:
    found = copies({"test": [0, 0, 2, 3, 4]}, (3, 4, False))
    pairs = PairSet(np.array([[2, 3], [1, 4], [0, 4]]), np.array([True, False, False]))
    twice, labels = duplicates(found, pairs, "test")
    assert ": no genuine pair compares two of them" in twice.message
    assert ": none of the 2 impostor pairs compares two of them" in labels.message


def test_genuine_pairs_that_are_mostly_copies_are_an_error() -> None:
    found = copies({"test": [0, 0, 2, 3, 4]}, (3, 4, False))
    pairs = PairSet(np.array([[1, 0], [3, 4], [2, 0], [1, 4]]), np.array([True, True, True, False]))
    report = {finding.rule: finding for finding in duplicates(found, pairs, "test")}
    assert report["copies_compared"].severity == "error"
    assert report["copies_compared"].message.startswith("67% of the genuine pairs of test compare")


def test_copies_are_counted_in_words_where_no_pairs_are_listed() -> None:
    (twice,) = duplicates(copies({"test": [0, 0, 2, 3, 4]}), None, "test")
    assert twice.message.endswith("every system accepts such a genuine pair")


def test_an_image_that_shows_nothing_is_named() -> None:
    (finding,) = duplicates(copies({"train": [0, 1, 6, 3, 4]}))
    assert (finding.rule, finding.severity) == ("blank_image", "warning")
    assert finding.rows == ("c.jpg",)
    assert finding.images == (("faces/c.jpg",),)


def test_many_couples_are_shown_in_part_and_counted() -> None:
    files = np.array([f"{n}.jpg" for n in range(ROWS_SHOWN + 3)])
    table = FaceTable(Path("faces"), files, np.zeros(len(files), np.int64), np.array(["one"]))
    findings = Findings({})
    lint_duplicates("val", table, copies({"val": [0] * len(files)}), None, findings)
    (finding,) = findings.report().findings
    assert finding.rows[-1] == "... and 2 more"
    assert len(finding.images) == ROWS_SHOWN


def test_leaks_are_taken_from_train_first_then_from_val_and_never_from_test() -> None:
    val = FaceTable(
        Path("faces"), np.array(["v.jpg", "w.jpg"]), np.array([0, 1]), np.array(["p", "q"])
    )
    found = copies({"train": [0, 1, 2, 3, 4], "val": [0, 5], "test": [5, 6]}, (2, 6, True))
    leaked = leaked_images({"train": TRAIN, "val": val, "test": TEST}, found)
    assert leaked == [
        ExcludedImage("train", "a.jpg", "same image as v.jpg of val"),
        ExcludedImage("train", "c.jpg", "same image as y.jpg of test"),
        ExcludedImage("val", "w.jpg", "same image as x.jpg of test"),
    ]


def test_pairs_of_other_images_and_of_an_image_with_itself_compare_no_copies() -> None:
    found = copies({"test": [0, 0, 2, 3, 4]}, (3, 4, False))
    rows = np.array([[0, 1], [0, 0], [0, 2], [0, 2], [3, 4], [1, 3], [2, 4]])
    pairs = PairSet(rows, np.array([True, True, True, False, False, False, False]))
    twice, labels = duplicates(found, pairs, "test")
    assert "1 of the 3 genuine pairs" in twice.message
    assert "1 of the 4 impostor pairs" in labels.message


def test_a_copy_says_the_identities_of_both() -> None:
    twice, labels = duplicates(copies({"test": [0, 0, 2, 3, 4]}, (3, 4, True)), None, "test")
    assert twice.rows == ("a.jpg = b.jpg: identity ann",)
    assert labels.rows == ("d.jpg = e.jpg (mirrored): identities bob and cy",)
