"""Exact search: the templates of a gallery that score highest with a probe.

Where the score depends on the inner product of unit vectors, or on the Euclidean distance, and on
nothing else, a matrix product finds candidates, and only those are scored. Its rounding is bounded:
candidates are taken until no other template can score as high as the last one that is returned. So
the result is that of scoring every template, scores and order included.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from facesim.arrays import Float32Array, FloatArray, Int64Array
from facesim.verifier.gallery import Gallery, SegmentRows

Comparison = Literal["cosine", "euclidean"]

_BLOCK_ROWS = 65536
_PROBES = 64
_FEWEST = 64
_LONGEST = 1e15
_ROUNDING = 2.0**-24
"""Half of the distance from 1 to the next float32."""


class Score(Protocol):
    """The score of a pack."""

    @property
    def comparison(self) -> Comparison | None:
        """What it depends on: ``cosine`` or ``euclidean``; None for anything else."""
        ...

    def scores(self, a: Float32Array, b: Float32Array) -> Float32Array:
        """Float32 [P]: of each row of ``a`` [P, D] with the same row of ``b`` [P, D]."""
        ...


@dataclass(frozen=True)
class Match:
    """A template, compared with a probe.

    Attributes:
        name: of the identity.
        score: of the probe with the template.
        images: of which the template is the mean.
    """

    name: str
    score: float
    images: int


Nearest = Callable[[Float32Array, int], tuple[FloatArray, Int64Array]]
"""The ``count`` rows that are nearest to each of Q probes [Q, D], in any order: similarity (inner
product, or minus the squared distance) and row, [Q, count] each."""


def search(
    gallery: Gallery,
    probes: Float32Array,
    score: Score,
    top: int,
    *,
    nearest: Nearest | None = None,
) -> list[tuple[Match, ...]]:
    """The ``top`` matches of each probe, highest score first, equal scores by name.

    Args:
        gallery: of templates that ``score`` can compare.
        probes: embeddings, float32 [Q, D].
        score: of two embeddings.
        top: at least 1; of a smaller gallery, all.
        nearest: what finds candidates, instead of a matrix product.
    """
    top = min(top, len(gallery))
    if not top:
        return [() for _ in probes]
    if score.comparison is None:
        return [_ranked(gallery, *_scored_all(gallery, probe, score), top) for probe in probes]
    found: list[tuple[Match, ...]] = []
    for begin in range(0, len(probes), _PROBES):
        found += _searched(gallery, probes[begin : begin + _PROBES], score, top, nearest)
    return found


def _searched(
    gallery: Gallery, probes: Float32Array, score: Score, top: int, nearest: Nearest | None
) -> list[tuple[Match, ...]]:
    comparable = comparable_probes(probes, score.comparison)
    error = _errors(gallery, comparable, score.comparison)
    find = nearest or _by_product(gallery, score.comparison)
    found: dict[int, tuple[Match, ...]] = {}
    count = max(_FEWEST, 4 * top)
    left = np.arange(len(probes))
    while len(left):
        count = len(gallery) if count >= len(gallery) else count
        exhaustive = left[(error[left] == np.inf) | (count == len(gallery))]
        for probe in exhaustive:
            scored = _scored_all(gallery, probes[probe], score)
            found[int(probe)] = _ranked(gallery, *scored, top)
        left = np.setdiff1d(left, exhaustive)
        if not len(left):
            break
        similarities, rows = find(comparable[left], count)
        undecided = []
        for probe, near, row in zip(left, similarities, rows, strict=True):
            scores = _scores(gallery, probes[probe], row, score)
            if _is_complete(near, scores, top, error[probe]):
                found[int(probe)] = _ranked(gallery, row, scores, top)
            else:
                undecided.append(probe)
        left = np.array(undecided, dtype=np.int64)
        count *= 8
    return [found[probe] for probe in range(len(probes))]


def comparable_probes(probes: Float32Array, comparison: Comparison | None) -> Float32Array:
    """Probes as templates are: of unit length for ``cosine``; a probe of zeros stays."""
    if comparison != "cosine":
        return probes
    lengths = np.linalg.norm(probes.astype(np.float64), axis=1, keepdims=True)
    unit: Float32Array = (probes / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return unit


def _errors(gallery: Gallery, probes: Float32Array, comparison: Comparison | None) -> FloatArray:
    """How far a similarity may be from the exact one, for each probe.

    The usual bound on a sum of D products, doubled: once for the matrix product, and once for what
    the score computes from the same vectors. Higham, "Accuracy and Stability of Numerical
    Algorithms", section 3.1.
    """
    longest = max(float(part.lengths.max()) for part in gallery.parts)
    lengths = np.linalg.norm(probes.astype(np.float64), axis=1)
    size = lengths * longest if comparison == "cosine" else (lengths + longest) ** 2
    bound: FloatArray = 4 * (gallery.embeddings.dimension + 8) * _ROUNDING * size
    return np.where(lengths + longest < _LONGEST, bound, np.inf)  # squares would overflow


def _is_complete(similarities: FloatArray, scores: Float32Array, top: int, error: float) -> bool:
    """Whether no template but the candidates can be among the ``top``.

    Others are at most as similar as the last candidate. Some candidate is more similar by more than
    both errors, so that it scores at least as high as any of the others, up to the rounding of the
    score itself; that must be less than what the last of the ``top`` scores.
    """
    surely_nearer = similarities >= similarities.min() + 2 * error
    if not surely_nearer.any():
        return False
    rounding = 8 * _ROUNDING * float(np.abs(scores).max())
    last = np.partition(scores, len(scores) - top)[len(scores) - top]
    return float(scores[surely_nearer].min()) + rounding < float(last)


def _by_product(gallery: Gallery, comparison: Comparison | None) -> Nearest:
    def nearest(probes: Float32Array, count: int) -> tuple[FloatArray, Int64Array]:
        candidates = _Candidates(len(probes), count)
        begin = 0
        for part in gallery.parts:
            for start in range(0, len(part), _BLOCK_ROWS):
                rows = slice(start, start + _BLOCK_ROWS)
                candidates.add(_similarities(probes, part, rows, comparison), begin + start)
            begin += len(part)
        return candidates.best()

    return nearest


def _similarities(
    probes: Float32Array, part: SegmentRows, rows: slice, comparison: Comparison | None
) -> Float32Array:
    """Inner products, or minus squared distances, float32 [Q, N]."""
    products: Float32Array = probes @ part.templates[rows].T
    if comparison == "cosine":
        return products
    squares = np.einsum("qd,qd->q", probes, probes)[:, None]
    templates = (part.lengths[rows] ** 2).astype(np.float32)
    products *= 2
    products -= squares
    products -= templates
    return products


class _Candidates:
    """The ``count`` most similar rows of each probe, over blocks of rows."""

    def __init__(self, probes: int, count: int) -> None:
        self._count = count
        self._least = np.full(probes, -np.inf, dtype=np.float32)
        self._similarities = [np.empty(0, dtype=np.float32) for _ in range(probes)]
        self._rows = [np.empty(0, dtype=np.int64) for _ in range(probes)]

    def add(self, block: Float32Array, first_row: int) -> None:
        for probe, column in _above(block, self._least):
            similarities = np.concatenate((self._similarities[probe], block[probe, column]))
            rows = np.concatenate((self._rows[probe], column + first_row))
            if len(rows) > self._count:
                best = np.argpartition(-similarities, self._count)[: self._count]
                similarities, rows = similarities[best], rows[best]
                self._least[probe] = similarities.min()
            self._similarities[probe], self._rows[probe] = similarities, rows

    def best(self) -> tuple[FloatArray, Int64Array]:
        return np.stack(self._similarities).astype(np.float64), np.stack(self._rows)


def _above(block: Float32Array, least: Float32Array) -> list[tuple[int, Int64Array]]:
    """The columns of each row that exceed the row's least, of rows that have any."""
    is_above = block > least[:, None]
    return [(int(row), np.flatnonzero(is_above[row])) for row in np.flatnonzero(is_above.any(1))]


