"""One photograph under many disguises is found, different ones of one person are not."""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from torch import Tensor

from facesim.data.image_copies import ImageCopies, find_copies
from facesim.data.image_digests import image_digests
from facesim.data.near_duplicates import (
    Candidates,
    NearDuplicates,
    find_candidates,
    verify_candidates,
)
from facesim.interfaces import FaceTable
from facesim.processes import Processes
from facesim.reporters import ignore_progress
from facesim_plugins.datasets.csv import csv
from tests.facesim.data.drawn_faces import CHANGES, drawn_face

PEOPLE, PHOTOGRAPHS = 10, 3
FACES = [drawn_face(person, photo) for person in range(PEOPLE) for photo in range(PHOTOGRAPHS)]
CHANGED = (0, 7, 20)


def squeezed(images: list[Image.Image], side: int) -> npt.NDArray[np.uint8]:
    small = [image.convert("L").resize((side, side), Image.Resampling.BILINEAR) for image in images]
    return np.stack([np.asarray(image) for image in small])


def searched(images: list[Image.Image]) -> NearDuplicates:
    small, large = squeezed(images, 32), torch.from_numpy(squeezed(images, 64)).float()

    def pixels(rows: npt.NDArray[np.int64]) -> Tensor:
        return large[torch.from_numpy(rows)]

    candidates = find_candidates(small, ignore_progress)
    return verify_candidates(candidates, small, pixels, ignore_progress)


def test_different_photographs_of_drawn_people_are_different() -> None:
    assert searched(FACES).rows.tolist() == []


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_and_nothing_else(change: str) -> None:
    copies = [CHANGES[change](FACES[row]) for row in CHANGED]
    found = searched([*FACES, *copies])
    assert found.rows.tolist() == [[row, len(FACES) + n] for n, row in enumerate(CHANGED)]
    assert found.mirrored.tolist() == [change.startswith("mirrored")] * len(CHANGED)


def test_another_expression_of_the_same_scene_is_another_photograph() -> None:
    """Two frames: the same background, the face moved by a tenth of the image and changed."""
    before = FACES[4]
    after = before.copy()
    after.paste(FACES[5].crop((25, 40, 153, 195)), (40, 45))
    assert searched([*FACES, after]).rows.tolist() == []


def test_a_symmetric_image_is_named_once() -> None:
    half = np.asarray(FACES[3])[:, :89]
    symmetric = Image.fromarray(np.concatenate([half, half[:, ::-1]], axis=1))
    found = searched([*FACES, symmetric, CHANGES["quality 20"](symmetric)])
    assert found.rows.tolist() == [[len(FACES), len(FACES) + 1]]
    assert found.mirrored.tolist() == [False]


def test_candidates_are_the_most_similar_of_all_whatever_the_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = squeezed([*FACES, CHANGES["quality 20"](FACES[2])], 32)
    whole = find_candidates(small, ignore_progress)
    monkeypatch.setattr("facesim.data.near_duplicates._ROWS_AT_A_TIME", 4)
    monkeypatch.setattr("facesim.data.near_duplicates._COLUMNS_AT_A_TIME", 3)
    blocks = find_candidates(small, ignore_progress)

    def as_set(candidates: Candidates) -> set[tuple[int, int, bool]]:
        listed = zip(candidates.rows.tolist(), candidates.mirrored.tolist(), strict=True)
        return {(first, second, mirrored) for (first, second), mirrored in listed}

    assert as_set(blocks) == as_set(whole)
    assert (2, len(FACES), False) in as_set(whole)
    assert (whole.rows[:, 0] < whole.rows[:, 1]).all()


def test_only_the_first_images_are_compared_where_that_is_asked() -> None:
    last = len(FACES)
    small = squeezed([*FACES, CHANGES["quality 20"](FACES[2]), CHANGES["5% cropped"](FACES[2])], 32)
    candidates = find_candidates(small, ignore_progress, 3).rows.tolist()
    assert [2, last] in candidates
    assert [2, last + 1] in candidates
    assert max(first for first, _ in candidates) == 2
    assert len(find_candidates(small, ignore_progress, 0).rows) == 0


