"""The wrongly decided pairs: the most confident as faces, all as a table, and by identity."""

from collections.abc import Sequence

import numpy as np

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.errors import count
from facesim.evaluation.attribute_values import UNKNOWN, AttributeValues, attribute_values
from facesim.evaluation.calibration import Calibration
from facesim.evaluation.identity_errors import IdentityRate, identity_errors
from facesim.evaluation.probabilities import expected_calibration_error
from facesim.page import Block, Column, Filter, Gallery, Group, Records, Section, Text
from facesim.report.face_pairs import FacePairPresenter
from facesim.report.formatting import RATE, estimate, number, percent
from facesim.runs.scored_pairs import NamedPairs, PairIdentities, ScoredImages

_SHOWN = 8

MOST_ERRORS = 5_000
"""Pairs in the table: some 100 bytes of the file each."""

MOST_IDENTITIES = 500
"""Identities in the table, each of which takes some milliseconds for its intervals."""

_UNNAMED = "not named"

_KINDS = ("false non-match", "false match")


def errors_section(
    presenter: FacePairPresenter,
    threshold: float,
    calibration: Calibration | None,
    identities: PairIdentities | None = None,
    images: ScoredImages | None = None,
) -> Section:
    """False non-matches and false matches, those farthest from the threshold first.

    Args:
        presenter: of the evaluation's pairs.
        threshold: the one that decides them.
        calibration: where their probabilities come from.
        identities: of the pairs; None where they are not known.
        images: of the pairs, by whose attributes they are filtered; None where they are not known.
    """
    pairs = presenter.pairs
    non_matches, matches = confident_errors(pairs.scores, pairs.same, threshold)
    if not len(non_matches) + len(matches):
        told = Text("The threshold decides every pair correctly.")
        return Section("errors", "Errors", (told,))
    blocks: list[Block] = [
        Text(_description(presenter, calibration)),
        *(
            Gallery(
                f"{title}: {count(len(positions), 'pair')}",
                tuple(presenter.show(int(position)) for position in positions[:_SHOWN]),
            )
            for title, positions in (
                ("False non-matches (one person, rejected)", non_matches),
                ("False matches (two people, accepted)", matches),
            )
            if len(positions)
        ),
        _every_error(pairs, threshold, identities, images),
    ]
    if identities is not None:
        blocks += _by_identity(pairs, threshold, identities)
    return Section("errors", "Errors", tuple(blocks))


def confident_errors(
    scores: FloatArray, same: BoolArray, threshold: float
) -> tuple[Int64Array, Int64Array]:
    """Positions of the false non-matches and of the false matches, the most confident first.

    Args:
        scores: float64 [P].
        same: bool [P], True for genuine pairs.
        threshold: pairs at or above it are accepted.
    """
    non_matches = np.flatnonzero(same & (scores < threshold))
    matches = np.flatnonzero(~same & (scores >= threshold))
    return (
        non_matches[np.argsort(scores[non_matches], kind="stable")],
        matches[np.argsort(-scores[matches], kind="stable")],
    )


def _description(presenter: FacePairPresenter, calibration: Calibration | None) -> str:
    told = "The errors farthest from the threshold come first."
    pairs = presenter.pairs
    if calibration is None or calibration.probability is None or pairs.probabilities is None:
        return told
    here = expected_calibration_error(pairs.probabilities, pairs.same)
    return (
        f"{told} The probability that a pair shows one person comes from its score by Platt "
        f"scaling on {calibration.split}, with {percent(calibration.probability.genuine_share)} "
        f"genuine pairs. Its expected calibration error is "
        f"{percent(calibration.probability.calibration_error)} there and {percent(here)} here."
    )


