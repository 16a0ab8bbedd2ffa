"""Rules about a set of evaluation pairs."""

import numpy as np

from facesim.arrays import Int64Array
from facesim.data.linter.findings import ROWS_SHOWN, Findings
from facesim.errors import count
from facesim.interfaces import FaceTable, PairSet
from facesim.interfaces.fmr_support import (
    RULE_OF_3,
    RULE_OF_30,
    impostors_needed,
    not_measurable_reason,
)

DOMINANT_SHARE = 0.25
"""An identity in more than this share of the pairs dominates the result."""

DOMINANT_SHARE_OF_A_KIND = 0.5
"""The same for the genuine and for the impostor pairs alone, of which there may be few."""


def lint_pairs(
    split: str, table: FaceTable, pairs: PairSet, smallest_far: float, findings: Findings
) -> None:
    """Check all rules about one split's pairs.

    Args:
        split: the split's name, for the messages.
        table: of the rows in the pairs.
        pairs: the evaluation pairs.
        smallest_far: the smallest false match rate to be reported.
        findings: receives what is found.
    """
    _self_pairs(split, table, pairs, findings)
    _repeated_pairs(split, table, pairs, findings)
    _folds(split, table, pairs, findings)
    _both_kinds(split, table, pairs, findings)
    _impostors(split, pairs, smallest_far, findings)
    _dominance(split, table, pairs, findings)


def _self_pairs(split: str, table: FaceTable, pairs: PairSet, findings: Findings) -> None:
    selfs = np.flatnonzero(pairs.rows[:, 0] == pairs.rows[:, 1])
    if len(selfs):
        message = f"{split} has {count(len(selfs), 'pair')} of an image with itself"
        findings.add("self_pair", message, _named(table, pairs, selfs), _more(selfs))


def _repeated_pairs(split: str, table: FaceTable, pairs: PairSet, findings: Findings) -> None:
    low, high = pairs.rows.min(axis=1), pairs.rows.max(axis=1)
    order = np.lexsort((high, low))
    equal = (np.diff(low[order]) == 0) & (np.diff(high[order]) == 0)
    earlier, later = order[:-1][equal], order[1:][equal]
    contradict = pairs.same[earlier] != pairs.same[later]
    repeated, contradictory = later[~contradict], later[contradict]
    if len(repeated):
        message = f"{split} has {count(len(repeated), 'repeated pair')}, in either order"
        findings.add("duplicate_pair", message, _named(table, pairs, repeated), _more(repeated))
    wrong = np.flatnonzero(
        pairs.same != (table.identities[pairs.rows[:, 0]] == table.identities[pairs.rows[:, 1]])
    )
    wrong = np.union1d(wrong, contradictory)
    if len(wrong):
        message = f"{split} has {count(len(wrong), 'pair')} against the identities or each other"
        findings.add("contradictory_pair", message, _named(table, pairs, wrong), _more(wrong))


def _folds(split: str, table: FaceTable, pairs: PairSet, findings: Findings) -> None:
    if pairs.fold is None:
        return
    identities = table.identities[pairs.rows].ravel()
    folds = np.repeat(pairs.fold, 2)
    seen = np.unique(np.stack([identities, folds], axis=1), axis=0)
    people, times = np.unique(seen[:, 0], return_counts=True)
    shared = people[times > 1]
    if len(shared):
        rows = [
            f"identity {table.labels[person]} in folds "
            + ", ".join(str(fold) for fold in seen[seen[:, 0] == person, 1])
            for person in shared[:ROWS_SHOWN]
        ]
        message = f"{split} has {count(len(shared), 'identity')} in more than one fold"
        findings.add("identity_in_two_folds", message, rows, _more(shared))


def _both_kinds(split: str, table: FaceTable, pairs: PairSet, findings: Findings) -> None:
    genuine, impostor = int(pairs.same.sum()), int((~pairs.same).sum())
    if not (genuine and impostor):
        findings.add(
            "one_kind_of_pair",
            f"{split} has {genuine:,} genuine and {impostor:,} impostor pairs: an error rate needs "
            f"both kinds; is the column `same` 1 for genuine pairs and 0 for impostors?",
        )
    elif genuine < RULE_OF_30:
        people = len(np.unique(table.identities[pairs.rows[pairs.same, 0]]))
        findings.add(
            "too_few_genuine",
            f"{split} has {count(genuine, 'genuine pair')}, of {count(people, 'identity')}: one "
            "of them is "
            f"{1 / genuine:.1%} of the FNMR, and without any error it may still be "
            f"{min(1.0, RULE_OF_3 / genuine):.0%}; list {RULE_OF_30} or more",
        )


def _impostors(split: str, pairs: PairSet, smallest_far: float, findings: Findings) -> None:
    impostors = int((~pairs.same).sum())
    if not_measurable_reason(smallest_far, impostors):
        unstable, measured = (
            f"{impostors_needed(smallest_far, rule):,}" for rule in (RULE_OF_3, RULE_OF_30)
        )
        findings.add(
            "too_few_impostors",
            f"{split} has {count(impostors, 'impostor pair')}; an FMR of {smallest_far:g} is not "
            f"measurable below {unstable} and unstable below {measured}",
        )


def _dominance(split: str, table: FaceTable, pairs: PairSet, findings: Findings) -> None:
    every = np.ones(len(pairs), bool)
    for kind, some, most_share in (
        ("pairs", every, DOMINANT_SHARE),
        ("genuine pairs", pairs.same, DOMINANT_SHARE_OF_A_KIND),
        ("impostor pairs", ~pairs.same, DOMINANT_SHARE_OF_A_KIND),
    ):
        sides = table.identities[pairs.rows[some]]
        once = np.where(sides[:, 0] == sides[:, 1], -1, sides[:, 1])
        people = np.concatenate([sides[:, 0], once[once >= 0]])
        counts = np.bincount(people, minlength=len(table.labels))
        most = int(counts.argmax())
        share = counts[most] / max(len(sides), 1)
        if share > most_share and (counts > 0).sum() > 1 / DOMINANT_SHARE:
            findings.add(
                "dominant_identity",
                f"identity {table.labels[most]} is in {share:.0%} of the {kind} of {split}, more "
                f"than {most_share:.0%}: the result is mostly about this person",
            )
            return


def _named(table: FaceTable, pairs: PairSet, which: Int64Array) -> list[str]:
    return [
        f"{table.files[a]} - {table.files[b]} ({'genuine' if pairs.same[number] else 'impostor'})"
        for number in which[:ROWS_SHOWN]
        for a, b in [pairs.rows[number]]
    ]


def _more(rows: Int64Array) -> int:
    return max(len(rows) - ROWS_SHOWN, 0)
