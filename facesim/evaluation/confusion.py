"""How many genuine and impostor pairs one threshold accepts, and the rates that follow."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Confusion:
    """The outcome of one threshold. A rate over no pairs does not exist and is ``nan``.

    Names of rates as in ISO/IEC 19795-1; with one comparison an attempt, FAR is FMR and FRR is
    FNMR.

    Attributes:
        true_accepts: accepted genuine pairs.
        false_accepts: accepted impostor pairs.
        genuine: all genuine pairs.
        impostor: all impostor pairs.
    """

    true_accepts: int
    false_accepts: int
    genuine: int
    impostor: int

    @property
    def correct(self) -> int:
        """Accepted genuine and rejected impostor pairs."""
        return self.true_accepts + self.impostor - self.false_accepts

    @property
    def tar(self) -> float:
        """True accept rate."""
        return proportion(self.true_accepts, self.genuine)

    @property
    def far(self) -> float:
        """False accept rate, also called FMR."""
        return proportion(self.false_accepts, self.impostor)

    @property
    def fnmr(self) -> float:
        """False non-match rate, also called FRR: ``1 - tar``."""
        return proportion(self.genuine - self.true_accepts, self.genuine)

    @property
    def accuracy(self) -> float:
        """Share of all pairs that are decided correctly."""
        return proportion(self.correct, self.genuine + self.impostor)

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the shares of genuine and of impostor pairs that are decided correctly."""
        return (self.tar + 1.0 - self.far) / 2.0


def proportion(count: int, total: int) -> float:
    """``count / total``, or ``nan`` of nothing."""
    return count / total if total else math.nan