def test_how_bright_images_are_changes_no_candidate() -> None:
    copies = [changed(FACES[row]) for changed in CHANGES.values() for row in CHANGED]
    dark = squeezed([*FACES, *copies], 32) // 2
    before, after = (find_candidates(dark + np.uint8(more), ignore_progress) for more in (0, 100))
    assert len(before.rows) > len(copies)
    np.testing.assert_array_equal(after.rows, before.rows)
    np.testing.assert_array_equal(after.mirrored, before.mirrored)


def test_progress_comes_to_every_image_and_candidate() -> None:
    small = squeezed(FACES, 32)
    compared: list[int] = []
    candidates = find_candidates(small, lambda count=1, note="": compared.append(count))
    assert sum(compared) == len(FACES)
    verified: list[int] = []
    verify_candidates(
        candidates,
        small,
        lambda rows: torch.from_numpy(squeezed([FACES[row] for row in rows], 64)).float(),
        lambda count=1, note="": verified.append(count),
    )
    assert sum(verified) == len(candidates.rows)


@pytest.mark.parametrize("images", [1, 2])
def test_few_images_are_no_special_case(images: int) -> None:
    assert searched(FACES[:images]).rows.tolist() == []


def test_no_image_has_no_candidate() -> None:
    assert len(find_candidates(np.zeros((0, 32, 32), np.uint8), ignore_progress).rows) == 0


REAL = os.environ.get("FACESIM_CELEBA")


@pytest.fixture(scope="module")
def real() -> tuple[dict[str, FaceTable], ImageCopies]:
    if not REAL or not (Path(REAL) / "train.csv").is_file():
        pytest.skip("FACESIM_CELEBA does not name a folder of real faces")
    root = Path(REAL)
    tables = {
        name: csv(images=root / "img_align_celeba", table=root / f"{name}.csv")
        for name in ("train", "val", "test")
    }
    digests = {name: image_digests(table) for name, table in tables.items()}
    return tables, find_copies(tables, digests, Processes())


def test_the_leaks_between_real_splits_are_found_and_nothing_else(
    real: tuple[dict[str, FaceTable], ImageCopies],
) -> None:
    tables, copies = real
    found = {
        couple
        for first, second in (("train", "val"), ("train", "test"), ("val", "test"))
        for couple in copies.near_between(first, second).named(tables[first], tables[second], 99)
    }
    assert found == {"155962.jpg = 094003.jpg", "200207.jpg = 192689.jpg"}


def test_duplicates_within_real_splits_are_found(
    real: tuple[dict[str, FaceTable], ImageCopies],
) -> None:
    tables, copies = real
    train, test = copies.within("train"), copies.within("test")
    identical = train.where(train.identical)
    labels = tables["train"].identities[identical.rows]
    assert len(identical) == 7
    assert (labels[:, 0] != labels[:, 1]).sum() == 5
    assert not test.identical.any()
    known = {"186848.jpg = 190553.jpg", "017638.jpg = 070039.jpg", "196447.jpg = 201527.jpg"}
    assert known <= set(test.named(tables["test"], tables["test"], 99))
    identities = tables["test"].identities[test.rows]
    assert (identities[:, 0] == identities[:, 1]).all()


@pytest.mark.parametrize("transposed", [False, True])
def test_images_that_vary_in_one_direction_only_are_candidates_by_what_they_show(
    *, transposed: bool
) -> None:
    """Stripes, of which number 0 and number 7 are alike."""
    levels = np.random.default_rng(0).integers(0, 256, size=(40, 8)).repeat(4, axis=1)
    levels[7] = levels[0]
    images = np.broadcast_to(levels[:, :, None], (40, 32, 32)).astype(np.uint8).copy()
    if transposed:
        images = images.transpose(0, 2, 1).copy()
    assert find_candidates(images, ignore_progress).rows[0].tolist() == [0, 7]
