"""Whether two images show the same photograph: aligned by block matching, compared block by block.

Local features verified by geometry, on a dense grid: each block of one image is sought in the
other by normalised cross-correlation, an affine transform is fitted to the displacements, and
after it the two images must agree block by block. What a crop, a shift, a rotation or a border
moves is moved back; what a logo or a mask covers is a minority of the blocks.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

COARSE_SIDE = 32
FINE_SIDE = 64

WORTH_A_CLOSER_LOOK = 0.84
"""Median correlation of the blocks of two coarse images below which they are no copies."""

_HALF_AGREES, _MOST_AGREES = 0.976, 0.88
"""Correlations that half and 70% of the blocks of two copies reach.

Copies of aligned faces (mirrored, cropped by 10%, rotated by 10 degrees, JPEG of quality 10, gamma
2.2, noise of 30 grey levels) have 0.98 and 0.95 and more; copies with a mask over 40% of the image
0.98 and 0.90. Of different photographs taken in the same second, half of the blocks reach 0.973.
"""

_REACH = 3
"""Blocks are sought this many coarse pixels away, in either direction: 9% of the image."""

_CONTRAST_FLOOR = 3.0
"""Grey levels; what varies less is sensor noise or compression."""

_FLAT = 2.0
"""Grey levels; a block that varies less has no texture that could be compared."""

_LEAST_SHARE = 0.25
"""Of the blocks that must be comparable: inside of both images, and textured in both."""


class Alignment(NamedTuple):
    """How the second images of some pairs lie over the first ones.

    Attributes:
        transform: float32 [P, 2, 3], from a position in the first image to that in the second;
            both go from -1 to 1, as in ``torch.nn.functional.affine_grid``.
        agreement: float32 [P], the median correlation of the comparable blocks; 0 if there are
            too few.
    """

    transform: Tensor
    agreement: Tensor


def align(first: Tensor, second: Tensor) -> Alignment:
    """Align pairs of small images.

    Args:
        first: float32 [P, 32, 32], grey levels from 0 to 255.
        second: the same; with the same orientation as ``first``, so mirrored where that is asked.
    """
    grid = _Grid(COARSE_SIDE, 8)
    identity = torch.eye(3)[:2].expand(len(first), 2, 3)
    transform = _refined(identity, first, second, grid, _REACH)
    return Alignment(transform, _agreement(transform, first, second, grid, (0.5,))[0])


def same_image(first: Tensor, second: Tensor, transform: Tensor) -> Tensor:
    """Whether the images of each pair agree block by block, once they are aligned.

    They are compared as they are, and with equalised histograms, which undoes a changed exposure.

    Args:
        first: float32 [P, 64, 64], grey levels from 0 to 255.
        second: the same.
        transform: float32 [P, 2, 3], of :func:`align`.

    Returns:
        bool [P].
    """
    as_they_are = _agree(first, second, transform)
    return as_they_are | _agree(_equalised(first), _equalised(second), transform)


def _agree(first: Tensor, second: Tensor, transform: Tensor) -> Tensor:
    # Interpolation, noise and compression change the finest detail alone.
    smooth = _smoothing(FINE_SIDE, 1)
    first, second = (smooth @ (images @ smooth.T) for images in (first, second))
    transform = _refined(transform, first, second, _Grid(FINE_SIDE, 16), 2)
    transform = _refined(transform, first, second, _Grid(FINE_SIDE, 8), 1)
    most, half = _agreement(transform, first, second, _Grid(FINE_SIDE, 8), (0.3, 0.5))
    return torch.logical_and(half >= _HALF_AGREES, most >= _MOST_AGREES)


def _equalised(images: Tensor) -> Tensor:
    """Images whose grey levels are their ranks among the pixels, from 0 to 255."""
    pixels = images.flatten(1)
    ranks = pixels.argsort(dim=1, stable=True).argsort(dim=1, stable=True)
    return (ranks * (255 / max(pixels.shape[1] - 1, 1))).reshape(images.shape)


class _Grid(NamedTuple):
    """Square blocks that overlap by half.

    Attributes:
        side: of the image, in pixels.
        size: of a block.
    """

    side: int
    size: int

    @property
    def step(self) -> int:
        return self.size // 2

    @property
    def radius(self) -> int:
        """Of the neighbourhood by which contrast is normalised."""
        return 3 * self.side // 64 + 1

    def means(self, images: Tensor) -> Tensor:
        """The mean of each block: [..., side, side] -> [..., n, n]."""
        boxes = _boxes(self.side, self.size, self.step)
        return boxes @ (images @ boxes.T)

    def centres(self) -> Tensor:
        """Positions of the blocks, [n * n, 3]: x, y, 1."""
        starts = torch.arange(0, self.side - self.size + 1, self.step)
        line = (starts + self.size / 2) / self.side * 2 - 1
        y, x = torch.meshgrid(line, line, indexing="ij")
        return torch.stack([x.flatten(), y.flatten(), torch.ones(x.numel())], dim=1)


class _Matches(NamedTuple):
    """Correlations of the blocks of ``first`` with those of ``second``, by displacement.

    Attributes:
        correlations: float32 [P, k, k, n * n] by vertical and horizontal displacement; -1 where
            the displaced block leaves the image.
        inside: bool [P, n * n], whether the block is in the image without a displacement.
    """

    correlations: Tensor
    inside: Tensor


def _refined(transform: Tensor, first: Tensor, second: Tensor, grid: _Grid, reach: int) -> Tensor:
    """A transform, corrected by where the blocks are found."""
    moved, inside = _move(second, transform)
    normal, moved = _local_contrast(first, grid.radius), _local_contrast(moved, grid.radius)
    matches = _match(normal, moved, inside, grid, reach)
    displacements, weights = _displacements(matches.correlations)
    centres = grid.centres()
    correction = torch.zeros(len(first), 3, 2)
    robust = weights
    for scale in (3.0, 1.5, 1.0, 1.0):  # iteratively reweighted least squares, in pixels
        normal_matrix = torch.einsum("pk,ki,kj->pij", robust, centres, centres)
        right = torch.einsum("pk,ki,pkc->pic", robust, centres, displacements)
        correction = torch.linalg.solve(normal_matrix + 1e-3 * torch.eye(3), right)
        left_over = (displacements - centres @ correction).norm(dim=2)
        robust = weights / (1 + (left_over / scale) ** 2)
    step = torch.eye(3).repeat(len(first), 1, 1)
    step[:, :2] += correction.transpose(1, 2) * 2 / grid.side
    return transform @ step


def _agreement(
    transform: Tensor, first: Tensor, second: Tensor, grid: _Grid, quantiles: tuple[float, ...]
) -> Tensor:
    """Quantiles [Q, P] of the blocks' correlations, each within one pixel of its place."""
    moved, inside = _move(second, transform)
    textured = (_deviations(first, grid) > _FLAT) & (_deviations(moved, grid) > _FLAT)
    first, moved = _local_contrast(first, grid.radius), _local_contrast(moved, grid.radius)
    matches = _match(first, moved, inside, grid, 1)
    comparable = matches.inside & textured.flatten(1)
    best = matches.correlations.flatten(1, 2).amax(dim=1)
    reached = best.where(comparable, torch.nan).nanquantile(torch.tensor(quantiles), dim=1)
    return reached.where(comparable.float().mean(dim=1) >= _LEAST_SHARE, 0.0).nan_to_num(0.0)


