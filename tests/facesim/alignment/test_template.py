from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facesim import Face
from facesim.alignment.template import TEMPLATES, Template
from facesim.arrays import FloatArray
from facesim.errors import DataError

ARCFACE = TEMPLATES["arcface"]


def face_at(landmarks: FloatArray) -> Face:
    return Face((0.0, 0.0, 1.0, 1.0), landmarks, 1.0)


def seen(face: Face, template: Template) -> FloatArray:
    """Where the landmarks lie in the crop, in pixels between pixel centres."""
    placement = template.place(face)
    height, width = template.size
    in_crop = np.linalg.solve(placement[:, :2], (face.landmarks + 0.5 - placement[:, 2]).T).T
    return np.asarray(in_crop * (width, height) - 0.5, np.float64)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_places_its_own_landmarks_where_they_are(name: str) -> None:
    template = TEMPLATES[name]
    placement = template.place(face_at(np.array(template.points)))
    height, width = template.size
    np.testing.assert_allclose(placement, [[width, 0, 0], [0, height, 0]], atol=1e-9)


@given(st.floats(-np.pi, np.pi), st.floats(0.05, 40), st.floats(-500, 500), st.floats(-500, 500))
def test_rotation_scale_and_translation_are_undone(
    angle: float, scale: float, x: float, y: float
) -> None:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    face = face_at(np.array(ARCFACE.points) @ turn.T + (x, y))
    np.testing.assert_allclose(seen(face, ARCFACE), ARCFACE.points, atol=1e-6)


def test_the_fit_is_the_best_similarity_and_never_a_reflection() -> None:
    generator = np.random.default_rng(0)
    points = np.array(ARCFACE.points)
    face = face_at(points * 3 + generator.normal(0, 6, (5, 2)))
    residual = np.square(seen(face, ARCFACE) - points).sum()

    def residual_of(a: complex, b: complex) -> float:
        crop = a * (face.landmarks @ (1, 1j)) + b
        return float((np.abs(crop - points @ (1, 1j)) ** 2).sum())

    for _ in range(2000):
        a = 1 / 3 + complex(*generator.normal(0, 0.02, 2))
        b = complex(*generator.normal(0, 3, 2))
        assert residual <= residual_of(a, b) + 1e-9
    mirrored = face_at(points * (-1, 1) + (112, 0))
    placement = ARCFACE.place(mirrored)
    assert np.linalg.det(placement[:, :2]) > 0


def test_missing_landmarks_are_left_out_of_the_fit() -> None:
    points = np.array(ARCFACE.points) * 2 + 30
    points[2:] = np.nan
    placement = ARCFACE.place(face_at(points))
    np.testing.assert_allclose(placement, [[224, 0, 29.5], [0, 224, 29.5]], atol=1e-9)


def test_landmarks_that_say_nothing_are_an_error() -> None:
    mouth_only = np.full((5, 2), np.nan)
    mouth_only[3:] = [[10, 20], [30, 20]]
    with pytest.raises(DataError, match="fewer than two of them are in the template"):
        TEMPLATES["dlib"].place(face_at(mouth_only))


@pytest.mark.parametrize("size", [(112, 112), (224, 224), (56, 56), (224, 112), (100, 200)])
def test_a_template_is_scaled_without_distortion_and_centred(size: tuple[int, int]) -> None:
    scaled = ARCFACE.scaled_to(size)
    scale = min(size) / 112
    middle = (np.array(size[::-1]) - 1) / 2
    np.testing.assert_allclose(
        (np.array(scaled.points) - middle) / scale, np.array(ARCFACE.points) - 55.5, atol=1e-9
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"box": (3.0, 0.0, 3.0, 1.0)},
        {"box": (0.0, 2.0, 1.0, 1.0)},
        {"box": (0.0, 0.0, float("nan"), 1.0)},
        {"landmarks": np.zeros((5, 2))},
        {"landmarks": np.eye(5)[:, :4]},
        {"landmarks": np.full((5, 2), np.nan)},
        {"landmarks": np.where(np.eye(5, 2) > 0, np.inf, np.arange(10.0).reshape(5, 2))},
        {"confidence": float("inf")},
    ],
)
def test_a_face_without_a_place_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"box|landmarks|confidence"):
        replace(face_at(np.array(ARCFACE.points)), **wrong)  # type: ignore[arg-type]
