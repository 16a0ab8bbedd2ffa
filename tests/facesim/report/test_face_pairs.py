"""Pairs of faces on the page."""

import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesim.data.preprocessing import Preprocessing
from facesim.data.tables import build_table
from facesim.report.face_pairs import LONGEST_SIDE, FacePairPresenter
from facesim.runs.run import Run
from facesim.runs.scored_pairs import NamedPairs, ScoredImages


@pytest.fixture
def scored(build_run: Callable[..., Run]) -> tuple[NamedPairs, ScoredImages]:
    files = build_run().read("test")
    assert files.pairs is not None
    return files.pairs, files.images(files.pairs)


def size_of(uri: str | None) -> tuple[int, int]:
    assert uri is not None
    data = base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))
    return Image.open(io.BytesIO(data)).size


def test_a_pair_has_its_files_its_score_and_its_probability(
    scored: tuple[NamedPairs, ScoredImages],
) -> None:
    pairs, images = scored
    shown = FacePairPresenter(pairs, images, Preprocessing((16, 16))).show(3, "a fact")
    assert [face.file for face in shown.faces] == pairs.files[3].tolist()
    assert shown.facts[0] == f"score {pairs.scores[3]:.4g}"
    assert shown.facts[1].startswith("probability of one person: ")
    assert shown.facts[2] == "a fact"


def test_images_are_as_the_network_saw_them_and_no_larger_than_a_page_needs(
    scored: tuple[NamedPairs, ScoredImages],
) -> None:
    pairs, images = scored
    for size, shown in (((16, 12), (12, 16)), ((2 * LONGEST_SIDE, LONGEST_SIDE), (72, 144))):
        pair = FacePairPresenter(pairs, images, Preprocessing(size)).show(0)
        assert size_of(pair.faces[0].image) == shown


def test_faces_may_be_left_out(scored: tuple[NamedPairs, ScoredImages]) -> None:
    pair = FacePairPresenter(scored[0], None, Preprocessing((16, 16))).show(0)
    assert [face.image for face in pair.faces] == [None, None]


def test_an_image_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "whole.png")
    (tmp_path / "damaged.png").write_bytes(b"not an image")
    names = np.array(["damaged.png", "whole.png"], dtype=object)
    table = build_table(tmp_path, names, np.array(["1", "2"]))
    rows = np.array([[0, 1]])
    pairs = NamedPairs(names[rows], np.array([False]), np.array([0.5]))
    images = ScoredImages(table, rows)
    first, second = FacePairPresenter(pairs, images, Preprocessing((16, 16))).show(0).faces
    assert first.image is None
    assert second.image is not None
