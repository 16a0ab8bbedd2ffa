"""Thumbnails of images: their cache, and images that show nothing."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facesim.console import warn_once
from facesim.data import thumbnails as module
from facesim.data.decoding import decode_image
from facesim.data.image_digests import digest_file
from facesim.data.thumbnails import Thumbnails, are_blank, grey_image, thumbnails
from facesim.errors import DataError
from facesim.paths import cache_dir
from facesim.reporters import ignore_progress
from tests.facesim.data.drawn_faces import drawn_face


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))


def saved(folder: Path, *people: int) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{number}.png" for number in range(len(people))]
    for person, path in zip(people, paths, strict=True):
        drawn_face(person, 0).save(path)
    return paths


def of(paths: list[Path], done: list[int] | None = None) -> Thumbnails:
    digests = np.frombuffer(b"".join(map(digest_file, paths)), np.uint8).reshape(-1, 16)
    return thumbnails(paths, digests, ignore_progress if done is None else done.append)


def test_a_thumbnail_is_the_whole_image_in_grey(tmp_path: Path) -> None:
    paths = saved(tmp_path / "images", 3, 1)
    for path, found in zip(paths, of(paths), strict=True):
        small = np.moveaxis(decode_image(path, (32, 32)), 2, 0)
        grey = 0.299 * small[0] + 0.587 * small[1] + 0.114 * small[2]
        np.testing.assert_allclose(found, grey, atol=0.51)


def test_a_grey_image_is_as_large_as_asked(tmp_path: Path) -> None:
    (path,) = saved(tmp_path / "images", 2)
    assert grey_image(path, 64).shape == (64, 64)


def test_a_content_is_decoded_once_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Path] = []

    def counting(path: Path, *settings: Any) -> Any:
        decoded.append(path)
        return decode_image(path, *settings)

    monkeypatch.setattr(module, "decode_image", counting)
    first = of(saved(tmp_path / "first", 3, 1))
    assert len(decoded) == 2
    again = of(saved(tmp_path / "again", 1, 2, 3))
    assert [path.name for path in decoded[2:]] == ["1.png"]
    np.testing.assert_array_equal(again[[2, 0]], first)


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    cache_dir().mkdir()
    old, young = cache_dir() / ".thumbnails-1.npz.a.tmp", cache_dir() / ".thumbnails-1.npz.b.tmp"
    for leftover in (old, young):
        leftover.touch()
    os.utime(old, (0, 0))
    of(saved(tmp_path / "images", 1))
    assert not old.exists()
    assert young.exists()


def test_progress_comes_to_every_file(tmp_path: Path) -> None:
    paths = saved(tmp_path / "images", 0, 1, 2)
    for _ in range(2):
        done: list[int] = []
        of(paths, done)
        assert sum(done) == 3


@pytest.mark.parametrize("damage", [b"", b"no archive", None])
def test_a_damaged_cache_is_forgotten(tmp_path: Path, damage: bytes | None) -> None:
    paths = saved(tmp_path / "images", 0, 1)
    expected = of(paths)
    (cache,) = cache_dir().glob("thumbnails-*")
    cache.write_bytes(cache.read_bytes()[:-40] if damage is None else damage)
    np.testing.assert_array_equal(of(paths), expected)


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    paths = saved(tmp_path / "images", 0, 1)
    paths[1].write_bytes(b"nothing to see")
    with pytest.raises(DataError, match=r"1\.png"):
        of(paths)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (90, 140, 30)])
def test_an_image_of_one_colour_shows_nothing(tmp_path: Path, colour: tuple[int, ...]) -> None:
    paths = saved(tmp_path / "images", 0, 1)
    Image.new("RGB", (178, 218), colour).save(tmp_path / "images" / "blank.jpg")
    paths.append(tmp_path / "images" / "blank.jpg")
    assert are_blank(of(paths)).tolist() == [False, False, True]


def test_a_dark_image_shows_something(tmp_path: Path) -> None:
    paths = saved(tmp_path / "images", 0)
    dark = drawn_face(0, 0).point(lambda value: value * 0.15)
    dark.save(tmp_path / "images" / "dark.png")
    assert not are_blank(of([*paths, tmp_path / "images" / "dark.png"])).any()


def test_without_a_place_for_the_cache_thumbnails_are_right_and_that_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    paths = saved(tmp_path / "images", 3, 1)
    expected = of(paths)
    monkeypatch.setenv("FACESIM_CACHE", "/dev/null/cache")
    warn_once.cache_clear()
    for _ in range(2):
        np.testing.assert_array_equal(of(paths), expected)
    lines = [line for line in caplog.text.splitlines() if "thumbnails cannot be kept: " in line]
    assert len(lines) == 1
