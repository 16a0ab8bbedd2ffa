"""InsightFace's verification sets."""

import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facesim import DataError, FaceTable
from facesim.data.decoding import decode_image
from facesim.paths import cache_dir
from facesim_plugins.datasets import insightface_bin as module
from facesim_plugins.datasets._folds import contiguous_folds
from facesim_plugins.datasets.insightface_bin import insightface_bin


def encoded(brightness: int, kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (brightness, 0, 0)).save(file, kind)
    return file.getvalue()


A, B, C, D, E = (encoded(50 * number, "PNG" if number == 4 else "JPEG") for number in range(5))
IMAGES = [A, B, B, C, D, E, A, D]
SAME = [True, True, False, False]


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))


def written(folder: Path, content: Any, protocol: int = 4) -> Path:
    path = folder / "set.bin"
    path.write_bytes(pickle.dumps(content, protocol))
    return path


def pixels(table: FaceTable) -> list[int]:
    return [int(decode_image(table.path(row), (8, 8))[0, 0, 0]) for row in range(len(table))]


@pytest.mark.parametrize("as_arrays", [False, True])
@pytest.mark.parametrize("protocol", [2, 4])
def test_the_images_are_files_each_content_once(
    tmp_path: Path, protocol: int, as_arrays: bool
) -> None:
    images = [np.frombuffer(image, np.uint8) for image in IMAGES] if as_arrays else IMAGES
    table = insightface_bin(file=written(tmp_path, (images, SAME), protocol))
    assert pixels(table) == [0, 50, 100, 150, 200]
    assert [Path(file).suffix for file in table.files] == [".jpg"] * 4 + [".png"]
    assert table.root.is_relative_to(cache_dir())
    assert len(list(table.root.iterdir())) == 5
    pairs = table.pairs
    assert pairs is not None
    assert pairs.rows.tolist() == [[0, 1], [1, 2], [3, 4], [0, 3]]
    assert (pairs.same.tolist(), pairs.fold) == (SAME, None)


def test_images_of_genuine_pairs_are_joined_to_one_identity(tmp_path: Path) -> None:
    table = insightface_bin(file=written(tmp_path, (IMAGES, SAME)))
    assert table.identities.tolist() == [0, 0, 0, 1, 2]
    assert len(table.labels) == 3
    (note,) = table.notes
    assert "5 different ones are taken for 3 identities" in note


def test_two_files_have_a_person_in_common_where_they_share_an_image(tmp_path: Path) -> None:
    first = insightface_bin(file=written(tmp_path, ([A, B, C, D], [True, True])))
    second = insightface_bin(file=written(tmp_path, ([A, E, B, C], [True, False])))
    assert first.root != second.root
    common = set(first.labels) & set(second.labels)
    assert common == {Path(first.files[0]).stem, Path(first.files[2]).stem}
    assert len(first.labels) == 2
    assert len(second.labels) == 3


def test_identities_are_those_of_a_search_along_the_genuine_pairs(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    pairs = generator.integers(60, size=(45, 2))
    images = [b"\xff\xd8\xff" + bytes([number]) for number in pairs.ravel()]
    table = insightface_bin(file=written(tmp_path, (images, [True] * 45)))
    assert table.pairs is not None
    neighbours: dict[int, set[int]] = {row: {row} for row in range(len(table))}
    for a, b in table.pairs.rows.tolist():
        neighbours[a].add(b)
        neighbours[b].add(a)
    for row in range(len(table)):
        reached, frontier = {row}, {row}
        while frontier:
            frontier = set().union(*(neighbours[n] for n in frontier)) - reached
            reached |= frontier
        assert reached == set(np.flatnonzero(table.identities == table.identities[row]))


def test_folds_are_parts_of_the_list_in_its_order(tmp_path: Path) -> None:
    table = insightface_bin(file=written(tmp_path, (IMAGES, SAME)), folds=2)
    assert table.pairs is not None
    assert table.pairs.fold is not None
    assert table.pairs.fold.tolist() == [0, 0, 1, 1]
    assert contiguous_folds(7, 3).tolist() == [0, 0, 0, 1, 1, 2, 2]


def test_a_second_reading_writes_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, (IMAGES, SAME))
    table = insightface_bin(file=path)
    before = {file: file.stat().st_mtime_ns for file in table.root.iterdir()}
    assert insightface_bin(file=path).root == table.root
    assert {file: file.stat().st_mtime_ns for file in table.root.iterdir()} == before


def test_images_that_are_gone_or_cut_short_are_written_again(tmp_path: Path) -> None:
    path = written(tmp_path, (IMAGES, SAME))
    table = insightface_bin(file=path)
    table.path(0).unlink()
    table.path(1).write_bytes(b"\xff\xd8")
    assert pixels(insightface_bin(file=path)) == [0, 50, 100, 150, 200]


def test_an_interrupted_writing_leaves_no_partial_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, (IMAGES, SAME))
    write = module._write
    done: list[Path] = []

    def failing(target: Path, content: bytes) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(target)
        write(target, content)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(module, "_write", failing)
        insightface_bin(file=path)
    assert [file.stat().st_size for file in done] == [len(A), len(B)]
    assert pixels(insightface_bin(file=path)) == [0, 50, 100, 150, 200]


def test_a_malicious_file_is_refused_and_nothing_is_run_or_written(tmp_path: Path) -> None:
    class Gadget:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    with pytest.raises(DataError, match=r"set\.bin: refused: the name 'posix\.mkdir'"):
        insightface_bin(file=written(tmp_path, ([A, B], [Gadget()])))
    assert not (tmp_path / "ran").exists()
    assert not cache_dir().exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([A, B], "something else than a list of images and one of pairs"),
        (7, "something else"),
        (([A, B],), "something else"),
        ((A, [True]), "something else"),
        (([A, B], [1]), "something else than booleans"),
        (([A, B], [True, False]), "2 images for 2 pairs; there must be two of each"),
        (([], []), "0 images for 0 pairs"),
        (([A, "B"], [True]), "image 1 is not made of bytes"),
        (([A, [B]], [True]), "image 1 is not made of bytes"),
        (([A, b"GIF89a"], [True]), "image 1 is neither JPEG nor PNG"),
        (([A, b""], [True]), "image 1 is neither JPEG nor PNG"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(DataError, match=rf"set\.bin: .*{message}"):
        insightface_bin(file=written(tmp_path, content))


def test_one_large_image_that_is_listed_often_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 4 * len(A))
    assert len(insightface_bin(file=written(tmp_path, ([A] * 4, [True] * 2)))) == 1
    monkeypatch.setattr(module, "MAX_BYTES", 4 * len(A) - 1)
    with pytest.raises(DataError, match="its images take more than"):
        insightface_bin(file=written(tmp_path, ([A] * 4, [True] * 2)))


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file stands where the folder should be")
    with pytest.raises(DataError, match="images cannot be written: Not a directory"):
        insightface_bin(file=written(tmp_path, (IMAGES, SAME)))
