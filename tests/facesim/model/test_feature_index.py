from dataclasses import dataclass
from typing import cast

import numpy as np

from facesim.data.image_digests import Digests
from facesim.model.feature_chunk import Chunk
from facesim.model.feature_index import ROW_BITS, FeatureIndex


@dataclass
class Opened:
    """What the index reads of a chunk."""

    digests: Digests

    def __len__(self) -> int:
        return len(self.digests)


def chunk(*images: int) -> Chunk:
    digests = np.zeros((len(images), 16), np.uint8)
    digests[:, 0], digests[:, 15] = np.divmod(images, 256)
    return cast("Chunk", Opened(digests))


def test_a_position_names_chunk_and_row_and_minus_one_is_missing() -> None:
    index = FeatureIndex([chunk(700, 5), None, chunk(300)])
    found = index.locate(chunk(300, 5, 6, 700).digests)
    assert found.tolist() == [2 << ROW_BITS, 1, -1, 0]
    assert len(index) == 3


def test_an_image_in_two_chunks_is_read_from_the_first() -> None:
    index = FeatureIndex([chunk(1), chunk(2, 1)])
    assert index.locate(chunk(1).digests).tolist() == [0]
    assert len(index) == 2


def test_a_digest_that_ends_in_zeros_is_not_another_one() -> None:
    """numpy's fixed-width strings ignore trailing zeros, equally on both sides."""
    index = FeatureIndex([chunk(256)])
    assert index.locate(chunk(256, 0, 1).digests).tolist() == [0, -1, -1]


def test_without_chunks_nothing_is_found() -> None:
    assert FeatureIndex([None]).locate(chunk(1, 2).digests).tolist() == [-1, -1]
