"""Mean faces: whether the eyes of a split's images lie where those of the others lie.

The images of a sample are registered to their mean: each is turned, scaled and shifted until it
fits best, the mean of what fits is taken, and once more. How far images had to be moved is how far
apart their faces lie; after Cox, Sridharan, Lucey and Cohn, "Least squares congealing for
unsupervised alignment of images", CVPR 2008, with a search over a grid instead of a descent.
"""

import base64
import io
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from pydantic import FiniteFloat
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from facesim.arrays import Int64Array, UInt8Array
from facesim.data.preprocessing import Preprocessing
from facesim.interfaces import FaceTable
from facesim.json_files import JsonModel
from facesim.reporters import ignore_progress

SAMPLED_FACES = 200
"""Of a split."""

FEWEST_FACES = 50
"""Of fewer the mean is not looked at."""

# Measured on samples of 50 and 200 aligned photographs of CelebA, on 200 drawn faces, and on the
# same after each image was shifted by 10% of its sides in any direction or by up to that along
# each, turned by 15 degrees either way, or scaled by 1.25 either way or by up to 1.6.

SHIFTED = 0.087
"""Of the image's side. CelebA: 0.02 to 0.03, drawn faces: 0.05 to 0.083, shifted: 0.09 to 0.15."""

TURNED = 8.7
"""Degrees. CelebA: 3 to 4, drawn faces: 6 to 7, turned: 11 to 15, by up to 15: 7 to 10."""

SCALED = 1.18
"""Times larger or smaller. CelebA: 1.05 to 1.09, drawn faces: 1.14, scaled: 1.20 to 1.26."""

_FEWEST_PEOPLE = 5
_SHOWN = 96
_SIDE = 48
_FARTHEST = 9
_ANGLES = torch.arange(-20.0, 21.0, 5.0)
_SCALES = torch.tensor([0.66, 0.76, 0.87, 1.0, 1.15, 1.32, 1.52])


class MeanFace(JsonModel):
    """The mean of some images of a split, and how far apart their faces lie.

    Attributes:
        images: how many there are.
        shifted: median distance of a face from the common place, as a share of the image's side.
        turned: mean angle to the common one, in degrees.
        scaled: mean ratio to the common size, at least 1.
        sharpness: contrast of the mean's details, as a share of that of the mean of images which
            were moved to fit; 1 could not be sharper.
        webp: the mean, as a WebP file in base64.
    """

    images: int
    shifted: FiniteFloat
    turned: FiniteFloat
    scaled: FiniteFloat
    sharpness: FiniteFloat
    webp: str

    @property
    def is_aligned(self) -> bool:
        """Whether the faces lie at one place, upright, in one size."""
        return self.shifted < SHIFTED and self.turned < TURNED and self.scaled < SCALED

    @property
    def in_words(self) -> str:
        """How far apart the faces lie."""
        return (
            f"half of the faces lie {self.shifted:.1%} of the image's side or more from their "
            f"common place, they are turned by {self.turned:.0f} degrees and larger or smaller by "
            f"{self.scaled - 1:.0%} on average"
        )


def mean_face(
    table: FaceTable,
    preprocessing: Preprocessing,
    frame: tuple[int, int],
    advance: Callable[[int], None] = ignore_progress,
) -> MeanFace | None:
    """The mean of some images of a table; None where there are too few.

    Args:
        table: the images.
        preprocessing: how they are cut; whole images are looked at, whatever their fit.
        frame: their usual height and width, or that of what is cut out of them.
        advance: called with the number of images just done.

    Raises:
        DataError: an image cannot be read.
    """
    rows = sampled_rows(len(table), SAMPLED_FACES)
    if len(rows) < FEWEST_FACES or len(np.unique(table.identities[rows])) < _FEWEST_PEOPLE:
        return None
    scale = _SHOWN / max(frame)
    size = max(1, round(frame[0] * scale)), max(1, round(frame[1] * scale))
    as_a_whole = replace(preprocessing, size=size, fit="stretch")
    with ThreadPoolExecutor() as pool:  # decoding releases Python's lock
        pixels = []
        for one in pool.map(
            lambda row: as_a_whole.decode(table.path(int(row)), table.placement(int(row))), rows
        ):
            pixels.append(one)
            advance(1)
    found = _registered(b"".join(_square(one) for one in pixels))
    return MeanFace(
        images=len(pixels),
        shifted=found.shifted,
        turned=found.turned,
        scaled=found.scaled,
        sharpness=found.sharpness,
        webp=_webp(np.stack(pixels).mean(axis=0).round().astype(np.uint8)),
    )


