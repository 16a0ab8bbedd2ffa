"""k-fold cross-validation over people: k networks, each tested on people that it never saw."""

from typing import Annotated

from pydantic import Field

from facesim import protocols
from facesim_plugins.protocols.pairs import Pairs

FEW = range(6, 30)
"""Numbers of people of whom a split for thresholds and one for tests would be too small."""


def suggest(people: int) -> str | None:
    """The protocol for few people, with three in a fold where they are enough.

    Of two in a fold one alone would be left by the jackknife, without an impostor pair.
    """
    if people not in FEW:
        return None
    return f"{{name: identity_folds, folds: {min(max(people // 3, 3), 5)}}}"


@protocols("identity_folds", suggest=suggest)
class IdentityFolds(Pairs):
    """Train a network per fold of the people, and pool the pairs of all: for few people.

    Each person is tested once, by the network whose training and thresholds had nothing of them.
    In each fold the next one is val, and all others are train. Each pair is decided by the
    threshold of its own fold; what ranks scores, as the ROC AUC does, is averaged over the folds.
    Stone, "Cross-validatory choice and assessment of statistical predictions", 1974; Forman and
    Scholz, "Apples-to-apples in cross-validation studies", 2010.
    """

    def __init__(
        self,
        *,
        folds: Annotated[
            int, Field(ge=3, le=1000, description="parts of the people, and so many trainings")
        ] = 5,
    ) -> None:
        self.folds = folds
