"""Copies of images among the tables of several splits: equal files and near-duplicates."""

import logging
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from facesim.arrays import BoolArray, Int64Array
from facesim.atomic import ORPHANED_SECONDS, remove_leftovers, replacing
from facesim.console import warn_once
from facesim.data import decoding, image_alignment, near_duplicates
from facesim.data import thumbnails as thumbnails_module
from facesim.data.image_alignment import FINE_SIDE
from facesim.data.image_digests import Digests
from facesim.data.near_duplicates import NearDuplicates, find_candidates, verify_candidates
from facesim.data.thumbnails import Thumbnails, are_blank, grey_image, thumbnails
from facesim.folders import make_folder
from facesim.interfaces import FaceTable
from facesim.paths import CHECK_CACHE, cache_dir
from facesim.processes import Processes

log = logging.getLogger(__name__)

COMPARED_WITHIN = 100_000
"""Images of a table that are compared with each other; the time grows with their square."""

_IMAGES_KEPT = 4096
"""An image is a candidate's partner several times; each takes 16 KB."""

_SOURCES = tuple(
    Path(str(module.__file__))
    for module in (decoding, image_alignment, near_duplicates, thumbnails_module)
)


class Couples(NamedTuple):
    """Pairs of rows whose images show the same.

    Attributes:
        rows: int64 [K, 2], of one table or of two.
        identical: bool [K], whether the files are equal, byte for byte.
        mirrored: bool [K], whether one is the mirror image of the other.
    """

    rows: Int64Array
    identical: BoolArray
    mirrored: BoolArray

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, kept: BoolArray) -> "Couples":
        """Some of them."""
        return Couples(self.rows[kept], self.identical[kept], self.mirrored[kept])

    def named(self, left: FaceTable, right: FaceTable, most: int) -> list[str]:
        """The first couples, ``a.jpg = b.jpg``."""
        return [
            f"{left.files[a]} = {right.files[b]}{' (mirrored)' if mirrored else ''}"
            for (a, b), mirrored in zip(self.rows[:most], self.mirrored, strict=False)
        ]

    def paths(self, left: FaceTable, right: FaceTable, most: int) -> list[tuple[Path, Path]]:
        """The images of the first couples."""
        return [(left.path(int(a)), right.path(int(b))) for a, b in self.rows[:most]]


@dataclass(frozen=True)
class ImageCopies:
    """Which images of some tables show the same.

    Attributes:
        contents: by the table's name, the content of each row's file, a number from 0: int64 [N].
        groups: int64 [C], one number for all contents that show the same, also through others.
        near: pairs of different contents that show the same.
        blank: bool [C], whether an image is of one colour.
        decoded: whether near-duplicates and blank images were searched.
    """

    contents: Mapping[str, Int64Array]
    groups: Int64Array
    near: NearDuplicates
    blank: BoolArray
    decoded: bool

    def groups_of(self, name: str) -> Int64Array:
        """The group of each row of a table, int64 [N]."""
        return self.groups[self.contents[name]]

    def blank_rows(self, name: str) -> Int64Array:
        """The rows of a table whose image is of one colour."""
        return np.flatnonzero(self.blank[self.contents[name]])

    def near_between(self, first: str, second: str) -> Couples:
        """Near-duplicates of two tables; of several equal files the first one is named."""
        of_first, of_second = self._first_rows(first), self._first_rows(second)
        forth, back = self.near.rows, self.near.rows[:, ::-1]
        rows = np.concatenate(
            [
                np.stack([of_first[pairs[:, 0]], of_second[pairs[:, 1]]], axis=1)
                for pairs in (forth, back)
            ]
        )
        kept = (rows >= 0).all(axis=1)
        rows, mirrored = rows[kept], np.tile(self.near.mirrored, 2)[kept]
        order = np.lexsort((rows[:, 1], rows[:, 0]))
        return Couples(rows[order], np.zeros(len(rows), bool), mirrored[order])

    def within(self, name: str) -> Couples:
        """Equal files of one table, each with the first of them, and its near-duplicates."""
        contents, first_rows = self.contents[name], self._first_rows(name)
        first = first_rows[contents]
        later = np.flatnonzero(first != np.arange(len(contents)))
        equal = np.stack([first[later], later], axis=1)
        near = np.sort(first_rows[self.near.rows], axis=1)
        kept = (near >= 0).all(axis=1)
        rows = np.concatenate([equal, near[kept]])
        identical = np.arange(len(rows)) < len(equal)
        mirrored = np.concatenate([np.zeros(len(equal), bool), self.near.mirrored[kept]])
        order = np.lexsort((rows[:, 1], rows[:, 0]))
        return Couples(rows[order], identical[order], mirrored[order])

    def _first_rows(self, name: str) -> Int64Array:
        """The first row of each content in a table, int64 [C]; -1 where it is not there."""
        contents = self.contents[name]
        found = np.full(len(self.groups), -1, dtype=np.int64)
        found[contents[::-1]] = np.arange(len(contents))[::-1]
        return found


