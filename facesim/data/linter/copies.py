"""Rules about copies of one image: near-duplicates in two splits, duplicates within a split."""

from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

from facesim.arrays import BoolArray, Int64Array
from facesim.data.image_copies import Couples, ImageCopies
from facesim.data.linter.findings import ROWS_SHOWN, Findings
from facesim.errors import count
from facesim.experiment.exclusion import ExcludedImage
from facesim.experiment.sections import Rule
from facesim.interfaces import FaceTable, PairSet

MOST_COPIES = 0.5
"""Share of the genuine pairs that compare copies, beyond which the FNMR means nothing."""


def lint_near_images(
    tables: Mapping[str, FaceTable], copies: ImageCopies, findings: Findings
) -> None:
    """Find near-duplicates in two splits: encoded again, cropped, mirrored, and so on."""
    for first, second in combinations(tables, 2):
        couples = copies.near_between(first, second)
        if len(couples):
            left, right = tables[first], tables[second]
            findings.add(
                "near_image_in_two_splits",
                f"{first} and {second} share {count(len(couples), 'image')} that "
                f"{'looks' if len(couples) == 1 else 'look'} the same",
                couples.named(left, right, ROWS_SHOWN),
                max(len(couples) - ROWS_SHOWN, 0),
                couples.paths(left, right, ROWS_SHOWN),
            )


def lint_duplicates(
    name: str, table: FaceTable, copies: ImageCopies, pairs: PairSet | None, findings: Findings
) -> None:
    """Find images that show the same within one split, and images that show nothing.

    Args:
        name: of the split.
        table: its images.
        copies: of its images.
        pairs: that are evaluated on it; None for the training split or where none are listed.
        findings: receives what is found.
    """
    couples = copies.within(name)
    one_label = table.identities[couples.rows[:, 0]] == table.identities[couples.rows[:, 1]]
    compared = _Compared.of(copies.groups_of(name), pairs)
    effects = _effects(name, compared)
    kinds: tuple[tuple[Rule, BoolArray, str], ...] = (
        ("image_twice", one_label, "one identity"),
        ("image_under_two_labels", ~one_label, "two identities"),
    )
    for rule, which, noun in kinds:
        found = couples.where(which)
        if len(found):
            identical = int(found.identical.sum())
            bytewise = {0: "none ", len(found): ""}.get(identical, f"{identical:,} of them ")
            findings.add(
                rule,
                f"{name} holds {count(len(found), 'couple')} of one image under {noun}, "
                f"{bytewise}byte for byte: {effects[rule]}",
                _labelled(found, table),
                max(len(found) - ROWS_SHOWN, 0),
                found.paths(table, table, ROWS_SHOWN),
            )
    if compared is not None and compared.genuine > MOST_COPIES * compared.all_genuine:
        share = compared.genuine / compared.all_genuine
        findings.add(
            "copies_compared",
            f"{share:.0%} of the genuine pairs of {name} compare two copies of one image: the FNMR "
            "is that of finding copies, not of recognition; list pairs of different images",
        )
    blank = copies.blank_rows(name)
    if len(blank):
        findings.add(
            "blank_image",
            f"{count(len(blank), 'image')} of {name} without a face, of one colour",
            [f"{table.files[row]}" for row in blank[:ROWS_SHOWN]],
            max(len(blank) - ROWS_SHOWN, 0),
            [(table.path(int(row)),) for row in blank[:ROWS_SHOWN]],
        )


def leaked_images(tables: Mapping[str, FaceTable], copies: ImageCopies) -> list[ExcludedImage]:
    """The images to leave out so that no image is in two splits, in any disguise.

    Those of train that are in val or test, and those of val that are in test; test loses none.

    Args:
        tables: of train, val and test.
        copies: of their images.
    """
    groups = {name: copies.groups_of(name) for name in tables}
    leaked = []
    for name, later in (("train", ("val", "test")), ("val", ("test",))):
        of_others = {
            group: f"same image as {file} of {other}"
            for other in later
            for group, file in zip(groups[other].tolist(), tables[other].files, strict=True)
        }
        leaked += [
            ExcludedImage(name, str(file), of_others[group])
            for group, file in zip(groups[name].tolist(), tables[name].files, strict=True)
            if group in of_others
        ]
    return leaked


class _Compared(NamedTuple):
    """How many pairs of an evaluation compare two copies of one image.

    Attributes:
        genuine: of the pairs of one identity.
        all_genuine: all pairs of one identity.
        impostor: of the pairs of two identities.
        all_impostor: all pairs of two identities.
    """

    genuine: int
    all_genuine: int
    impostor: int
    all_impostor: int

    @classmethod
    def of(cls, groups: Int64Array, pairs: PairSet | None) -> "_Compared | None":
        if pairs is None:
            return None
        first, second = pairs.rows.T
        copies = (groups[first] == groups[second]) & (first != second)
        genuine, impostor = copies & pairs.same, copies & ~pairs.same
        return cls(*(int(part.sum()) for part in (genuine, pairs.same, impostor, ~pairs.same)))


def _effects(name: str, compared: _Compared | None) -> dict[Rule, str]:
    if name == "train":
        return {
            "image_twice": "a genuine pair of the two teaches nothing",
            "image_under_two_labels": "at least one label of each is wrong, and training moves "
            "one face away from itself",
        }
    if compared is None:
        return {
            "image_twice": "every system accepts such a genuine pair",
            "image_under_two_labels": "every system falsely matches such an impostor pair",
        }
    genuine = _some_of(compared.genuine, compared.all_genuine, "genuine pair")
    impostor = _some_of(compared.impostor, compared.all_impostor, "impostor pair")
    return {
        "image_twice": f"{genuine} two of them, which every system accepts",
        "image_under_two_labels": f"{impostor} two of them, which every system falsely matches",
    }


def _some_of(some: int, every: int, noun: str) -> str:
    """The subject of a sentence and its verb."""
    if every < 2:
        return f"the only {noun} compares" if some else f"no {noun} compares"
    verb = "compares" if some < 2 else "compare"
    return f"{f'{some:,}' if some else 'none'} of the {every:,} {noun}s {verb}"


def _labelled(couples: Couples, table: FaceTable) -> list[str]:
    texts = []
    for text, (a, b) in zip(couples.named(table, table, ROWS_SHOWN), couples.rows, strict=False):
        first, second = (table.labels[table.identities[row]] for row in (a, b))
        label = f"identity {first}" if first == second else f"identities {first} and {second}"
        texts.append(f"{text}: {label}")
    return texts