def sampled_rows(rows: int, most: int) -> Int64Array:
    """So many rows of a table, at random, always the same; ascending, int64 [N]."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


@dataclass(frozen=True)
class _Registration:
    shifted: float
    turned: float
    scaled: float
    sharpness: float


@lru_cache(maxsize=8)  # trials of a search lint the same images
def _registered(grey: bytes) -> _Registration:
    """How far images uint8 [N, S, S] are from fitting one another."""
    details = _details(np.frombuffer(grey, np.uint8).reshape(-1, _SIDE, _SIDE))
    moves, fitted = torch.zeros(len(details), 4), details
    for _ in range(2):
        moves = _best_moves(details, fitted.mean(dim=0))
        moves -= moves.median(dim=0).values
        fitted = _moved_back(details, moves)
    turned, scaled, *shift = moves.T
    before, after = (_common_share(each) for each in (details, fitted))
    return _Registration(
        shifted=float(torch.hypot(*shift).median()) / _SIDE,
        turned=float(turned.abs().mean()),
        scaled=math.exp(float(scaled.abs().mean())),
        sharpness=max(before, 0.0) / max(before, after, 1e-6),
    )


def _square(pixels: UInt8Array) -> bytes:
    """Grey, uint8 [S, S]."""
    image = Image.fromarray(pixels).convert("L")
    return image.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR).tobytes()


def _details(grey: UInt8Array) -> Tensor:
    """What eyes, nose and mouth are made of, as strong in the dark as in the light: [N, S, S]."""
    images = torch.tensor(grey, dtype=torch.float32)
    details = _blurred(images, 0.75) - _blurred(images, 3.0)
    return details / (_blurred(details.square(), 4.5).clamp(min=0).sqrt() + 4.0)


def _blurred(images: Tensor, sigma: float) -> Tensor:
    blur = _blur(sigma)
    return blur @ images @ blur.T


@lru_cache
def _blur(sigma: float) -> Tensor:
    """A matrix [S, S] whose product with a column is its Gaussian mean, mirrored at the ends."""
    reach = math.ceil(3 * sigma)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    mirrored = np.pad(np.eye(_SIDE), ((reach, reach), (0, 0)), mode="reflect")
    shifted = [mirrored[start : start + _SIDE] for start in range(2 * reach + 1)]
    return torch.from_numpy(np.tensordot(weights / weights.sum(), shifted, axes=1)).float()


def _best_moves(details: Tensor, template: Tensor) -> Tensor:
    """Turn in degrees, logarithm of the size, and shift in pixels that fit best: [N, 4]."""
    middle = torch.linspace(-1.5, 1.5, _SIDE) ** 4  # of the image, where the face is
    template = template * torch.exp(-middle[:, None] - middle)
    turns, sizes = (each.flatten() for each in torch.meshgrid(_ANGLES, _SCALES, indexing="ij"))
    turned = grid_sample(
        template.expand(len(turns), 1, -1, -1),
        affine_grid(_affine(-turns, 1 / sizes), [len(turns), 1, _SIDE, _SIDE], False),
        align_corners=False,
    )[:, 0]
    turned = turned / turned.flatten(1).norm(dim=1).clamp(min=1e-6)[:, None, None]
    near = torch.cat([torch.arange(_FARTHEST + 1), torch.arange(-_FARTHEST, 0)])
    spectra = torch.fft.rfft2(details)
    best = torch.full((len(details),), -torch.inf)
    moves = torch.zeros(len(details), 4)
    for turn, size, wanted in zip(turns, sizes, torch.fft.rfft2(turned), strict=True):
        fits = torch.fft.irfft2(spectra * wanted.conj(), s=(_SIDE, _SIDE))[:, near][:, :, near]
        fit, place = fits.flatten(1).max(dim=1)
        down, across = near[place // len(near)], near[place % len(near)]
        move = torch.stack(
            [turn.expand(len(place)), size.log().expand(len(place)), across, down], dim=1
        )
        better = fit > best
        best[better], moves[better] = fit[better], move[better]
    return moves


def _moved_back(details: Tensor, moves: Tensor) -> Tensor:
    turned, scaled, across, down = moves.T
    shift = 2 * torch.stack([across, down], dim=1) / _SIDE
    grid = affine_grid(_affine(turned, scaled.exp(), shift), [len(details), 1, _SIDE, _SIDE], False)
    return grid_sample(details[:, None], grid, align_corners=False)[:, 0]


def _affine(degrees: Tensor, scale: Tensor, shift: Tensor | None = None) -> Tensor:
    """Positions in the result -> positions in the image, both from -1 to 1: [N, 2, 3]."""
    cosine, sine = scale * degrees.deg2rad().cos(), scale * degrees.deg2rad().sin()
    shift = torch.zeros(len(degrees), 2) if shift is None else shift
    rows = (cosine, -sine, shift[:, 0], sine, cosine, shift[:, 1])
    return torch.stack(rows, dim=1).view(-1, 2, 3)


def _common_share(details: Tensor) -> float:
    """The mean correlation of two images around the eyes."""
    eyes = details[:, _SIDE // 4 : -_SIDE // 4, _SIDE // 6 : -_SIDE // 6].flatten(1)
    eyes = eyes - eyes.mean(dim=1, keepdim=True)
    eyes = eyes / eyes.square().mean(dim=1, keepdim=True).sqrt().clamp(min=1e-6)
    number = len(eyes)
    return (number * float(eyes.mean(dim=0).square().mean()) - 1) / (number - 1)


def _webp(pixels: UInt8Array) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", quality=80)
    return base64.b64encode(file.getvalue()).decode()
