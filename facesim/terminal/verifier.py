"""Decisions of a pack and matches in a gallery, for a person and as JSON."""

import json
from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from facesim.console import Console, say
from facesim.errors import count
from facesim.verifier.enrolment import Enrolment
from facesim.verifier.gallery import Gallery
from facesim.verifier.operating_points import spelling
from facesim.verifier.pack_file import MeasuredRate, PackedPoint
from facesim.verifier.search import Match
from facesim.verifier.verifier import TakenFace, Unjudged, Verdict, Verifier

_SHOWN = 20


def print_verdict(verifier: Verifier, verdict: Verdict) -> None:
    """Print a decision, what it rests on, and the error rates that were measured there."""
    point = verdict.point
    relation = ">=" if verdict.same else "<"
    say(
        f"{'same person' if verdict.same else 'different people'}: score {verdict.score:.6g} "
        f"{relation} threshold {point.threshold:.6g} ({spelling(point)})"
    )
    if verdict.probability is None:
        say(f"no probability: {verifier.pack.probability_reason or 'the pack has none'}")
    elif verifier.pack.probability is not None:
        share = _percent(verifier.pack.probability.genuine_share)
        say(
            f"probability of the same person: {_percent(verdict.probability)}, where {share} of "
            "the pairs show one person"
        )
    for which, face in zip(("first", "second"), verdict.faces, strict=True):
        if face is not None and face.found > 1:
            say(f"{which} photograph: {face}")
    print_rates(verifier, point)


def print_rates(verifier: Verifier, point: PackedPoint) -> None:
    """Print the measured error rates of an operating point."""
    on = verifier.pack.measured_on
    say(
        f"at this threshold, measured on {on.split}: {count(on.pairs, 'pair')} of "
        f"{count(on.identities, 'identity')}"
    )
    say(f"  FMR  {_rate(point.fmr)}: different people taken for one")
    say(f"  FNMR {_rate(point.fnmr)}: one person taken for two")
    if on.failure_to_acquire is not None:
        say(f"  failure to acquire {_rate(on.failure_to_acquire)}: no face found")
    if on.includes_centres:
        say(
            "  FMR and FNMR include photographs without a face, of which the centre was used; "
            "here, such a photograph is refused"
        )


def verdict_as_json(verifier: Verifier, verdict: Verdict | Unjudged) -> str:
    """A decision as one line of JSON; ``same`` is null where nothing can be said."""
    if isinstance(verdict, Unjudged):
        return json.dumps({"same": None, "reason": verdict.reason})
    content: dict[str, Any] = {
        "same": verdict.same,
        "score": verdict.score,
        "probability": verdict.probability,
        "faces": [face_as_json(face) for face in verdict.faces],
        **_point_as_json(verifier, verdict.point),
    }
    return json.dumps(content)


def face_as_json(face: TakenFace | None) -> dict[str, Any] | None:
    """The face that was taken of a photograph, and of how many; None where none is looked for."""
    if face is None:
        return None
    return {"found": face.found, "rule": face.rule, "box": list(face.box)}


def print_list_summary(verdicts: Sequence[Verdict | Unjudged]) -> None:
    """Print how many pairs of a list were judged how."""
    judged = [verdict.same for verdict in verdicts if isinstance(verdict, Verdict)]
    unjudged = len(verdicts) - len(judged)
    same = sum(judged)
    say(
        f"{count(len(verdicts), 'pair')}: {same:,} of the same person, {len(judged) - same:,} of "
        f"different people, {unjudged:,} that cannot be judged"
    )
    several = sum(
        any(face is not None and face.found > 1 for face in verdict.faces)
        for verdict in verdicts
        if isinstance(verdict, Verdict)
    )
    if several:
        say(
            f"{count(several, 'pair')} with a photograph that holds several faces; the columns "
            "faces1 and faces2 say how many, face1 and face2 which one was taken"
        )


def print_enrolment(done: Enrolment, gallery: Gallery) -> None:
    """Print what an enrolment did, and what could not be used."""
    for reason in done.unused[:_SHOWN]:
        say(f"not used: {reason}")
    for told in done.several[:_SHOWN]:
        say(f"several faces: {told}")
    for name, reason in list(done.failed.items())[:_SHOWN]:
        say(f"not enrolled: {name}: {reason}")
    more = sum(max(0, len(each) - _SHOWN) for each in (done.unused, done.several, done.failed))
    if more:
        say(f"... and {more:,} more")
    say(
        f"enrolled {done.enrolled:,}, replaced {done.replaced:,}, skipped {done.skipped:,} that "
        f"were enrolled already, could not enroll {len(done.failed):,}"
    )
    tried = done.enrolled + done.replaced + len(done.failed)
    if tried:
        say(
            f"failure-to-enrol rate: {_percent(len(done.failed) / tried)} of "
            f"{count(tried, 'identity')}"
        )
    say(f"{gallery.folder}: {count(len(gallery), 'identity')}")


