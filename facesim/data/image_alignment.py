"""Whether two images show the same photograph: aligned by block matching, compared block by block.

Local features verified by geometry, on a dense grid: each block of one image is sought in the
other by normalised cross-correlation, an affine transform is fitted to the displacements, and
after it the two images must agree block by block. What a crop, a shift, a rotation or a border
moves is moved back; what a logo or a mask covers is a minority of the blocks.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

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

_WORTH_EQUALISING = 0.92
"""Of half of the blocks, below which equal histograms do not make copies of two images: copies with
gamma 3 have 0.94 and more as they are, and little else needs the equal histograms."""

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
    fixed = _Fixed.of(first, grid)
    transform = torch.eye(3)[:2].expand(len(first), 2, 3)
    transform = _refined(transform, fixed, second, grid, _REACH)
    return Alignment(transform, _agreement(transform, fixed, second, grid, (0.5,))[0])


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
    most, half = _agreements(first, second, transform)
    same: Tensor = (half >= _HALF_AGREES) & (most >= _MOST_AGREES)
    unsure = ~same & (half >= _WORTH_EQUALISING)
    if unsure.any():
        first, second = _equalised(first[unsure]), _equalised(second[unsure])
        most, half = _agreements(first, second, transform[unsure])
        same[unsure] = (half >= _HALF_AGREES) & (most >= _MOST_AGREES)
    return same


def _agreements(first: Tensor, second: Tensor, transform: Tensor) -> Tensor:
    """What 70% and half of the blocks reach, [2, P]."""
    # Interpolation, noise and compression change the finest detail alone.
    smooth = _smoothing(FINE_SIDE, 1)
    first, second = (smooth @ (images @ smooth.T) for images in (first, second))
    fixed = _Fixed.of(first, _Grid(FINE_SIDE, 8))
    transform = _refined(transform, fixed, second, _Grid(FINE_SIDE, 16), 2)
    transform = _refined(transform, fixed, second, _Grid(FINE_SIDE, 8), 1)
    return _agreement(transform, fixed, second, _Grid(FINE_SIDE, 8), (0.3, 0.5))


def _equalised(images: Tensor) -> Tensor:
    """Images whose grey levels are their ranks among the pixels, from 0 to 255."""
    # Sorting numbers that hold level and place is stable, and three times as fast as a stable sort.
    levels = images.flatten(1).numpy().view(np.int32).astype(np.int64)  # of floats >= 0, in order
    number = levels.shape[1]
    order = torch.from_numpy(np.sort(levels * number + np.arange(number), axis=1) % number)
    ranks = torch.arange(number) * (255 / max(number - 1, 1))
    return torch.empty(order.shape).scatter_(1, order, ranks.expand(order.shape)).view_as(images)


class _Grid(NamedTuple):
    """Square blocks that overlap by half.

    Attributes:
        side: of the image, in pixels.
        size: of a block, a power of two.
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
        """The mean of each block: [side, side, P] -> [n, n, P]."""
        number, step = self.side // self.step, self.step
        cells = images.view(number, step, self.side, -1).sum(dim=1)
        cells = cells.view(number, number, step, -1).sum(dim=2)
        rows = cells[:-1] + cells[1:]
        return (rows[:, :-1] + rows[:, 1:]) / self.size**2

    def means_everywhere(self, images: Tensor) -> Tensor:
        """The mean of the block at each pixel: [h, w, P] -> [h - size + 1, w - size + 1, P]."""
        reach = 1
        while reach < self.size:
            images = images[:-reach] + images[reach:]
            images = images[:, :-reach] + images[:, reach:]
            reach *= 2
        return images / self.size**2

    def centres(self) -> Tensor:
        """Positions of the blocks, [3, n * n]: x, y, 1."""
        starts = torch.arange(0, self.side - self.size + 1, self.step)
        line = (starts + self.size / 2) / self.side * 2 - 1
        y, x = torch.meshgrid(line, line, indexing="ij")
        return torch.stack([x.flatten(), y.flatten(), torch.ones(x.numel())])


class _Fixed(NamedTuple):
    """The first images, which the second ones are laid over.

    Pairs are the last dimension from here on: sums over blocks are then sums of long rows.

    Attributes:
        contrast: float32 [side, side, P].
        textured: bool [n, n, P], whether a block of the finest grid can be compared.
    """

    contrast: Tensor
    textured: Tensor

    @classmethod
    def of(cls, images: Tensor, grid: _Grid) -> "_Fixed":
        """Of images [P, side, side]."""
        images = images.permute(1, 2, 0).contiguous()
        return cls(_local_contrast(images, grid.radius), _deviations(images, grid) > _FLAT)


def _refined(transform: Tensor, first: _Fixed, second: Tensor, grid: _Grid, reach: int) -> Tensor:
    """A transform, corrected by where the blocks are found."""
    moved, inside = _move(second, transform)
    moved = _local_contrast(moved, grid.radius)
    displacements, weights = _displacements(_match(first.contrast, moved, inside, grid, reach))
    centres = grid.centres()
    products = (centres[:, None] * centres).flatten(0, 1)
    correction = torch.zeros(len(transform), 3, 2)
    robust = weights
    for scale in (3.0, 1.5, 1.0, 1.0):  # iteratively reweighted least squares, in pixels
        normal_matrix = (products @ robust).T.view(-1, 3, 3)
        right = (centres @ (robust * displacements)).permute(2, 1, 0)
        correction = torch.linalg.solve(normal_matrix + 1e-3 * torch.eye(3), right)
        left_over = displacements - centres.T @ correction.permute(2, 1, 0)
        robust = weights / (1 + (left_over / scale).square().sum(dim=0))
    step = torch.eye(3).repeat(len(transform), 1, 1)
    step[:, :2] += correction.transpose(1, 2) * 2 / grid.side
    return transform @ step