def find_copies(
    tables: Mapping[str, FaceTable],
    digests: Mapping[str, Digests],
    processes: Processes,
    *,
    near: bool = True,
    at_most: int | None = None,
) -> ImageCopies:
    """Find equal files and near-duplicates, within tables and between them.

    What is found among some contents is cached: trials of a search and later evaluations lint the
    same images. Of the largest table, more images than :data:`COMPARED_WITHIN` are compared with
    those of the other tables only, which is said.

    Args:
        tables: by name.
        digests: of the images of each.
        processes: show the progress.
        near: whether images are decoded; if not, only equal files are found, and no blank image.
        at_most: they are not decoded either if there are more, unless the result is cached.

    Raises:
        DataError: an image cannot be decoded.
    """
    every = np.concatenate([digests[name] for name in tables])
    unique, first, of_rows = _unique(every)
    ends = np.cumsum([len(table) for table in tables.values()])
    contents = dict(zip(tables, np.split(of_rows, ends[:-1]), strict=True))
    blank = np.zeros(len(unique), bool)
    pairs = NearDuplicates(np.zeros((0, 2), np.int64), np.zeros(0, bool))
    if near:
        apart = _apart(contents, len(unique))
        cache = _cache_file(unique, apart)
        found = _cached(cache, len(unique))
        near = found is not None or at_most is None or len(unique) <= at_most
        if near and apart.any():
            processes.reporter.say(
                f"{apart.sum():,} images of the largest split are too many to compare with each "
                "other: near-duplicates are searched in the other splits, and between them and it"
            )
        if found is None and near:
            paths = _paths(tables, first)
            with processes.reporter.task("thumbnails", len(paths)) as advance:
                small = thumbnails(paths, unique, advance)
            blank = are_blank(small)
            # Those that are not compared with each other last.
            rows = np.flatnonzero(~blank)
            rows = rows[np.argsort(apart[rows], kind="stable")]
            compared = len(rows) - int(apart[rows].sum())
            found = blank, _near_duplicates(small, paths, rows, compared, processes)
            _keep(cache, *found)
        blank, pairs = found or (blank, pairs)
    return ImageCopies(contents, _groups(len(unique), pairs.rows), pairs, blank, near)


def _apart(contents: Mapping[str, Int64Array], number: int) -> BoolArray:
    """Which contents are in the largest table alone, if they are too many to compare them all."""
    apart = np.zeros(number, bool)
    name = max(contents, key=lambda each: len(contents[each]))
    apart[contents[name]] = True
    for other in contents.keys() - {name}:
        apart[contents[other]] = False
    return apart if apart.sum() > COMPARED_WITHIN else np.zeros(number, bool)


def _unique(digests: Digests) -> tuple[Digests, Int64Array, Int64Array]:
    """``np.unique`` of rows, with first places and inverse, four times as fast."""
    words = digests.view(">u8").astype(np.uint64)
    order = np.lexsort((words[:, 1], words[:, 0]))
    new = np.ones(len(order), bool)
    new[1:] = (words[order[1:]] != words[order[:-1]]).any(axis=1)
    of_rows = np.empty(len(order), np.int64)
    of_rows[order] = np.cumsum(new) - 1
    first = order[new]
    return digests[first], first, of_rows


def _cache_file(contents: Digests, apart: BoolArray) -> Path:
    """Where what is found among some contents is kept, by them and by the code that finds it."""
    key = blake2b(contents.tobytes(), digest_size=16)
    if apart.any():
        key.update(apart.tobytes())
    for source in _SOURCES:
        key.update(source.read_bytes())
    return cache_dir() / "copies" / f"{key.hexdigest()}.npz"


def _cached(path: Path, contents: int) -> tuple[BoolArray, NearDuplicates] | None:
    """What :func:`_keep` wrote; None if there is nothing, or it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            blank, rows, mirrored = stored["blank"], stored["rows"], stored["mirrored"]
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        log.warning("%s cannot be read (%s); copies are searched again", path, error)
        return None
    if blank.shape != (contents,) or rows.shape != (len(mirrored), 2):
        return None
    return blank, NearDuplicates(rows, mirrored)


def _keep(path: Path, blank: BoolArray, pairs: NearDuplicates) -> None:
    try:
        make_folder(path.parent)
        remove_leftovers(path.parent, ORPHANED_SECONDS)
        with replacing(path) as file:
            np.savez_compressed(file, blank=blank, rows=pairs.rows, mirrored=pairs.mirrored)
    except OSError as error:
        warn_once(
            f"{path.parent}: copies of images that were found cannot be kept: "
            f"{error.strerror or error}; they are searched for again. {CHECK_CACHE}"
        )


def _paths(tables: Mapping[str, FaceTable], places: Int64Array) -> list[Path]:
    """The files at some places of all tables, one after the other."""
    starts = np.cumsum([0, *(len(table) for table in tables.values())])
    of_table = np.searchsorted(starts, places, side="right") - 1
    listed = list(tables.values())
    return [
        listed[table].path(int(place - starts[table]))
        for table, place in zip(of_table, places, strict=True)
    ]


def _near_duplicates(
    small: Thumbnails, paths: list[Path], rows: Int64Array, compared: int, processes: Processes
) -> NearDuplicates:
    """The near-duplicates among some images, the first of which are compared with all."""

    @lru_cache(_IMAGES_KEPT)
    def grey(image: int) -> Tensor:
        return grey_image(paths[rows[image]], FINE_SIDE)

    def pixels(images: Int64Array) -> Tensor:
        return torch.stack([grey(image) for image in images.tolist()])

    small = small[rows]
    with processes.reporter.task("near-duplicates: candidates", compared) as advance:
        candidates = find_candidates(small, advance, compared)
    title = "near-duplicates: verifying candidates"
    with processes.reporter.task(title, len(candidates.rows)) as advance:
        found = verify_candidates(candidates, small, pixels, advance)
    pairs = np.sort(rows[found.rows], axis=1)
    order = np.lexsort((found.mirrored, pairs[:, 1], pairs[:, 0]))
    return NearDuplicates(pairs[order], found.mirrored[order])


def _groups(contents: int, pairs: Int64Array) -> Int64Array:
    """The connected components of a graph, each named by its lowest node."""
    groups = np.arange(contents)
    while True:
        lower = groups.copy()
        np.minimum.at(lower, pairs[:, 0], groups[pairs[:, 1]])
        np.minimum.at(lower, pairs[:, 1], groups[pairs[:, 0]])
        if (lower == groups).all():
            return groups
        groups = lower
