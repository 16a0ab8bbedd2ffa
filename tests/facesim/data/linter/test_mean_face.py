"""Faces that do not lie where the others lie are told from those that do."""

import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesim.data.linter.mean_face import FEWEST_FACES, MeanFace, mean_face
from facesim.data.preprocessing import Preprocessing
from facesim.interfaces import FaceTable
from tests.facesim.data.drawn_faces import drawn_face

PEOPLE, PHOTOGRAPHS = 20, 4
FRAME = (218, 178)

Move = Callable[[np.random.Generator], tuple[float, float, float, float]]
"""Angle, scale, and shift across and down as shares of the sides."""

MOVES: dict[str, Move] = {
    "shifted": lambda dice: (0, 1, *(0.1 * _direction(dice))),
    "turned": lambda dice: (15 * dice.choice([-1, 1]), 1, 0, 0),
    "scaled": lambda dice: (0, 1.6 ** dice.uniform(-1, 1), 0, 0),
}


def _direction(dice: np.random.Generator) -> np.ndarray:
    angle = dice.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def moved(
    image: Image.Image, angle: float, scale: float, across: float, down: float
) -> Image.Image:
    """The image turned about its middle, enlarged and shifted; mirrored beyond its edges."""
    width, height = image.size
    border = width // 2
    wide = np.pad(np.asarray(image), ((border, border), (border, border), (0, 0)), mode="reflect")
    cosine, sine = (turn(np.radians(angle)) / scale for turn in (np.cos, np.sin))
    x, y = width / 2, height / 2
    matrix = (
        *(cosine, sine, border + x - across * width - cosine * x - sine * y),
        *(-sine, cosine, border + y - down * height + sine * x - cosine * y),
    )
    return Image.fromarray(wide).transform(
        image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
    )


def split(folder: Path, move: Move | None = None, people: int = PEOPLE) -> FaceTable:
    folder.mkdir()
    dice, files = np.random.default_rng(0), []
    for number in range(people * PHOTOGRAPHS):
        face = drawn_face(*divmod(number, PHOTOGRAPHS))
        files.append(f"{number}.png")
        face = face if move is None else moved(face, *move(dice))
        face.resize((89, 109)).save(folder / files[-1], compress_level=0)
    identities = np.repeat(np.arange(people), PHOTOGRAPHS)
    return FaceTable(folder, np.array(files), identities, np.arange(people).astype(str))


def measured(table: FaceTable) -> MeanFace:
    found = mean_face(table, Preprocessing((32, 32), fit="letterbox"), FRAME)
    assert found is not None
    return found


def test_faces_in_one_place_are_aligned_and_their_mean_is_shown(tmp_path: Path) -> None:
    table = split(tmp_path / "a")
    found = measured(table)
    assert found.is_aligned
    assert found.images == PEOPLE * PHOTOGRAPHS
    assert found.sharpness > 0.7
    assert len(found.webp) < 6000
    shown = Image.open(io.BytesIO(base64.b64decode(found.webp)))
    assert shown.size == (78, 96)  # no bars: the images as they are
    naive = np.mean(
        [np.asarray(Image.open(table.path(row)).resize((78, 96))) for row in range(len(table))],
        axis=0,
    )
    assert np.abs(np.asarray(shown.convert("RGB")) - naive).mean() < 6


@pytest.mark.parametrize("kind", MOVES)
def test_faces_anywhere_are_not_aligned(tmp_path: Path, kind: str) -> None:
    aligned, found = measured(split(tmp_path / "a")), measured(split(tmp_path / "b", MOVES[kind]))
    assert not found.is_aligned
    assert getattr(found, kind) > getattr(aligned, kind)
    assert found.sharpness < aligned.sharpness


def test_it_is_the_same_each_time(tmp_path: Path) -> None:
    table = split(tmp_path / "a")
    assert measured(table) == measured(table)


def test_of_few_images_or_people_nothing_is_said(tmp_path: Path) -> None:
    table = split(tmp_path / "a", people=FEWEST_FACES // PHOTOGRAPHS)
    assert len(table) < FEWEST_FACES
    assert mean_face(table, Preprocessing((32, 32)), FRAME) is None
    table = split(tmp_path / "b")
    two = FaceTable(table.root, table.files, table.identities % 2, np.array(["a", "b"]))
    assert mean_face(two, Preprocessing((32, 32)), FRAME) is None