def _move(images: Tensor, transform: Tensor) -> tuple[Tensor, Tensor]:
    """The images seen through a transform, and where that is inside of them (1) or not (0)."""
    positions = affine_grid(transform, [len(images), 1, *images.shape[1:]], align_corners=False)
    moved = grid_sample(images[:, None], positions, padding_mode="border", align_corners=False)
    return moved[:, 0], (positions.abs() <= 1).all(dim=3).float()


def _match(first: Tensor, second: Tensor, inside: Tensor, grid: _Grid, reach: int) -> _Matches:
    width, side = 2 * reach + 1, grid.side
    padded = pad(second, (reach,) * 4)
    shifted = padded.unfold(1, side, 1).unfold(2, side, 1)  # [P, k, k, side, side], a view
    products = grid.means(first[:, None, None] * shifted)
    maps = torch.stack([padded, padded**2, pad(inside, (reach,) * 4)], dim=1)
    boxes = _boxes(side + 2 * reach, grid.size, 1)
    everywhere = boxes @ (maps @ boxes.T)
    span = everywhere.shape[-1] - 2 * reach
    windows = everywhere.unfold(2, span, 1).unfold(3, span, 1)[..., :: grid.step, :: grid.step]
    mean, square, valid = windows.unbind(dim=1)  # [P, k, k, n, n]
    own = grid.means(first)[:, None, None]
    variance = (grid.means(first**2)[:, None, None] - own**2).clamp_min(0)
    variances = variance * (square - mean**2).clamp_min(0)
    correlations = (products - own * mean) / (variances.sqrt() + 1e-3)
    correlations = correlations.where(valid > 0.95, -1.0).reshape(len(first), width, width, -1)
    return _Matches(correlations, correlations[:, reach, reach] > -1)


