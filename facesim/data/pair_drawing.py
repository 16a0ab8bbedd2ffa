"""Drawing genuine and impostor pairs by number, without listing all pairs."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facesim.arrays import Int64Array
from facesim.errors import FacesimError

MOST_PAIRS = 10**9
"""In an epoch or a set of evaluation pairs; they are drawn at once, of eight bytes each."""


@dataclass(frozen=True)
class PairSpace:
    """Every unordered pair of two different rows of a table, numbered.

    The numbers from 0 to ``genuine - 1`` are the pairs of one identity, the ``impostor`` numbers
    after them the pairs of two. Each pair has exactly one number, so different numbers are
    different pairs and equally likely numbers are equally likely pairs. What is stored grows with
    the rows, not with the pairs.

    Attributes:
        order: int64 [N], the rows sorted by identity, rows of one identity in table order.
        bounds: int64 [I + 1], identity ``i`` holds ``order[bounds[i]:bounds[i + 1]]``.
        genuine_before: int64 [I + 1], genuine pairs of the identities before ``i``.
        impostor_before: int64 [I + 1], impostor pairs whose first row is of an identity before
            ``i``; the second row is always of a later identity.
    """

    order: Int64Array
    bounds: Int64Array
    genuine_before: Int64Array
    impostor_before: Int64Array

    @classmethod
    def of(cls, identities: Int64Array) -> "PairSpace":
        """Number the pairs of a table.

        Args:
            identities: int64 [N], from 0 and below ``2**63 / N``, as class indices are.
        """
        # identity and row in one integer: sorting those is four times as fast as sorting rows
        keys = identities * len(identities) + np.arange(len(identities))
        keys.sort()
        ordered, order = np.divmod(keys, max(len(identities), 1))
        changes = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
        bounds = np.concatenate(([0], changes, [len(order)]))
        images = np.diff(bounds)
        return cls(
            order=order,
            bounds=bounds,
            genuine_before=_before(images * (images - 1) // 2),
            impostor_before=_before(images * (len(order) - bounds[1:])),
        )

    @property
    def genuine(self) -> int:
        """The number of genuine pairs."""
        return int(self.genuine_before[-1])

    @property
    def impostor(self) -> int:
        """The number of impostor pairs."""
        return int(self.impostor_before[-1])

    def same(self, numbers: Int64Array) -> npt.NDArray[np.bool_]:
        """Which of the numbered pairs are genuine: int64 [P] -> bool [P]."""
        return np.less(numbers, self.genuine)

    def rows(self, numbers: Int64Array) -> Int64Array:
        """The rows of the numbered pairs: int64 [P] -> int64 [P, 2]."""
        positions = np.empty((len(numbers), 2), np.int64)
        same = self.same(numbers)
        positions[same] = self._genuine(numbers[same])
        positions[~same] = self._impostor(numbers[~same] - self.genuine)
        rows: Int64Array = self.order[positions]
        return rows

    def count(self, pairs_per_image: float, same_fraction: float) -> tuple[int, int]:
        """The numbers of pairs to draw, rounded: (genuine, impostor).

        Raises:
            FacesimError: fewer than two images, or ``pairs_per_image`` rounds to no pair, or to
                more than :data:`MOST_PAIRS`.
        """
        images = len(self.order)
        if images < 2:
            raise FacesimError(f"a pair needs two images; the table has {images}")
        pairs = round(images * pairs_per_image)
        if pairs < 1:
            raise FacesimError(
                f"pairs_per_image {pairs_per_image:g} over {images} images is less than one pair; "
                f"use {1 / images:.2g} or more"
            )
        if pairs > MOST_PAIRS:
            raise FacesimError(
                f"pairs_per_image {pairs_per_image:g} over {images} images is {pairs:,} pairs; at "
                f"most {MOST_PAIRS:,} are drawn"
            )
        genuine = round(pairs * same_fraction)
        return genuine, pairs - genuine

    def draw(self, genuine: int, impostor: int, generator: np.random.Generator) -> Int64Array:
        """Draw pairs of both classes and shuffle them together.

        Within a class every *pair* is equally likely, so an identity with ``n`` images is drawn in
        proportion to its ``n (n - 1) / 2`` genuine pairs: the mean over the drawn pairs is an
        unbiased estimate of the mean over all pairs of the table. No pair is drawn twice while
        another of its class is left; where more are asked for than exist, each is drawn
        ``asked // existing`` times and the rest, again without repetition, once more.

        Args:
            genuine: how many pairs of one identity.
            impostor: how many pairs of two identities.
            generator: the only source of randomness.

        Returns:
            The numbers of the pairs, int64 [genuine + impostor].

        Raises:
            FacesimError: pairs of a class are asked for, and the table has none.
        """
        self.require(genuine, impostor)
        numbers = np.concatenate(
            [
                _draw(self.genuine, genuine, generator),
                _draw(self.impostor, impostor, generator) + self.genuine,
            ]
        )
        generator.shuffle(numbers)
        return numbers

    def require(self, genuine: int, impostor: int) -> None:
        """Raise FacesimError if pairs of a class are asked for and the table has none of them."""
        rows, identities = len(self.order), len(self.bounds) - 1
        if genuine and not self.genuine:
            raise FacesimError(
                f"no genuine pair can be drawn: each of the {identities} identities has one image; "
                "use a table with at least two images of some identity, or draw no genuine pairs"
            )
        if impostor and not self.impostor:
            raise FacesimError(
                f"no impostor pair can be drawn: all {rows} images show one identity; use a table "
                "with at least two identities, or draw no impostor pairs"
            )

    def _genuine(self, numbers: Int64Array) -> Int64Array:
        """Pair ``n`` of an identity is (i, j) with ``i < j`` and ``n = j (j - 1) / 2 + i``."""
        identity, local = _locate(self.genuine_before, numbers)
        # exact in float64 up to 8 * local = 2**53: an identity of 47 million images
        second = ((1 + np.sqrt(8 * local + 1)) / 2).astype(np.int64)
        first = local - second * (second - 1) // 2
        start = self.bounds[identity]
        return np.stack([start + first, start + second], axis=1)

    def _impostor(self, numbers: Int64Array) -> Int64Array:
        """Pair ``n`` of an identity is one of its rows with one row of the identities after it."""
        identity, local = _locate(self.impostor_before, numbers)
        after = self.bounds[identity + 1]
        first, second = np.divmod(local, self.bounds[-1] - after)
        return np.stack([self.bounds[identity] + first, after + second], axis=1)


def _draw(total: int, size: int, generator: np.random.Generator) -> Int64Array:
    """Draw ``size`` numbers below ``total``, each ``size // total`` times or once more."""
    if size == 0:
        return np.empty(0, np.int64)
    rounds, rest = divmod(size, total)
    whole = np.arange(rounds * total) % total
    return np.concatenate([whole, _distinct(total, rest, generator)])


def _distinct(total: int, size: int, generator: np.random.Generator) -> Int64Array:
    """Draw ``size`` distinct numbers below ``total``, every set of them equally likely.

    Memory is proportional to ``size``: where few of many are drawn, numpy hashes them; where many
    are, one byte per number marks the drawn ones, or the others if those are fewer.
    """
    if 20 * size < total:
        return generator.choice(total, size, replace=False, shuffle=False)
    fewer = min(size, total - size)
    marked = np.zeros(total, bool)
    while missing := fewer - np.count_nonzero(marked):
        marked[generator.integers(total, size=missing)] = True
    return np.flatnonzero(marked if fewer == size else ~marked)


def _before(counts: Int64Array) -> Int64Array:
    """Cumulative sums with a leading zero."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def _locate(before: Int64Array, numbers: Int64Array) -> tuple[Int64Array, Int64Array]:
    """The identity that each number belongs to, and its index there."""
    identity = np.searchsorted(before, numbers, side="right") - 1
    return identity, numbers - before[identity]