def print_matches(
    console: Console,
    verifier: Verifier,
    matches: Sequence[Match],
    point: PackedPoint,
    enrolled: int,
    face: TakenFace | None = None,
) -> None:
    """Print the best matches of a photograph, and what their number means for false ones."""
    if face is not None and face.found > 1:
        say(f"the photograph: {face}")
    table = Table()
    for column in ("rank", "identity", "score", "probability", f"above {spelling(point)}"):
        table.add_column(column, justify="left" if column == "identity" else "right")
    for rank, match in enumerate(matches, 1):
        probability = verifier.probability(match.score)
        table.add_row(
            str(rank),
            Text(match.name),
            f"{match.score:.6g}",
            "-" if probability is None else _percent(probability),
            "yes" if verifier.verdict(match.score, point).same else "no",
        )
    console.print(table)
    print_rates(verifier, point)
    say(identification_note(point, enrolled))


def identification_note(point: PackedPoint, enrolled: int) -> str:
    """What a false match rate per comparison means for a search (ISO/IEC 19795-1)."""
    searched = f"the FMR is per comparison, and this search made {enrolled:,}: for somebody who is"
    bound = _fpir_bound(point, enrolled)
    if bound is None:
        return (
            f"{searched} not enrolled, no bound of the false positive identification rate can be "
            f"given, since the FMR has no interval ({point.fmr.reason or 'none was measured'})"
        )
    return (
        f"{searched} not enrolled, the false positive identification rate may be as high as "
        f"{_percent(bound)} (FPIR <= N * FMR, ISO/IEC 19795-1, with the upper end of the FMR's "
        "interval)"
    )


def _fpir_bound(point: PackedPoint, enrolled: int) -> float | None:
    """Of the FMR's upper end: an FMR of 0 in a sample bounds nothing."""
    return None if point.fmr.high is None else min(1.0, enrolled * point.fmr.high)


def matches_as_json(
    verifier: Verifier,
    matches: Sequence[Match],
    point: PackedPoint,
    enrolled: int,
    face: TakenFace | None = None,
) -> str:
    """The best matches as one line of JSON."""
    found = [
        {
            "identity": match.name,
            "score": match.score,
            "probability": verifier.probability(match.score),
            "above": verifier.verdict(match.score, point).same,
            "images": match.images,
        }
        for match in matches
    ]
    content = {
        "matches": found,
        "face": face_as_json(face),
        "enrolled": enrolled,
        "fpir_at_most": _fpir_bound(point, enrolled),
        **_point_as_json(verifier, point),
    }
    return json.dumps(content)


def print_gallery(gallery: Gallery) -> None:
    """Print the identities of a gallery by name, each with the number of its photographs."""
    rows = sorted(zip(gallery.names, gallery.images.tolist(), strict=True))
    for name, images in rows:
        say(f"{name}\t{images}")
    kind = gallery.embeddings
    say(f"{count(len(rows), 'identity')}, enrolled with the pack {kind.pack!r}")


def _point_as_json(verifier: Verifier, point: PackedPoint) -> dict[str, Any]:
    return {
        "threshold": point.threshold,
        "operating_point": spelling(point),
        "fmr": point.fmr.model_dump(),
        "fnmr": point.fnmr.model_dump(),
        "measured_on": verifier.pack.measured_on.split,
        "pack": f"{verifier.pack.name} {verifier.pack.run}",
    }


def _rate(rate: MeasuredRate) -> str:
    if rate.value is None:
        return rate.reason or "not measurable"
    errors = "" if rate.errors is None else f", {rate.errors:,} of {rate.comparisons:,}"
    if rate.low is None or rate.high is None:
        return f"{_percent(rate.value)} ({rate.reason or 'no interval'}{errors})"
    interval = f"{_percent(max(rate.low, 0.0))} to {_percent(min(rate.high, 1.0))}"
    return f"{_percent(rate.value)} (95% interval {interval}{errors})"


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%" if share < 0.999 else f"{100 * share:.4g}%"
