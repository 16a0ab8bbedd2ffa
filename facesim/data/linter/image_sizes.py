"""Sizes of the images of a split, and what becomes of them on the way to the network's input."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from pydantic import FiniteFloat

from facesim.alignment.fit import Fit, Fitted
from facesim.arrays import Int64Array
from facesim.data.decoding import read_size
from facesim.data.linter.mean_face import MeanFace, sampled_rows
from facesim.data.preprocessing import Preprocessing
from facesim.interfaces import FaceTable
from facesim.json_files import JsonModel

SAMPLED_HEADERS = 2000
"""Of a split; only the headers of these files are read."""

MAGNIFIED = 2.0
"""From this factor on an image is said to be magnified."""

SQUEEZED = 1 / 0.9
"""Beyond this ratio of the scales across and down an image is said to be squeezed."""

_MOST_FREQUENT = 3


class ImageSize(JsonModel):
    """A size that some images have.

    Attributes:
        width: in pixels, of the upright image.
        height: in pixels.
        images: how many images have it.
    """

    width: int
    height: int
    images: int

    def __str__(self) -> str:
        return f"{self.height} x {self.width}"


class ImageSizes(JsonModel):
    """The sizes of a sample of a split's images.

    Attributes:
        images: how many the split has.
        read: how many of them the sample has.
        different: number of different sizes in it.
        frequent: the most frequent ones, in order.
        smallest: the one with the fewest pixels.
        largest: the one with the most pixels.
        size: height and width of the network's input.
        fit: how they are reached; None where an aligner cuts faces out.
        magnified: median number of the input's pixels that one of the image becomes, along a side.
        often_magnified: share of the images that are magnified by :data:`MAGNIFIED` or more.
        squeezed: median ratio of the scales along the two sides, at least 1.
        often_squeezed: share of the images that are squeezed by more than :data:`SQUEEZED`.
        black: median share of the input that is bars.
        cut: median share of the image that is cut off.
    """

    images: int
    read: int
    different: int
    frequent: tuple[ImageSize, ...]
    smallest: ImageSize
    largest: ImageSize
    size: tuple[int, int]
    fit: Fit | None
    magnified: FiniteFloat
    often_magnified: FiniteFloat
    squeezed: FiniteFloat
    often_squeezed: FiniteFloat
    black: FiniteFloat
    cut: FiniteFloat

    @property
    def in_words(self) -> str:
        """The distribution in one sentence."""
        if self.different == 1:
            listed = f"{self.frequent[0]} pixels (height x width)"
        else:
            often = ", ".join(f"{each} ({each.images / self.read:.0%})" for each in self.frequent)
            listed = (
                f"{self.different:,} sizes, height x width: most often {often}; smallest "
                f"{self.smallest}, largest {self.largest}"
            )
        if self.read < self.images:
            listed += f" (of {self.read:,} images at random, always the same)"
        return listed

    @property
    def effect(self) -> str:
        """What the way to the input does to the median image."""
        same = abs(self.magnified - 1) < 0.02
        effects = ["as large" if same else f"{self.magnified:.2g} times as large"]
        for share, told in ((self.black, "black bars on"), (self.cut, "cut off")):
            if share >= 0.005:
                effects.append(f"{told} {share:.0%}")
        if self.squeezed > 1.005:
            effects.append(f"squeezed by {squeezed_by(self.squeezed):.0%}")
        return ", ".join(effects)

    @property
    def frame(self) -> tuple[int, int]:
        """Height and width of the most frequent size."""
        return self.frequent[0].height, self.frequent[0].width


def squeezed_by(ratio: float) -> float:
    """What one side loses against the other, as a share, where their scales have this ratio."""
    return 1 - 1 / ratio


class SplitImages(JsonModel):
    """What the images of a split look like.

    Attributes:
        name: of the split.
        sizes: of a sample.
        face: the mean of a sample; None where there are too few images or the rule is off.
    """

    name: str
    sizes: ImageSizes
    face: MeanFace | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.sizes.in_words}; at the input {self.sizes.effect}"


def image_sizes(table: FaceTable, preprocessing: Preprocessing) -> ImageSizes:
    """The sizes of the images of a table.

    Args:
        table: the images, at least one.
        preprocessing: how they become the network's input.

    Raises:
        DataError: the header of a file cannot be read.
    """
    rows = sampled_rows(len(table), SAMPLED_HEADERS)
    with ThreadPoolExecutor() as pool:
        sizes = list(pool.map(lambda row: read_size(table.path(int(row))), rows))
    counted = Counter(sizes)
    by_pixels = sorted(counted, key=lambda size: (size[0] * size[1], size))
    found = [
        ImageSize(width=width, height=height, images=counted[width, height])
        for width, height in (
            by_pixels[0],
            by_pixels[-1],
            *(size for size, _ in counted.most_common(_MOST_FREQUENT)),
        )
    ]
    fitted = _fitted(table, rows, sizes, preprocessing)
    magnified, squeezed, black, cut = np.array(
        [(each.magnified, each.squeezed, each.black, each.cut) for each in fitted]
    ).T
    return ImageSizes(
        images=len(table),
        read=len(rows),
        different=len(counted),
        frequent=tuple(found[2:]),
        smallest=found[0],
        largest=found[1],
        size=preprocessing.size,
        fit=None if table.placements is not None else preprocessing.fit,
        magnified=float(np.median(magnified)),
        often_magnified=float((magnified >= MAGNIFIED).mean()),
        squeezed=float(np.median(squeezed)),
        often_squeezed=float((squeezed > SQUEEZED).mean()),
        black=float(np.median(black)),
        cut=float(np.median(cut)),
    )


def _fitted(
    table: FaceTable, rows: Int64Array, sizes: list[tuple[int, int]], preprocessing: Preprocessing
) -> list[Fitted]:
    """What happens to each image that is read."""
    height, width = preprocessing.size
    if table.placements is not None:
        sides = np.hypot(*np.moveaxis(table.placements[rows][:, :, :2], 1, 0))  # of the crop
        scales = np.array([width, height]) / np.maximum(sides, 1e-6)
        return [Fitted(float(scale)) for scale in np.sqrt(scales.prod(axis=1))]
    cut_out = None if preprocessing.crop is None else preprocessing.crop[2:]
    return [Fitted.of(cut_out or size, preprocessing.size, preprocessing.fit) for size in sizes]
