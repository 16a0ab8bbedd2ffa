"""Rules about evaluation pairs, each broken and each held."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from facesim.data.linter.findings import ROWS_SHOWN, Finding, Findings
from facesim.data.linter.pairs import lint_pairs
from facesim.experiment.sections import Rule, Severity
from facesim.interfaces import FaceTable, PairSet

PEOPLE, IMAGES = 8, 4
TABLE = FaceTable(
    Path("faces"),
    np.array([f"{person}/{image}.jpg" for person in range(PEOPLE) for image in range(IMAGES)]),
    np.repeat(np.arange(PEOPLE), IMAGES),
    np.array([f"person {person}" for person in range(PEOPLE)]),
)


def row(person: int, image: int) -> int:
    return IMAGES * person + image


GOOD = [[row(person, 0), row(person, 1)] for person in range(PEOPLE)] + [
    [row(person, 2), row((person + 1) % PEOPLE, 3)] for person in range(PEOPLE)
]


def pair_set(rows: Sequence[Sequence[int]], **changes: object) -> PairSet:
    array = np.array(rows, np.int64).reshape(-1, 2)
    same = TABLE.identities[array[:, 0]] == TABLE.identities[array[:, 1]]
    return PairSet(**{"rows": array, "same": same, **changes})


def linted(pairs: PairSet, smallest_far: float = 0.5, few: Severity = "off") -> dict[Rule, Finding]:
    findings = Findings({"too_few_genuine": few})
    lint_pairs("test", TABLE, pairs, smallest_far, findings)
    return {finding.rule: finding for finding in findings.report().findings}


def test_good_pairs_break_no_rule() -> None:
    assert linted(pair_set(GOOD)) == {}
    fold = np.array([person // 4 for person in range(PEOPLE)] + [0] * 8)
    disjoint = [[row(p, 0), row(p, 1)] for p in range(PEOPLE)]
    disjoint += [[row(p, 2), row((p + 1) % 4, 3)] for p in range(4)] * 2
    disjoint = [*disjoint[:8], *disjoint[8:12], *([a + 16, b + 16] for a, b in disjoint[8:12])]
    fold[12:] = 1
    assert linted(pair_set(disjoint, fold=fold)) == {}


def test_an_image_with_itself() -> None:
    found = linted(pair_set([*GOOD, [5, 5], [9, 9]]))
    assert found["self_pair"].message == "test has 2 pairs of an image with itself"
    assert found["self_pair"].rows == (
        "1/1.jpg - 1/1.jpg (genuine)",
        "2/1.jpg - 2/1.jpg (genuine)",
    )
    assert set(found) == {"self_pair"}


def test_a_pair_twice_in_either_order() -> None:
    found = linted(pair_set([*GOOD, GOOD[0], GOOD[9][::-1]]))
    assert found["duplicate_pair"].message == "test has 2 repeated pairs, in either order"
    assert found["duplicate_pair"].rows == (
        "0/0.jpg - 0/1.jpg (genuine)",
        "2/3.jpg - 1/2.jpg (impostor)",
    )
    assert set(found) == {"duplicate_pair"}


def test_a_pair_that_contradicts_the_identities() -> None:
    pairs = pair_set(GOOD)
    same = pairs.same.copy()
    same[[1, 10]] ^= True
    found = linted(pair_set(GOOD, same=same))
    assert found["contradictory_pair"].rows == (
        "1/0.jpg - 1/1.jpg (impostor)",
        "2/2.jpg - 3/3.jpg (genuine)",
    )
    assert set(found) == {"contradictory_pair"}


def test_two_pairs_that_contradict_each_other_are_no_duplicates() -> None:
    pairs = pair_set([*GOOD, GOOD[0]])
    same = pairs.same.copy()
    same[-1] = False
    found = linted(pair_set(pairs.rows.tolist(), same=same))
    assert found["contradictory_pair"].rows == ("0/0.jpg - 0/1.jpg (impostor)",)
    assert set(found) == {"contradictory_pair"}


def test_an_identity_in_two_folds_is_named_with_them() -> None:
    fold = np.array([0] * 8 + [1] * 7 + [0])
    rows = [*GOOD[:15], [row(0, 2), row(7, 3)]]
    found = linted(pair_set(rows, fold=fold))
    finding = found["identity_in_two_folds"]
    assert finding.message == "test has 8 identities in more than one fold"
    assert finding.rows[0] == "identity person 0 in folds 0, 1"


def test_fewer_impostors_than_the_smallest_far_needs() -> None:
    assert "too_few_impostors" not in linted(pair_set(GOOD), smallest_far=3 / 8)
    found = linted(pair_set(GOOD), smallest_far=0.25)
    assert found["too_few_impostors"].severity == "warning"
    assert found["too_few_impostors"].message == (
        "test has 8 impostor pairs; an FMR of 0.25 is not measurable below 12 and unstable below "
        "120"
    )


def test_an_identity_in_more_than_a_quarter_of_the_pairs() -> None:
    more = [[row(0, 2), row(person, 1)] for person in range(1, 5)]
    found = linted(pair_set(GOOD + more))
    assert set(found) == {"dominant_identity"}
    assert "identity person 0 is in 35% of the pairs of test" in found["dominant_identity"].message


def test_of_four_people_somebody_is_always_in_a_quarter() -> None:
    rows = [[row(p, 0), row(p, 1)] for p in range(4)] + [[row(p, 2), row(3, 3)] for p in range(3)]
    assert linted(pair_set(rows), smallest_far=1.0) == {}


def test_many_rows_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    found = linted(pair_set([*GOOD, *([number, number] for number in range(32))]))
    assert len(found["self_pair"].rows) == ROWS_SHOWN + 1
    assert found["self_pair"].rows[-1] == f"... and {32 - ROWS_SHOWN} more"


def test_three_genuine_pairs_measure_no_fnmr() -> None:
    found = linted(pair_set([*GOOD[:3], *GOOD[8:]]), few="warning")
    assert found["too_few_genuine"].severity == "warning"
    assert "3 genuine pairs, of 3 identities: one of them is 33.3%" in (
        found["too_few_genuine"].message
    )
    enough = [
        [row(person, a), row(person, b)] for person in range(8) for a in range(4) for b in range(a)
    ]
    assert "too_few_genuine" not in linted(pair_set([*enough, *GOOD[8:]]), few="warning")


@pytest.mark.parametrize(
    ("kept", "told"), [(slice(8, None), "0 genuine and 8"), (slice(8), "8 genuine and 0")]
)
def test_pairs_of_one_kind_measure_nothing(kept: slice, told: str) -> None:
    found = linted(pair_set(GOOD[kept]))
    assert found["one_kind_of_pair"].severity == "error"
    assert told in found["one_kind_of_pair"].message


def test_an_identity_that_most_genuine_pairs_are_of() -> None:
    ours = [[row(0, a), row(0, b)] for a in range(IMAGES) for b in range(a)]
    others = [[row(p, 2), row(q, 3)] for p in range(1, PEOPLE) for q in range(1, p)]
    found = linted(pair_set([*ours, *GOOD[1:6], *others]))
    assert set(found) == {"dominant_identity"}
    assert "identity person 0 is in 55% of the genuine pairs" in found["dominant_identity"].message


def test_an_identity_that_most_impostor_pairs_are_of() -> None:
    others = [
        [row(p, a), row(p, b)] for p in range(1, PEOPLE) for a in range(IMAGES) for b in range(a)
    ]
    impostors = [[row(0, 2), row(person, 3)] for person in range(1, 6)] + GOOD[10:14]
    found = linted(pair_set([*others, *impostors]))
    assert set(found) == {"dominant_identity"}
    assert "identity person 0 is in 56% of the impostor pairs" in found["dominant_identity"].message


def test_an_identity_in_exactly_a_quarter_of_the_pairs_does_not_dominate() -> None:
    rows = [*GOOD]
    rows[11] = [row(0, 2), row(4, 3)]  # in 4 of 16 pairs, one of them genuine
    assert linted(pair_set(rows)) == {}


def test_an_identity_in_exactly_half_of_the_genuine_pairs_does_not_dominate() -> None:
    ours = [[row(0, a), row(0, b)] for a in range(IMAGES) for b in range(a)]
    others = [[row(p, 2), row(q, 3)] for p in range(1, PEOPLE) for q in range(1, p)]
    assert linted(pair_set([*ours, *GOOD[1:7], *others])) == {}