def _scored_all(
    gallery: Gallery, probe: Float32Array, score: Score
) -> tuple[Int64Array, Float32Array]:
    rows = np.arange(len(gallery))
    scores = [
        _of_block(probe, part.templates[start : start + _BLOCK_ROWS], score)
        for part in gallery.parts
        for start in range(0, len(part), _BLOCK_ROWS)
    ]
    return rows, np.concatenate(scores)


def _scores(gallery: Gallery, probe: Float32Array, rows: Int64Array, score: Score) -> Float32Array:
    """Of a probe with some rows of the gallery, in the order of the rows."""
    scores = np.empty(len(rows), dtype=np.float32)
    begin = 0
    for part in gallery.parts:
        inside = np.flatnonzero((rows >= begin) & (rows < begin + len(part)))
        for start in range(0, len(inside), _BLOCK_ROWS):
            chosen = inside[start : start + _BLOCK_ROWS]
            scores[chosen] = _of_block(probe, part.templates[rows[chosen] - begin], score)
        begin += len(part)
    return scores


def _of_block(probe: Float32Array, templates: Float32Array, score: Score) -> Float32Array:
    return score.scores(np.broadcast_to(probe, templates.shape), templates)


def _ranked(
    gallery: Gallery, rows: Int64Array, scores: Float32Array, top: int
) -> tuple[Match, ...]:
    least = np.partition(scores, len(scores) - top)[len(scores) - top]
    near = np.flatnonzero(scores >= least)
    order: Sequence[int] = sorted(
        near.tolist(), key=lambda at: (-float(scores[at]), gallery.names[int(rows[at])])
    )
    return tuple(_match(gallery, int(rows[at]), float(scores[at])) for at in order[:top])


def _match(gallery: Gallery, row: int, score: float) -> Match:
    return Match(gallery.names[row], score, int(gallery.images[row]))
