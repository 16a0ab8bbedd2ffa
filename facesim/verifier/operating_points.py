"""Operating points of a pack, by the names that a person writes."""

import re
from collections.abc import Sequence
from contextlib import suppress

from facesim.errors import FacesimError, did_you_mean
from facesim.verifier.pack_file import PackedPoint

DEFAULT_FMR = 1e-3
"""The FMR target whose threshold is used if none is asked for, or the nearest that there is."""

_FAR = re.compile(r"(?:far|fmr)[=_]([^%]+)(%?)", re.IGNORECASE)


def operating_point(points: Sequence[PackedPoint], at: str | None = None) -> PackedPoint:
    """An operating point with a threshold.

    Args:
        points: of the pack.
        at: ``far=1e-3``, ``far=0.1%``, ``eer``, ``best_accuracy`` or another of their names. By
            default that of the largest FMR target up to :data:`DEFAULT_FMR` that has a threshold,
            or else of the smallest one that has, or else the first with a threshold.

    Raises:
        FacesimError: there is none of this name, or it has no threshold.
    """
    usable = [point for point in points if point.threshold is not None]
    if at is None:
        return _default(usable)
    shown = ", ".join(map(spelling, usable)) or "none"
    for point in points:
        if _meaning(at) == _meaning(point.name):
            if point.threshold is not None:
                return point
            raise FacesimError(
                f"the pack has no threshold for {at} ({point.reason}); it has them for: {shown}"
            )
    close = did_you_mean(at, [spelling(point) for point in points])
    raise FacesimError(
        f"the pack has no operating point {at!r}{close}; it has thresholds for: {shown}"
    )


def _default(usable: Sequence[PackedPoint]) -> PackedPoint:
    if not usable:
        raise FacesimError("no operating point of the pack has a threshold")
    targets = {point.target_fmr: point for point in usable if point.target_fmr is not None}
    if not targets:
        return usable[0]
    small_enough = [target for target in targets if target <= DEFAULT_FMR]
    return targets[max(small_enough) if small_enough else min(targets)]


def spelling(point: PackedPoint) -> str:
    """How a person asks for it: ``far=1e-3`` for ``far_1e-3``."""
    match = _FAR.fullmatch(point.name)
    return f"far={match[1]}" if match else point.name


def _meaning(name: str) -> str | float:
    """The target of an FMR, however it is written; any other name as it is."""
    match = _FAR.fullmatch(name.strip())
    if match:
        with suppress(ValueError):
            return float(f"{float(match[1]) / (100 if match[2] else 1):.9g}")
    return name.strip().lower()