def _displacements(correlations: Tensor) -> tuple[Tensor, Tensor]:
    """Where each block is found, [P, n * n, 2] as x and y in pixels, and how surely, [P, n * n]."""
    width = correlations.shape[1]
    best, place = correlations.flatten(1, 2).max(dim=1)
    y, x = place // width, place % width
    found = torch.stack([_peak(correlations, y, x, axis) for axis in (2, 1)], dim=2)
    return found - (width - 1) / 2, (best - 0.2).clamp_min(0) ** 2


def _peak(correlations: Tensor, y: Tensor, x: Tensor, axis: int) -> Tensor:
    """The position of the maximum along an axis, from a parabola through it and its neighbours."""
    width = correlations.shape[1]
    at = (y if axis == 1 else x).clamp(1, width - 2)

    def beside(offset: int) -> Tensor:
        row, column = (at + offset, x) if axis == 1 else (y, at + offset)
        return correlations.flatten(1, 2).gather(1, (row * width + column)[:, None])[:, 0]

    before, here, after = beside(-1), beside(0), beside(1)
    curvature = before - 2 * here + after
    # A block that leaves the image has no correlation, and would pull the maximum inwards.
    usable = (before > -1) & (after > -1) & (curvature < 0)
    offset = (before - after) / (2 * curvature).where(usable, 1.0)
    exact = (y if axis == 1 else x).float()
    return exact + offset.where(usable & (at == exact), 0.0).clamp(-0.5, 0.5)


def _deviations(images: Tensor, grid: _Grid) -> Tensor:
    """The standard deviation of each block, in grey levels."""
    return (grid.means(images**2) - grid.means(images) ** 2).clamp_min(0).sqrt()


def _local_contrast(images: Tensor, radius: int) -> Tensor:
    """Brightness relative to the neighbourhood's mean and deviation: free of exposure and gamma."""
    smooth = _smoothing(images.shape[1], radius)
    detail = images - smooth @ (images @ smooth.T)
    energy = smooth @ (detail**2 @ smooth.T)
    return detail / (energy.clamp_min(0).sqrt() + _CONTRAST_FLOOR)


@lru_cache
def _boxes(side: int, size: int, step: int) -> Tensor:
    """A matrix [n, side] whose product with a column is the mean of each box."""
    starts = torch.arange(0, side - size + 1, step)[:, None]
    positions = torch.arange(side)
    return ((positions >= starts) & (positions < starts + size)).float() / size


@lru_cache
def _smoothing(side: int, radius: int) -> Tensor:
    """A matrix [side, side] whose product with a column is its Gaussian mean."""
    positions = torch.arange(side, dtype=torch.float32)
    weights = torch.exp(-0.5 * ((positions[:, None] - positions) / radius) ** 2)
    return weights / weights.sum(dim=1, keepdim=True)