def _every_error(
    pairs: NamedPairs,
    threshold: float,
    identities: PairIdentities | None,
    images: ScoredImages | None,
) -> Records:
    """The errors of both kinds, up to `MOST_ERRORS`, those farthest from the threshold first."""
    wrong = np.flatnonzero(pairs.same != (pairs.scores >= threshold))
    distance = np.abs(pairs.scores[wrong] - threshold)
    shown = wrong[np.argsort(-distance, kind="stable")[:MOST_ERRORS]]
    kinds = np.where(pairs.same[shown], 0, 1)
    scores = pairs.scores[shown]
    columns = [
        Column("Error", tuple(_KINDS[kind] for kind in kinds)),
        _numbers("Score", scores),
        _numbers("Less the threshold", scores - threshold),
    ]
    if pairs.probabilities is not None:
        shares = pairs.probabilities[shown]
        texts = tuple(f"{share:.1%}" for share in shares)
        columns.append(Column("Probability", texts, _rounded(shares)))
    if identities is not None:
        first, second = (_labels(identities, side) for side in identities.codes[shown].T)
        both = zip(first, second, strict=True)
        columns.append(Column("Identities", tuple(", ".join(dict.fromkeys(each)) for each in both)))
    columns.append(
        Column("Images", tuple(", ".join(map(str, each)) for each in pairs.files[shown]))
    )
    filters = [Filter("Error", (Group("", _KINDS, tuple(int(kind) for kind in kinds)),))]
    groups = _attributes(images, shown) if images is not None else ()
    if groups:
        filters.append(Filter("Attribute of both images", groups))
    caption = f"All {count(len(wrong), 'error')}"
    if len(shown) < len(wrong):
        caption = (
            f"The {MOST_ERRORS:,} errors farthest from the threshold, of {len(wrong):,}; "
            "scores.csv has every pair"
        )
    search = "File" if identities is None else "Identity or file"
    return Records("every-error", caption, tuple(columns), tuple(filters), search)


def _attributes(images: ScoredImages, shown: Int64Array) -> tuple[Group, ...]:
    """Attributes of the table, where the two images of a pair have the same value."""
    groups = []
    for name, column in images.table.attributes.items():
        found = attribute_values(str(name), column)
        if isinstance(found, AttributeValues) and len(found.values) <= Group.MOST_VALUES:
            first, second = found.codes[images.rows[shown]].T
            both = np.where(first == second, first, UNKNOWN)
            rows = tuple(both.tolist())
            groups.append(
                Group(found.name, tuple(f"{found.name}: {v}" for v in found.values), rows)
            )
    return tuple(groups)


def _by_identity(
    pairs: NamedPairs, threshold: float, identities: PairIdentities
) -> tuple[Block, ...]:
    """Error rates of the identities that have errors, those with the most errors first."""
    found = identity_errors(
        pairs.files, identities.codes, pairs.scores >= threshold, most=MOST_IDENTITIES
    )
    known = len(np.unique(identities.codes))
    told = (
        "Who is difficult to recognise, or easily taken for others, differs from person to person. "
        "The 95% interval of a rate is for this person's other images and, of the FMR, for other "
        "people on the other side. "
    )
    high = [each for each in found if each.fnmr.is_high or each.fmr.is_high]
    if high:
        told += (
            f"{count(len(high), 'identity')} marked * {'has' if len(high) == 1 else 'have'} a "
            "higher rate than all pairs together, by an interval that allows for having looked "
            f"at {2 * known:,} rates."
        )
    else:
        told += (
            "Nobody's rate is shown to be higher than that of all pairs together, by an interval "
            f"that allows for having looked at {2 * known:,} rates."
        )
    caption = "Error rates by identity, with 95% intervals"
    if len(found) < known:
        caption += f"; the {len(found):,} identities with the most errors, of {known:,}"
    codes = np.array([each.identity for each in found], np.int64)
    columns = (
        Column("Identity", _labels(identities, codes)),
        _counts("Errors", [each.errors for each in found]),
        _counts("Genuine pairs", [each.fnmr.pairs for each in found]),
        _rates("FNMR", [each.fnmr for each in found]),
        _counts("Impostor pairs", [each.fmr.pairs for each in found]),
        _rates("FMR", [each.fmr for each in found]),
    )
    return Text(told), Records("identity-errors", caption, columns, search="Identity")


def _numbers(label: str, values: FloatArray) -> Column:
    return Column(label, tuple(number(float(value)) for value in values), _rounded(values))


def _rounded(values: FloatArray) -> tuple[float, ...]:
    """Six significant digits, which sort as the values do, in less space."""
    return tuple(float(f"{value:.6g}") for value in values)


def _counts(label: str, values: Sequence[int]) -> Column:
    return Column(label, tuple(f"{value:,}" for value in values), tuple(map(float, values)))


def _rates(label: str, rates: Sequence[IdentityRate]) -> Column:
    return Column(label, tuple(map(_rate, rates)), tuple(rate.estimate.value for rate in rates))


def _rate(rate: IdentityRate) -> str:
    found = rate.estimate
    if found.value is not None and found.low is None:
        return f"{percent(found.value)}, {found.reason}"
    return f"{estimate(RATE, found)}{' *' if rate.is_high else ''}"


def _labels(identities: PairIdentities, codes: Int64Array) -> tuple[str, ...]:
    """The dataset's labels; a pair list that contradicts the table has codes beyond them."""
    known = len(identities.labels)
    return tuple(str(identities.labels[code]) if code < known else _UNNAMED for code in codes)
