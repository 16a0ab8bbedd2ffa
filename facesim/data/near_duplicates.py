"""Near-duplicate images: candidates by a global descriptor, each verified by aligning the two."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from facesim.arrays import BoolArray, Int64Array
from facesim.data.image_alignment import (
    COARSE_SIDE,
    WORTH_A_CLOSER_LOOK,
    align,
    same_image,
)
from facesim.data.thumbnails import Thumbnails
from facesim.reporters import Advance

Pixels = Callable[[Int64Array], Tensor]
"""Reads grey images of the rows, float32 [R, 64, 64]."""

_CELLS, _DIRECTIONS = 8, 8
_DIMENSIONS = 256
_NEIGHBOURS, _NEIGHBOURS_OF_MANY, _MANY = 3, 2, 2_000
"""Candidates per image and orientation; fewer where there are many images."""

_LEAST_SIMILARITY = 0.25
"""Cosine of two descriptors below which they are no candidates."""

_ROWS_AT_A_TIME = 2048
_COLUMNS_AT_A_TIME = 4096
_PAIRS_AT_A_TIME, _LARGER_PAIRS_AT_A_TIME = 256, 64
"""Few enough that one displacement of a batch stays in the processor's cache."""

_SAMPLE = 20_000
"""Images that the descriptors' covariance is estimated from."""


class NearDuplicates(NamedTuple):
    """Pairs of images that show the same.

    Attributes:
        rows: int64 [K, 2], the first below the second, sorted.
        mirrored: bool [K], whether one is the mirror image of the other.
    """

    rows: Int64Array
    mirrored: BoolArray


class Candidates(NamedTuple):
    """Pairs of images whose descriptors are similar.

    Attributes:
        rows: int64 [C, 2], the first below the second.
        mirrored: bool [C], whether the second image is to be mirrored.
    """

    rows: Int64Array
    mirrored: BoolArray


def find_candidates(
    thumbnails: Thumbnails, advance: Advance, compared: int | None = None
) -> Candidates:
    """The images most similar to each one, as they are and mirrored.

    Compares all pairs, as blocks of matrix products: 100,000 images take minutes on a CPU, and the
    time grows with the square of their number.

    Args:
        thumbnails: uint8 [N, 32, 32]; no two of them from files with the same content, and
            none blank.
        advance: called with the number of images just compared with all others.
        compared: how many of the first images are compared with all; the others are not compared
            with each other. All are by default.
    """
    compared = len(thumbnails) if compared is None else compared
    if len(thumbnails) < 2 or not compared:
        return Candidates(np.zeros((0, 2), np.int64), np.zeros(0, bool))
    found = []
    described, mirrored = _descriptors(thumbnails)
    neighbours = _NEIGHBOURS if len(thumbnails) <= _MANY else _NEIGHBOURS_OF_MANY
    for start in range(0, compared, _ROWS_AT_A_TIME):
        rows = slice(start, min(start + _ROWS_AT_A_TIME, compared))
        for flipped, others in ((False, described), (True, mirrored)):
            similarity, columns = _nearest(described[rows], others[start:], neighbours)
            row, rank = (similarity >= _LEAST_SIMILARITY).nonzero(as_tuple=True)
            pairs = torch.stack([row, columns[row, rank]], dim=1) + start
            found.append((pairs, torch.full((len(pairs),), flipped)))
        advance(len(described[rows]))
    pairs, flips = (torch.cat(part) for part in zip(*found, strict=True))
    return Candidates(pairs.numpy(), flips.numpy())


def verify_candidates(
    candidates: Candidates, thumbnails: Thumbnails, pixels: Pixels, advance: Advance
) -> NearDuplicates:
    """Those candidates that show the same image, up to crop, shift, rotation, exposure and so on.

    Args:
        candidates: of :func:`find_candidates`.
        thumbnails: uint8 [N, 32, 32].
        pixels: reads larger versions, of the few images that are worth it.
        advance: called with the number of candidates just verified.

    Raises:
        DataError: an image cannot be decoded.
    """
    worth_it = []
    for part in _parts(len(candidates.rows), _PAIRS_AT_A_TIME):
        rows, mirrored = candidates.rows[part], torch.from_numpy(candidates.mirrored[part])
        first = torch.from_numpy(thumbnails[rows[:, 0]]).float()
        second = torch.from_numpy(thumbnails[rows[:, 1]]).float()
        alignment = align(first, _flipped(second, mirrored))
        close = alignment.agreement >= WORTH_A_CLOSER_LOOK
        pairs = torch.from_numpy(rows)[close]
        worth_it.append((pairs, mirrored[close], alignment.transform[close]))
        advance(len(rows) - len(pairs))
    if not worth_it:
        return NearDuplicates(np.zeros((0, 2), np.int64), np.zeros(0, bool))
    close_pairs, flipped, transforms = (torch.cat(parts) for parts in zip(*worth_it, strict=True))
    same = torch.zeros(len(close_pairs), dtype=torch.bool)
    for part in _parts(len(close_pairs), _LARGER_PAIRS_AT_A_TIME):
        first, second = map(pixels, close_pairs[part].numpy().T)
        same[part] = same_image(first, _flipped(second, flipped[part]), transforms[part])
        advance(len(first))
    found, flips = close_pairs[same].numpy(), flipped[same].numpy()
    # A symmetric image is its own mirror image: then it is said once, as not mirrored.
    order = np.lexsort((flips, found[:, 1], found[:, 0]))
    found, flips = found[order], flips[order]
    first_of_pair = np.ones(len(found), bool)
    first_of_pair[1:] = (np.diff(found, axis=0) != 0).any(axis=1)
    return NearDuplicates(found[first_of_pair], flips[first_of_pair])


