"""The most confident errors, as pairs of faces."""

from facesim.report.confident_errors import confident_errors
from facesim.report.face_pairs import PairShower
from facesim.report.formatting import count
from facesim.report.page import Gallery, Section, Text

_SHOWN = 8


def errors_section(shower: PairShower, threshold: float) -> Section:
    """False rejects and false accepts, those farthest from the threshold first."""
    pairs = shower.pairs
    rejects, accepts = confident_errors(pairs.scores, pairs.same, threshold)
    galleries = [
        Gallery(
            f"{title}: {count(len(positions), 'pair')}",
            tuple(shower.show(int(position)) for position in positions[:_SHOWN]),
        )
        for title, positions in (
            ("One person, rejected", rejects),
            ("Two people, accepted", accepts),
        )
        if len(positions)
    ]
    told = Text(
        "The errors that lie farthest from the threshold come first. The probability is that of "
        "one person at such a score, as calibrated on val."
        if galleries
        else "The threshold decides every pair correctly."
    )
    return Section("errors", "Confident errors", (told, *galleries))
