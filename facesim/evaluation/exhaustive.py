"""The ROC of every pair of a table, scored in blocks and counted as they pass."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from facesim.data.pair_drawing import PairSpace, require_pairs
from facesim.errors import FacesimError
from facesim.evaluation.roc import FloatArray, Roc
from facesim.interfaces import Int64Array

Float32Array = npt.NDArray[np.float32]
Score = Callable[[Tensor, Tensor], Tensor]

_PAIRS_A_CALL = 1 << 13  # at 128 dimensions, what a call reads and writes stays in the cache
_SCORES_A_BLOCK = 1 << 23
_LANDMARKS = 1 << 16


@dataclass(frozen=True, eq=False)
class StreamedRoc(Roc):
    """A ROC that leaves out points between two bends of the curve.

    Attributes:
        rejected: float64 [T + 1], the highest score that each point rejects, a point or not;
            ``-inf`` for the last.
    """

    rejected: FloatArray

    def highest_rejected(self, index: int) -> float:
        """The highest score that point ``index`` rejects, whether it is a point or not."""
        return float(self.rejected[index])


@torch.inference_mode()
def exhaustive_roc(
    embeddings: Tensor, identities: Int64Array, score: Score, thresholds: Sequence[float] = ()
) -> StreamedRoc:
    """The ROC of all ``N (N - 1) / 2`` pairs, exact and without holding them.

    A ROC bends only at scores of genuine pairs, and those are few. They are kept; of the impostors
    it is counted how many score the same as one of them and how many lie between two. So each
    point of the result is a point of the curve of all pairs and each bend of that is a point of
    the result, whence the area, the best accuracy, the TAR at any FAR and the EER follow exactly.
    Left out are points between two bends, which differ in impostors alone, and never more than
    about one 65,536th of the impostors in a row.

    Memory grows with the images and with the genuine pairs, a few dozen bytes each.

    Args:
        embeddings: float [N, D], on the device that ``score`` works on.
        identities: int64 [N].
        score: `Loss.score`: [P, D] and [P, D] to similarities [P], compared as float32.
        thresholds: chosen elsewhere; `Roc.at` is exact at these and at the result's own.

    Raises:
        FacesimError: there is no genuine or no impostor pair, or a score is NaN or infinite.
    """
    space = PairSpace.of(identities)
    require_pairs(space, genuine=1, impostor=1)
    ordered = embeddings[torch.from_numpy(space.order).to(embeddings.device)]
    genuine = _finite(np.sort(_scores_of(space, np.arange(space.genuine), embeddings, score)))
    landmarks = space.genuine + np.arange(0, space.impostor, -(-space.impostor // _LANDMARKS))
    levels = np.concatenate(
        [
            [-np.inf, np.inf],
            genuine,
            _scores_of(space, landmarks, embeddings, score),
            [_next_float32(threshold) for threshold in thresholds],
        ],
        dtype=np.float32,
    )
    counts = ImpostorCounts.at(np.unique(levels))
    for block in _impostor_blocks(ordered, space.bounds, score):
        counts.add(block)
    return _roc(genuine, counts)


@dataclass(eq=False)
class ImpostorCounts:
    """Where the impostor scores of a stream lie among some levels.

    Attributes:
        levels: float32 [L], ascending, from ``-inf`` to ``inf``.
        at_least: int64 [L], impostor scores at or above each level.
        above: int64 [L], impostor scores above it.
        next_above: float32 [L], the lowest of those, ``inf`` if there is none.
        next_below: float32 [L], the highest impostor score below the level, or ``-inf``.
    """

    levels: Float32Array
    at_least: Int64Array
    above: Int64Array
    next_above: Float32Array
    next_below: Float32Array

    @classmethod
    def at(cls, levels: Float32Array) -> "ImpostorCounts":
        """Nothing counted yet."""
        none = np.zeros(len(levels), np.int64)
        infinity = np.full(len(levels), np.inf, np.float32)
        return cls(levels, none, none.copy(), infinity, -infinity)

    def add(self, scores: Float32Array) -> None:
        """Count some more scores; they are sorted in place."""
        scores.sort()
        _finite(scores)
        first = np.searchsorted(scores, self.levels, side="left")
        after = np.searchsorted(scores, self.levels, side="right")
        self.at_least += len(scores) - first
        self.above += len(scores) - after
        upper, lower = after < len(scores), first > 0
        self.next_above[upper] = np.minimum(self.next_above[upper], scores[after[upper]])
        self.next_below[lower] = np.maximum(self.next_below[lower], scores[first[lower] - 1])


def _roc(genuine: Float32Array, counts: ImpostorCounts) -> StreamedRoc:
    """Two points a level at most: the impostors between it and the next level, and itself."""
    levels = counts.levels
    genuine_at = np.searchsorted(genuine, levels, "right") - np.searchsorted(genuine, levels)
    impostor_at = counts.at_least - counts.above
    impostor_over = counts.above - np.append(counts.at_least[1:], 0)
    present = (genuine_at + impostor_at) > 0
    genuine_so_far = np.maximum.accumulate(np.where(genuine_at > 0, levels, -np.inf))
    below = np.maximum(counts.next_below, np.append(-np.inf, genuine_so_far[:-1]))
    at_or_below = np.where(present, levels, below)

    score = _descending(counts.next_above, levels)
    genuine_there = _descending(np.zeros_like(genuine_at), genuine_at)
    impostor_there = _descending(impostor_over, impostor_at)
    rejected = _descending(at_or_below, below)
    kept = genuine_there + impostor_there > 0
    kept[1] = True  # the level inf, nothing over it: the point that accepts nothing
    return StreamedRoc(
        score[kept].astype(np.float64),
        np.cumsum(genuine_there[kept]),
        np.cumsum(impostor_there[kept]),
        rejected[kept].astype(np.float64),
    )


def _descending(over: npt.NDArray[Any], at: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """One array from the highest level down: what lies over each level, then what lies at it."""
    return np.stack([over, at], axis=1)[::-1].ravel()


def _scores_of(
    space: PairSpace, numbers: Int64Array, embeddings: Tensor, score: Score
) -> Float32Array:
    """The scores of numbered pairs, float32 [P]."""
    scores = np.empty(len(numbers), np.float32)
    for start in range(0, len(numbers), _PAIRS_A_CALL):
        rows = torch.from_numpy(space.rows(numbers[start : start + _PAIRS_A_CALL]))
        first, second = rows.to(embeddings.device).unbind(1)
        part = score(embeddings[first], embeddings[second])
        scores[start : start + len(rows)] = part.float().cpu().numpy()
    return scores


def _impostor_blocks(ordered: Tensor, bounds: Int64Array, score: Score) -> Iterator[Float32Array]:
    """The scores of all impostor pairs; each block is valid until the next is asked for.

    With the images sorted by identity, the impostors of an image are the slice after its identity:
    neither is gathered or copied.
    """
    block = torch.empty(_SCORES_A_BLOCK)
    filled = 0
    for first, after in enumerate(np.repeat(bounds[1:], np.diff(bounds)).tolist()):
        for start in range(after, len(ordered), _PAIRS_A_CALL):
            second = ordered[start : start + _PAIRS_A_CALL]
            if filled + len(second) > len(block):
                yield block[:filled].numpy()
                filled = 0
            block[filled : filled + len(second)] = score(ordered[first].expand_as(second), second)
            filled += len(second)
    yield block[:filled].numpy()


def _next_float32(threshold: float) -> np.float32:
    """The lowest float32 that is not below the threshold: it accepts the same float32 scores."""
    rounded = np.float32(threshold)
    return rounded if float(rounded) >= threshold else np.nextafter(rounded, np.float32(np.inf))


def _finite(ascending: Float32Array) -> Float32Array:
    if np.isfinite(ascending[[0, -1]]).all():
        return ascending
    raise FacesimError(
        "a score is NaN or infinite: the embeddings or the loss's score have diverged; try a lower "
        "learning rate or an earlier checkpoint"
    )