def _parts(number: int, at_a_time: int) -> list[slice]:
    return [slice(start, start + at_a_time) for start in range(0, number, at_a_time)]


def _flipped(images: Tensor, mirrored: Tensor) -> Tensor:
    return torch.where(mirrored[:, None, None], images.flip(2), images)


def _nearest(rows: Tensor, others: Tensor, neighbours: int) -> tuple[Tensor, Tensor]:
    """The most similar of the others beyond each row's own place: similarities and positions."""
    best = torch.full((len(rows), neighbours), -1.0)
    places = torch.zeros((len(rows), neighbours), dtype=torch.int64)
    for start in range(0, len(others), _COLUMNS_AT_A_TIME):
        columns = others[start : start + _COLUMNS_AT_A_TIME]
        similarity = rows @ columns.T
        if start < len(rows):
            own = torch.arange(len(rows))[:, None] >= torch.arange(start, start + len(columns))
            similarity[own] = -1.0
        similar, place = similarity.topk(min(neighbours, len(columns)), dim=1)
        best, order = torch.cat([best, similar], dim=1).topk(neighbours, dim=1)
        places = torch.cat([places, place + start], dim=1).gather(1, order)
    return best, places


def _descriptors(thumbnails: Thumbnails) -> tuple[Tensor, Tensor]:
    """Whitened histograms of oriented gradients, of the images and of their mirror images, [N, D].

    Aligned faces have much in common, and so have the photographs of one data set; whitening takes
    that away, so that what is left tells images apart. Few images say little about what they have
    in common: then the covariance is shrunk towards a multiple of the identity.

    Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", 2005; Jegou and Chum,
    "Negative evidences and co-occurences in image retrieval: the benefit of PCA and whitening",
    2012.
    """
    every = max(len(thumbnails) // _SAMPLE, 1)
    sampled = list(_histograms(thumbnails[::every]))
    sample = torch.cat(sampled).flatten(0, 1).double()
    mean = sample.mean(dim=0)
    values, vectors = torch.linalg.eigh(torch.cov((sample - mean).T))
    shrinkage = 0.1 + sample.shape[1] / len(sample)
    scale = (values + shrinkage * values.mean()).rsqrt()
    projection = (vectors * scale)[:, -_DIMENSIONS:].float()
    # Part by part: all histograms would take four kilobytes per image.
    histograms = sampled if every == 1 else _histograms(thumbnails)
    parts = [(part - mean.float()) @ projection for part in histograms]
    plain, mirrored = torch.nn.functional.normalize(torch.cat(parts), dim=2).unbind(dim=1)
    return plain.contiguous(), mirrored.contiguous()


def _histograms(thumbnails: Thumbnails) -> Iterator[Tensor]:
    """Histograms of the images and of their mirror images, [R, 2, 512] for some rows at a time."""
    for start in range(0, len(thumbnails), _ROWS_AT_A_TIME):
        images = torch.from_numpy(thumbnails[start : start + _ROWS_AT_A_TIME]).float()
        both = _oriented_gradients(images), _oriented_gradients(images.flip(2))
        yield torch.stack(both, dim=1)


def _oriented_gradients(images: Tensor) -> Tensor:
    """Gradient directions, weighted by contrast, in 8 x 8 cells of 8 directions: [N, 512]."""
    positions = torch.arange(COARSE_SIDE, dtype=torch.float32)
    smooth = torch.exp(-0.5 * ((positions[:, None] - positions) / 4) ** 2)
    smooth = smooth / smooth.sum(dim=1, keepdim=True)
    cell = COARSE_SIDE // _CELLS
    centres = torch.arange(_CELLS) * cell + (cell - 1) / 2
    cells = torch.exp(-0.5 * ((centres[:, None] - positions) / (cell / 2)) ** 2)
    detail = images - smooth @ (images @ smooth.T)
    normal = detail / ((smooth @ (detail**2 @ smooth.T)).clamp_min(0).sqrt() + 2)
    down, right = torch.zeros_like(normal), torch.zeros_like(normal)
    down[:, 1:-1] = normal[:, 2:] - normal[:, :-2]
    right[:, :, 1:-1] = normal[:, :, 2:] - normal[:, :, :-2]
    strength = torch.hypot(right, down)
    direction = torch.atan2(down, right) / (2 * torch.pi) * _DIRECTIONS
    found = []
    for each in range(_DIRECTIONS):
        away = (direction - each).abs()  # at most 11, as directions begin at -4
        away = torch.minimum(away, (_DIRECTIONS - away).abs())
        found.append(cells @ ((1 - away).clamp_min(0) * strength @ cells.T))
    histograms = torch.stack(found, dim=1).flatten(1).sqrt()
    return torch.nn.functional.normalize(histograms)
