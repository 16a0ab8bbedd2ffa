import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageEnhance

from facesim.data import perceptual_hash as module
from facesim.data.decoding import decode_image
from facesim.data.image_digests import image_digests
from facesim.data.perceptual_hash import (
    MAX_DISTANCE,
    Hashes,
    near_duplicates,
    perceptual_hash,
    perceptual_hashes,
)
from facesim.errors import DataError
from facesim.interfaces import FaceTable
from facesim.paths import cache_dir


def random_hashes(count: int, seed: int) -> Hashes:
    return np.random.default_rng(seed).integers(0, 256, (count, 32)).astype(np.uint8)


def with_flipped_bits(bits_of: Hashes, bits: int, seed: int) -> Hashes:
    which = np.random.default_rng(seed).choice(256, bits, replace=False)
    flipped = np.unpackbits(bits_of)
    flipped[which] ^= 1
    return np.packbits(flipped)


def naive(left: Hashes, right: Hashes) -> list[list[int]]:
    return [
        [a, b]
        for a in range(len(left))
        for b in range(len(right))
        if np.unpackbits(left[a] ^ right[b]).sum() <= MAX_DISTANCE
    ]


def test_what_differs_by_few_bits_is_found_wherever_they_are() -> None:
    left, right = random_hashes(60, 0), random_hashes(50, 1)
    for number in range(40):
        right[number] = with_flipped_bits(left[number % 30], number % 20, seed=number)
    found = near_duplicates(left, right)
    assert found.tolist() == naive(left, right)
    assert found.dtype == np.int64
    assert len(found) > 20


def test_the_most_bits_that_may_differ_spoil_a_band_each() -> None:
    left = random_hashes(1, 0)
    bits = np.unpackbits(left[0])
    for band in np.array_split(np.arange(256), MAX_DISTANCE + 1)[:MAX_DISTANCE]:
        bits[band[0]] ^= 1
    assert near_duplicates(left, np.packbits(bits)[None]).tolist() == [[0, 0]]


@pytest.mark.parametrize(("left", "right"), [(0, 3), (3, 0), (0, 0), (3, 3)])
def test_nothing_in_common_is_nothing_found(left: int, right: int) -> None:
    assert near_duplicates(random_hashes(left, 0), random_hashes(right, 1)).shape == (0, 2)


def test_many_equal_pictures_are_each_compared_with_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_GROUP", 5)
    blank = np.zeros((40, 32), np.uint8)
    found = near_duplicates(blank, blank)
    assert np.bincount(found[:, 0]).tolist() == [5] * 40


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))


def scene(seed: int) -> Image.Image:
    """Coarse and fine shapes, as pictures have them."""
    generator = np.random.default_rng(seed)
    coarse, fine = (
        Image.fromarray(generator.integers(0, 256, (high, wide, 3)).astype(np.uint8)).resize(
            (178, 218), Image.Resampling.BICUBIC
        )
        for high, wide in ((11, 9), (44, 36))
    )
    return Image.blend(coarse, fine, 0.4)


def hashed(image: Image.Image) -> Hashes:
    small = image.convert("RGB").resize((64, 64), Image.Resampling.BILINEAR)
    return perceptual_hash(np.asarray(small).transpose(2, 0, 1))


def distance(first: Image.Image, second: Image.Image) -> int:
    return int(np.bitwise_count(hashed(first) ^ hashed(second)).sum())


