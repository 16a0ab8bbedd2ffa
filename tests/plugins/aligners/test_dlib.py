"""dlib's detector: what is no face, and on real faces where their landmarks are."""

import pickle
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facesim import Aligner, Face, Photograph, PluginError, aligners
from facesim.alignment.crop import crop_face
from facesim.alignment.template import TEMPLATES
from facesim_plugins._face_recognition_models import model_file
from tests.plugins.aligners.raw_photographs import eyes_in_photograph, face_of, photograph_of


def build(**parameters: Any) -> Aligner:
    return aligners.spec("dlib", **parameters).build()


def faces(image: Image.Image, **parameters: Any) -> list[Face]:
    return list(build(**parameters).find(Photograph(np.array(image))))


def noise(height: int, width: int) -> Image.Image:
    generator = np.random.default_rng(0)
    return Image.fromarray(generator.integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (79, 81), (200, 300)])
def test_a_photograph_without_a_face_has_none(size: tuple[int, int]) -> None:
    assert faces(noise(*size)) == []
    assert faces(Image.new("RGB", size)) == []


def test_pixels_that_may_not_be_written_to_are_searched() -> None:
    pixels = np.array(noise(100, 100))[:, ::-1]
    pixels.flags.writeable = False
    assert list(build().find(Photograph(pixels))) == []


def test_the_predictor_is_its_fingerprint() -> None:
    content = model_file("shape_predictor_5_face_landmarks.dat", "a test").read_bytes()
    assert build().fingerprint == sha256(content).hexdigest()
    assert build().content_only


@pytest.mark.parametrize(
    ("package", "message"),
    [
        ("dlib", r'aligner dlib needs the package dlib: pip install "facesim\[dlib\]"'),
        ("face_recognition_models", r'not installed: pip install "facesim\[dlib\]"'),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, package: str, message: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    # In a thread of its own, which has no models yet.
    with ThreadPoolExecutor(1) as pool, pytest.raises(PluginError, match=message):
        pool.submit(build).result()


@pytest.mark.celeba
class TestRealFaces:
    @pytest.fixture
    def face(self, celeba: Path) -> Callable[..., Image.Image]:
        paths = sorted((celeba / "img_align_celeba").iterdir())
        return lambda number, **changes: face_of(paths[number * 30], **changes)

    @pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
    @pytest.mark.parametrize("angle", [0, 20, -20])
    def test_the_eyes_are_where_they_are_in_the_photograph(
        self, face: Callable[..., Image.Image], scale: float, angle: float
    ) -> None:
        size = (640, 600)
        whole = face(4, scale=scale)
        (found,) = faces(photograph_of(whole, angle=angle, size=size))
        expected = eyes_in_photograph(whole, angle, size)
        distance = np.linalg.norm(expected[1] - expected[0])
        errors = np.linalg.norm(found.landmarks[:2] - expected, axis=1)
        assert errors.max() < 0.12 * distance
        assert np.isnan(found.landmarks[3:]).all()
        assert (found.box[:2] < expected.min(axis=0)).all()
        assert (expected.max(axis=0) < found.box[2:]).all()

    def test_the_crop_is_the_chip_that_dlib_cuts(self, face: Callable[..., Image.Image]) -> None:
        dlib = pytest.importorskip("dlib")
        image = photograph_of(face(3), angle=10)
        pixels = np.array(image)
        (found,) = faces(image)
        (rectangle,) = dlib.get_frontal_face_detector()(pixels, 1)
        file = model_file("shape_predictor_5_face_landmarks.dat", "a test")
        chip = dlib.get_face_chip(pixels, dlib.shape_predictor(str(file))(pixels, rectangle))
        network_file = model_file("dlib_face_recognition_resnet_model_v1.dat", "a test")
        network = dlib.face_recognition_model_v1(str(network_file))
        crop = crop_face(image, TEMPLATES["dlib"].place(found), (150, 150))
        ours, theirs = (np.array(network.compute_face_descriptor(each)) for each in (crop, chip))
        # Two photographs of one person are about 0.4 apart, two people more than 0.6.
        assert np.linalg.norm(ours - theirs) < 0.2

    def test_two_faces_are_two_and_a_mirrored_one_is_one(
        self, face: Callable[..., Image.Image]
    ) -> None:
        found = faces(photograph_of(face(4), face(3)))
        assert sorted(each.box[0] > 320 for each in found) == [False, True]
        (plain,) = faces(photograph_of(face(4), size=(641, 480)))
        (mirrored,) = faces(photograph_of(face(4, mirrored=True), size=(641, 480)))
        # The nose stays between the eyes, and the left eye is still the one at the left.
        for each in (plain, mirrored):
            left_eye, right_eye, nose = each.landmarks[:3, 0]
            assert left_eye < nose < right_eye

    def test_small_faces_need_a_larger_photograph(self, face: Callable[..., Image.Image]) -> None:
        small = photograph_of(face(4, scale=0.25))  # 20 pixels from the chin to the eyebrows
        assert faces(small, upsample=1) == []
        (found,) = faces(small, upsample=2)
        assert found.box[2] - found.box[0] < 40

    def test_a_large_photograph_is_searched_at_a_reduced_size(
        self, face: Callable[..., Image.Image]
    ) -> None:
        image = photograph_of(face(3, scale=3), size=(1600, 1200))
        (whole,) = faces(image, max_side=1600)
        (reduced,) = faces(image, max_side=400)
        # 113 pixels lie between the eyes.
        assert np.abs(whole.landmarks[:3] - reduced.landmarks[:3]).max() < 8

    def test_detections_below_the_least_score_are_dropped(
        self, face: Callable[..., Image.Image]
    ) -> None:
        image = photograph_of(face(4))
        (found,) = faces(image)
        assert found.confidence > 0.5
        assert faces(image, min_score=found.confidence + 0.01) == []

    def test_copies_and_threads_find_the_same(self, face: Callable[..., Image.Image]) -> None:
        photograph = Photograph(np.array(photograph_of(face(4))))
        aligner = pickle.loads(pickle.dumps(build()))
        (expected,) = aligner.find(photograph)
        with ThreadPoolExecutor(2) as pool:
            for (found,) in pool.map(aligner.find, [photograph] * 6):
                assert found.box == expected.box
                assert np.array_equal(found.landmarks, expected.landmarks, equal_nan=True)
