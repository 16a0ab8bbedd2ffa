"""Grey thumbnails of images, cached by content."""

import logging
import os
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from facesim.arrays import BoolArray
from facesim.atomic import ORPHANED_SECONDS, remove_leftovers, replacing
from facesim.console import warn_once
from facesim.data.decoding import decode_image
from facesim.data.image_digests import Digests
from facesim.folders import make_folder
from facesim.paths import CHECK_CACHE, cache_dir
from facesim.reporters import ignore_progress

log = logging.getLogger(__name__)

Thumbnails = npt.NDArray[np.uint8]
"""uint8 [N, 32, 32], grey levels; the whole image, squeezed into a square."""

_SIDE = 32
_LUMA = torch.tensor([0.299, 0.587, 0.114])
_FILES_AT_A_TIME = 256

_BLANK = 2.0
"""Standard deviation in grey levels; what varies less shows nothing."""


def thumbnails(
    paths: list[Path], digests: Digests, advance: Callable[[int], None] = ignore_progress
) -> Thumbnails:
    """The thumbnails of some files, decoded once per content.

    Args:
        paths: the files; no two of the same content.
        digests: of their contents, uint8 [N, 16].
        advance: called with the number of files just done.

    Raises:
        DataError: an image cannot be decoded.
    """
    cache = _ThumbnailCache(cache_dir() / "thumbnails-1.npz")
    images, known = cache.get_many(digests)
    advance(int(known.sum()))
    missing = np.flatnonzero(~known)
    if len(missing):
        parts = np.split(missing, np.arange(_FILES_AT_A_TIME, len(missing), _FILES_AT_A_TIME))
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding releases Python's lock
            files = [[paths[row] for row in part] for part in parts]
            for part, found in zip(parts, pool.map(_decode, files), strict=True):
                images[part] = found
                advance(len(part))
        cache.put_many(digests[missing], images[missing])
    return images


def grey_image(path: Path, side: int) -> Tensor:
    """A grey image, float32 [side, side], from 0 to 255; not cached.

    Raises:
        DataError: it cannot be decoded.
    """
    colours = torch.from_numpy(decode_image(path, (side, side))).permute(2, 0, 1).float()
    return torch.einsum("c,chw->hw", _LUMA, colours)


def are_blank(images: Thumbnails) -> BoolArray:
    """Which images are of one colour and show nothing, bool [N]."""
    blank: BoolArray = images.std(axis=(1, 2), dtype=np.float32) < _BLANK
    return blank


def _decode(paths: list[Path]) -> Thumbnails:
    colours = np.stack([decode_image(path, (_SIDE, _SIDE)) for path in paths])
    grey: Thumbnails = (torch.from_numpy(colours).float() @ _LUMA).round().byte().numpy()
    return grey


class _ThumbnailCache:
    """Cache of thumbnails by content digest, in one file that is replaced as a whole.

    Of two processes that write at once the last one wins; the other's images are decoded again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def get_many(self, digests: Digests) -> tuple[Thumbnails, BoolArray]:
        """Thumbnails [N, 32, 32], and which of them are cached [N]."""
        known_digests, known_images = self._load()
        images = np.zeros((len(digests), _SIDE, _SIDE), dtype=np.uint8)
        index = {digest.tobytes(): row for row, digest in enumerate(known_digests)}
        rows = np.array([index.get(digest.tobytes(), -1) for digest in digests], dtype=np.int64)
        images[rows >= 0] = known_images[rows[rows >= 0]]
        return images, rows >= 0

    def put_many(self, digests: Digests, images: Thumbnails) -> None:
        """Add thumbnails of new contents, where the file can be written."""
        known_digests, known_images = self._load()
        try:
            make_folder(self._path.parent)
            remove_leftovers(self._path.parent, ORPHANED_SECONDS)
            with replacing(self._path) as file:
                np.savez(
                    file,
                    digests=np.concatenate([known_digests, digests]),
                    images=np.concatenate([known_images, images]),
                )
        except OSError as error:
            warn_once(
                f"{self._path}: thumbnails cannot be kept: {error.strerror or error}; the linter "
                f"decodes all images again. {CHECK_CACHE}"
            )

    def _load(self) -> tuple[Digests, Thumbnails]:
        nothing = np.zeros((0, 16), np.uint8), np.zeros((0, _SIDE, _SIDE), np.uint8)
        try:
            with np.load(self._path, allow_pickle=False) as stored:
                digests, images = stored["digests"], stored["images"]
        except FileNotFoundError:
            return nothing
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            log.warning("%s cannot be read (%s); the images are decoded again", self._path, error)
            return nothing
        fits = digests.shape == (len(images), 16) and images.shape[1:] == (_SIDE, _SIDE)
        return (digests, images) if fits else nothing
