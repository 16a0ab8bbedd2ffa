"""A scored pair as two faces with what is known of it."""

from dataclasses import dataclass

from facesim.page import Face, FacePair
from facesim.report.evaluated_images import EvaluatedImages
from facesim.report.formatting import number
from facesim.runs.scored_pairs import NamedPairs


@dataclass(frozen=True)
class FacePairPresenter:
    """Shows pairs of one evaluation.

    Attributes:
        pairs: the scored pairs.
        images: who and what is on them; None where the table cannot be read.
    """

    pairs: NamedPairs
    images: EvaluatedImages | None

    def show(self, position: int, *facts: str) -> FacePair:
        """One pair, its score, its probability and further facts."""
        return FacePair(
            (self._face(position, 0), self._face(position, 1)),
            (
                f"score {number(float(self.pairs.scores[position]))}",
                *self._chance(position),
                *facts,
            ),
        )

    def _face(self, position: int, side: int) -> Face:
        if self.images is None:
            return Face(str(self.pairs.files[position, side]), None)
        return self.images.face(int(self.images.rows[position, side]))

    def _chance(self, position: int) -> tuple[str, ...]:
        if self.pairs.probabilities is None:
            return ()
        return (f"one person with probability {float(self.pairs.probabilities[position]):.1%}",)
