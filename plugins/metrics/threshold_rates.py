"""FMR, FNMR and TAR at the threshold from val."""

from facesim import FloatArray, Metric, Roc, RocBlock, metrics


@metrics("fmr", aliases=("far",))
class FalseMatchRate(Metric):
    """Share of impostor pairs accepted at the threshold from val (ISO/IEC 19795-1: FMR)."""

    label = "FMR at the threshold"
    higher_is_better = False
    at_threshold = True
    headline = True
    standard = True

    def value(self, roc: Roc, threshold: float) -> float:
        """False matches over impostor pairs."""
        return roc.at(threshold).fmr

    def values(self, curves: RocBlock, thresholds: FloatArray) -> FloatArray:
        """The same of each curve."""
        return curves.at(thresholds).fmr

    def undefined_reason(self, roc: Roc) -> str | None:
        """Impostor pairs are enough."""
        return None if roc.impostor else roc.missing

    def trials(self, roc: Roc) -> int:
        """The impostor pairs."""
        return roc.impostor


class _OfGenuinePairs(Metric):
    """A rate of genuine pairs at the threshold from val."""

    at_threshold = True
    standard = True

    def undefined_reason(self, roc: Roc) -> str | None:
        """Genuine pairs are enough."""
        return None if roc.genuine else roc.missing

    def trials(self, roc: Roc) -> int:
        """The genuine pairs."""
        return roc.genuine


@metrics("fnmr")
class FalseNonMatchRate(_OfGenuinePairs):
    """Share of genuine pairs rejected at the threshold from val (ISO/IEC 19795-1: FNMR)."""

    label = "FNMR at the threshold"
    higher_is_better = False
    headline = True

    def value(self, roc: Roc, threshold: float) -> float:
        """False non-matches over genuine pairs."""
        return roc.at(threshold).fnmr

    def values(self, curves: RocBlock, thresholds: FloatArray) -> FloatArray:
        """The same of each curve."""
        return curves.at(thresholds).fnmr


@metrics("tar")
class TrueAcceptRate(_OfGenuinePairs):
    """Share of genuine pairs accepted at the threshold from val: ``1 - FNMR``."""

    label = "TAR at the threshold"

    def value(self, roc: Roc, threshold: float) -> float:
        """Accepted genuine pairs over genuine pairs."""
        return roc.at(threshold).tar

    def values(self, curves: RocBlock, thresholds: FloatArray) -> FloatArray:
        """The same of each curve."""
        return curves.at(thresholds).tar