def _agreement(
    transform: Tensor, first: _Fixed, second: Tensor, grid: _Grid, quantiles: tuple[float, ...]
) -> Tensor:
    """Quantiles [Q, P] of the blocks' correlations, each within one pixel of its place."""
    moved, inside = _move(second, transform)
    textured = first.textured & (_deviations(moved, grid) > _FLAT)
    correlations = _match(
        first.contrast, _local_contrast(moved, grid.radius), inside, grid, reach=1
    )
    comparable = (correlations[1, 1] > -1) & textured.flatten(0, 1)
    best = correlations.flatten(0, 1).amax(dim=0)
    reached = best.where(comparable, torch.nan).nanquantile(torch.tensor(quantiles), dim=0)
    return reached.where(comparable.float().mean(dim=0) >= _LEAST_SHARE, 0.0).nan_to_num(0.0)


def _move(images: Tensor, transform: Tensor) -> tuple[Tensor, Tensor]:
    """The images [P, side, side] seen through a transform, and where that is inside of them (1).

    Both are float32 [side, side, P].
    """
    side = images.shape[1]
    line = (torch.arange(side) + 0.5) * (2 / side) - 1
    across, down, shift = transform[..., None].unbind(dim=2)  # [P, 2, 1] each
    positions = (across * line)[:, :, None] + (down * line + shift)[..., None]
    inside = (positions.abs() <= 1).all(dim=1).permute(1, 2, 0).float()
    positions = positions.permute(0, 2, 3, 1)
    moved = grid_sample(images[:, None], positions, padding_mode="border", align_corners=False)
    return moved[:, 0].permute(1, 2, 0).contiguous(), inside.contiguous()


def _match(first: Tensor, second: Tensor, inside: Tensor, grid: _Grid, reach: int) -> Tensor:
    """Correlations of the blocks of ``first`` with those of ``second``, by displacement.

    Returns:
        float32 [k, k, n * n, P] by vertical and horizontal displacement; -1 where the displaced
        block leaves the image.
    """
    width, side = 2 * reach + 1, grid.side
    padded = pad(second, (0, 0, *(reach,) * 4))
    mean, square = grid.means_everywhere(padded), grid.means_everywhere(padded**2)
    deviation = (square - mean**2).clamp_min(0).sqrt()
    valid = grid.means_everywhere(pad(inside, (0, 0, *(reach,) * 4))) > 0.95
    own = grid.means(first)
    own_deviation = (grid.means(first**2) - own**2).clamp_min(0).sqrt()
    correlations = torch.empty(width, width, *own.shape)
    span = side - grid.size + 1
    for down in range(width):
        for right in range(width):
            blocks = slice(down, down + span, grid.step), slice(right, right + span, grid.step)
            shifted = padded[down : down + side, right : right + side]
            covariance = grid.means(first * shifted) - own * mean[blocks]
            found = covariance / (own_deviation * deviation[blocks] + 1e-3)
            correlations[down, right] = found.where(valid[blocks], -1.0)
    return correlations.flatten(2, 3)


def _displacements(correlations: Tensor) -> tuple[Tensor, Tensor]:
    """Where each block is found, [2, n * n, P] as x and y in pixels, and how surely, [n * n, P]."""
    width = correlations.shape[1]
    best, place = correlations.flatten(0, 1).max(dim=0)
    y, x = place // width, place % width
    found = torch.stack([_peak(correlations, y, x, axis) for axis in (1, 0)])
    return found - (width - 1) / 2, (best - 0.2).clamp_min(0) ** 2


def _peak(correlations: Tensor, y: Tensor, x: Tensor, axis: int) -> Tensor:
    """The position of the maximum along an axis, from a parabola through it and its neighbours."""
    width = correlations.shape[1]
    at = (y if axis == 0 else x).clamp(1, width - 2)

    def beside(offset: int) -> Tensor:
        row, column = (at + offset, x) if axis == 0 else (y, at + offset)
        return correlations.flatten(0, 1).gather(0, (row * width + column)[None])[0]

    before, here, after = beside(-1), beside(0), beside(1)
    curvature = before - 2 * here + after
    # A block that leaves the image has no correlation, and would pull the maximum inwards.
    usable = (before > -1) & (after > -1) & (curvature < 0)
    offset = (before - after) / (2 * curvature).where(usable, 1.0)
    exact = (y if axis == 0 else x).float()
    return exact + offset.where(usable & (at == exact), 0.0).clamp(-0.5, 0.5)


def _deviations(images: Tensor, grid: _Grid) -> Tensor:
    """The standard deviation of each block [n, n, P], in grey levels."""
    return (grid.means(images**2) - grid.means(images) ** 2).clamp_min(0).sqrt()


def _local_contrast(images: Tensor, radius: int) -> Tensor:
    """Brightness relative to the neighbourhood's mean and deviation: free of exposure and gamma."""
    detail = images - _smoothed(images, radius)
    energy = _smoothed(detail**2, radius)
    return detail / (energy.clamp_min(0).sqrt() + _CONTRAST_FLOOR)


def _smoothed(images: Tensor, radius: int) -> Tensor:
    """The Gaussian mean around each pixel of [side, side, P]."""
    smooth = _smoothing(len(images), radius)
    return smooth @ (smooth @ images.flatten(1)).view_as(images)


@lru_cache
def _smoothing(side: int, radius: int) -> Tensor:
    """A matrix [side, side] whose product with a column is its Gaussian mean."""
    positions = torch.arange(side, dtype=torch.float32)
    weights = torch.exp(-0.5 * ((positions[:, None] - positions) / radius) ** 2)
    return weights / weights.sum(dim=1, keepdim=True)