def as_jpeg(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=50)
    return Image.open(file)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "encoded again": as_jpeg,
    "half as large": lambda image: image.resize((89, 109), Image.Resampling.BILINEAR),
    "brighter": lambda image: image.point(lambda value: int(value * 0.8) + 30),
    "less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.7),
    "grey": lambda image: image.convert("L"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_picture_has_nearly_the_same_hash(change: str) -> None:
    for seed in range(5):
        assert distance(scene(seed), CHANGES[change](scene(seed))) <= MAX_DISTANCE


def test_other_pictures_have_other_hashes() -> None:
    hashes = [scene(seed) for seed in range(12)]
    for number, first in enumerate(hashes):
        assert all(distance(first, second) > 5 * MAX_DISTANCE for second in hashes[:number])


def test_a_mirrored_picture_is_another() -> None:
    mirrored = scene(0).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert distance(scene(0), mirrored) > MAX_DISTANCE


def test_the_bits_are_the_signs_of_the_lowest_frequencies_about_their_median() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64)).astype(np.uint8)
    grey = 0.299 * pixels[0] + 0.587 * pixels[1] + 0.114 * pixels[2]
    frequencies = [
        [
            sum(
                grey[y, x]
                * np.cos(np.pi * (2 * y + 1) * v / 128)
                * np.cos(np.pi * (2 * x + 1) * u / 128)
                for y in range(64)
                for x in range(64)
            )
            for u in (1, 2, 16)
        ]
        for v in (1, 7, 16)
    ]
    bits = np.unpackbits(perceptual_hash(pixels)).reshape(16, 16)
    spectrum = module._COSINES @ grey @ module._COSINES.T
    np.testing.assert_allclose(spectrum[np.ix_([0, 6, 15], [0, 1, 15])], frequencies, atol=1e-6)
    np.testing.assert_array_equal(bits, spectrum > np.median(spectrum))


def table_of(folder: Path, seeds: list[int]) -> FaceTable:
    folder.mkdir()
    for number, seed in enumerate(seeds):
        scene(seed).save(folder / f"{number}.png")
    files = np.array([f"{number}.png" for number in range(len(seeds))])
    return FaceTable(folder, files, np.zeros(len(seeds), np.int64), np.array(["one"]))


def hashes_of(table: FaceTable, done: list[int] | None = None) -> npt.NDArray[np.uint8]:
    advance = (done if done is not None else []).append
    return perceptual_hashes(table, image_digests(table), advance)


def test_each_row_has_the_hash_of_its_picture(tmp_path: Path) -> None:
    table = table_of(tmp_path / "images", [3, 1, 3, 2])
    pixels = [decode_image(table.path(row), (64, 64)).numpy() for row in range(4)]
    expected = np.stack([perceptual_hash(image) for image in pixels])
    np.testing.assert_array_equal(hashes_of(table), expected)


def test_a_content_is_decoded_once_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Path] = []

    def counting(path: Path, *settings: Any) -> Any:
        decoded.append(path)
        return decode_image(path, *settings)

    monkeypatch.setattr(module, "decode_image", counting)
    first = hashes_of(table_of(tmp_path / "first", [3, 1, 3]))
    assert len(decoded) == 2
    again = hashes_of(table_of(tmp_path / "again", [1, 2, 3, 1]))
    assert [path.name for path in decoded[2:]] == ["1.png"]
    np.testing.assert_array_equal(again[[2, 0, 2]], first)


def test_progress_comes_to_every_row(tmp_path: Path) -> None:
    table = table_of(tmp_path / "images", [0, 1, 0, 2])
    for _ in range(2):
        done: list[int] = []
        hashes_of(table, done)
        assert sum(done) == 4


@pytest.mark.parametrize("damage", [b"", b"no archive", None])
def test_a_damaged_memory_is_forgotten(tmp_path: Path, damage: bytes | None) -> None:
    table = table_of(tmp_path / "images", [0, 1])
    expected = hashes_of(table)
    (memory,) = cache_dir().glob("perceptual-hashes-*")
    memory.write_bytes(memory.read_bytes()[:-40] if damage is None else damage)
    np.testing.assert_array_equal(hashes_of(table), expected)


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    table = table_of(tmp_path / "images", [0, 1])
    table.path(1).write_bytes(b"nothing to see")
    with pytest.raises(DataError, match=r"1\.png"):
        hashes_of(table)
