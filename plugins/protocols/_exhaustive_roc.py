"""The ROC of every pair of a table, scored in blocks and counted as they pass."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from facesim import (
    FacesimError,
    Float32Array,
    FloatArray,
    Int64Array,
    PairSpace,
    Roc,
)

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
        highest: float64 [I], the highest impostor score of each identity.
    """

    rejected: FloatArray
    highest: FloatArray

    @property
    def has_every_score(self) -> bool:
        """False: of a run of impostors between two bends only the number and the ends are kept."""
        return False

    def false_match_identities(self, threshold: float) -> int:
        """Those whose highest impostor score is accepted."""
        return int((self.highest >= threshold).sum())

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

    Memory grows with the images and the genuine pairs, a few dozen bytes each, beside a block of
    32 MB a thread.

    Args:
        embeddings: float [N, D], on the device that ``score`` works on.
        identities: int64 [N].
        score: `Loss.score`: [P, D] and [P, D] to similarities [P], compared as float32. It is
            called from several threads, and the first may be one row expanded, for reading only.
        thresholds: chosen elsewhere; `Roc.at` is exact at these and at the result's own.

    Raises:
        FacesimError: there is no genuine or no impostor pair, or a score is NaN or infinite.
    """
    space = PairSpace.of(identities)
    space.require(genuine=1, impostor=1)
    ordered = embeddings[torch.from_numpy(space.order).to(embeddings.device)]
    genuine = _finite(np.sort(score_numbered(space, np.arange(space.genuine), embeddings, score)))
    # Genuine scores alone may leave a long run of impostors without a point, so that a threshold
    # could be read only coarsely there: the scores of evenly spaced impostor pairs break it up.
    landmarks = space.genuine + np.arange(0, space.impostor, -(-space.impostor // _LANDMARKS))
    levels = np.concatenate(
        [
            [-np.inf, np.inf],
            genuine,
            score_numbered(space, landmarks, embeddings, score),
            [_next_float32(threshold) for threshold in thresholds],
        ],
        dtype=np.float32,
    )
    counts, highest = _impostor_counts(ordered, space.bounds, score, np.unique(levels))
    of_identities = np.maximum.reduceat(highest, space.bounds[:-1]).astype(np.float64)
    return _roc(genuine, counts, of_identities)


@dataclass(frozen=True, eq=False)
class ImpostorCounts:
    """Where impostor scores lie among some levels.

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
    def of(cls, levels: Float32Array, scores: Float32Array) -> "ImpostorCounts":
        """Count scores, one or more, in ascending order."""
        # Blocks are counted apart and added, so only what survives addition is kept: numbers of
        # scores, and the nearest score on either side of each level.
        first = np.searchsorted(scores, levels, side="left")
        after = np.searchsorted(scores, levels, side="right")
        last = len(scores) - 1
        return cls(
            levels,
            at_least=len(scores) - first,
            above=len(scores) - after,
            next_above=np.where(after > last, np.float32(np.inf), scores[np.minimum(after, last)]),
            next_below=np.where(first == 0, np.float32(-np.inf), scores[np.maximum(first, 1) - 1]),
        )

    def __add__(self, other: "ImpostorCounts") -> "ImpostorCounts":
        return ImpostorCounts(
            self.levels,
            self.at_least + other.at_least,
            self.above + other.above,
            np.minimum(self.next_above, other.next_above),
            np.maximum(self.next_below, other.next_below),
        )


def _roc(genuine: Float32Array, counts: ImpostorCounts, highest: FloatArray) -> StreamedRoc:
    """Two points a level at most: the impostors between it and the next level, and itself."""
    levels = counts.levels
    genuine_at = np.searchsorted(genuine, levels, "right") - np.searchsorted(genuine, levels)
    impostor_at = counts.at_least - counts.above
    impostor_over = counts.above - np.append(counts.at_least[1:], 0)
    # A point accepts everything from its score up. The highest score that it rejects is the next
    # lower impostor or genuine score, whichever is higher, though neither need be a level.
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
        highest,
    )


def _descending(over: npt.NDArray[Any], at: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """One array from the highest level down: what lies over each level, then what lies at it."""
    return np.stack([over, at], axis=1)[::-1].ravel()


def score_numbered(
    space: PairSpace, numbers: Int64Array, embeddings: Tensor, score: Score
) -> Float32Array:
    """The scores float32 [P] of some pairs, by their numbers in ``space``."""
    scores = np.empty(len(numbers), np.float32)
    for start in range(0, len(numbers), _PAIRS_A_CALL):
        rows = torch.from_numpy(space.rows(numbers[start : start + _PAIRS_A_CALL]))
        first, second = rows.to(embeddings.device).unbind(1)
        part = score(embeddings[first], embeddings[second])
        scores[start : start + len(rows)] = part.float().cpu().numpy()
    return scores


def _impostor_counts(
    ordered: Tensor, bounds: Int64Array, score: Score, levels: Float32Array
) -> tuple[ImpostorCounts, Float32Array]:
    """Count the scores of all impostor pairs of images that are sorted by identity.

    Also gives the highest of them of each image, float32 [N].

    Each thread scores, sorts and counts a block of its own: calls as short as these would wait
    for one another longer than they work if each were spread over the threads.
    """
    partners_from = np.repeat(bounds[1:], np.diff(bounds))
    pairs = np.cumsum(len(ordered) - partners_from)
    cuts = np.searchsorted(pairs, np.arange(0, pairs[-1], _SCORES_A_BLOCK), side="right")
    blocks = [block for block in np.split(np.arange(len(ordered)), cuts) if len(block)]

    @torch.inference_mode()
    def count(block: Int64Array) -> tuple[ImpostorCounts, Float32Array]:
        scores, highest = _impostor_scores(ordered, block, partners_from[block], score)
        scores.sort()
        return ImpostorCounts.of(levels, _finite(scores)), highest

    with _one_thread_a_call() as threads, ThreadPoolExecutor(threads) as executor:
        return reduce(
            lambda one, other: (one[0] + other[0], np.maximum(one[1], other[1])),
            executor.map(count, blocks),
        )


def _impostor_scores(
    ordered: Tensor, rows: Int64Array, partners_from: Int64Array, score: Score
) -> tuple[Float32Array, Float32Array]:
    """The scores of some images with all images of later identities, and each image's highest.

    Those are the rows from ``partners_from`` on: neither side is gathered or copied.
    """
    scores = torch.empty(int((len(ordered) - partners_from).sum()))
    highest = torch.full((len(ordered),), -torch.inf)
    of_row = torch.full((len(rows),), -torch.inf)
    filled = 0
    for at, (row, begin) in enumerate(zip(rows.tolist(), partners_from.tolist(), strict=True)):
        if begin == len(ordered):
            continue
        scored = scores[filled : filled + len(ordered) - begin]
        for start in range(begin, len(ordered), _PAIRS_A_CALL):
            second = ordered[start : start + _PAIRS_A_CALL]
            part = score(ordered[row].expand_as(second), second)
            scored[start - begin : start - begin + len(part)] = part
        partners = highest[begin:]
        torch.maximum(partners, scored, out=partners)
        torch.amax(scored, dim=0, out=of_row[at])
        filled += len(scored)
    of_rows = highest[rows[0] : rows[0] + len(rows)]
    torch.maximum(of_rows, of_row, out=of_rows)
    return scores.numpy(), highest.numpy()


@contextmanager
def _one_thread_a_call() -> Iterator[int]:
    """Let torch compute each call in the thread that makes it; gives the threads it had."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


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
