"""YuNet: what is handed to OpenCV and read from it, and the files that are refused."""

import pickle
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from facesim import Aligner, DataError, FacesimError, Photograph, PluginError, aligners
from tests.plugins.aligners.bright_block_model import write_model

ROW = (30, 20, 8, 10, 32, 24, 36, 24, 34, 26, 32, 28, 36, 28, 0.875)


def onnx_of(operator: bytes) -> bytes:
    """ONNX of one operator without inputs, which no runtime accepts."""
    node = b"\x22" + bytes([len(operator)]) + operator
    graph = b"\x0a" + bytes([len(node)]) + node
    return b"\x3a" + bytes([len(graph)]) + graph


MODEL, OTHER_MODEL = onnx_of(b"Relu"), onnx_of(b"Abs")


class FakeError(Exception):
    """What OpenCV raises."""


class FakeDetector:
    """Records what it is given; of photographs that are not black it finds one face."""

    made: list["FakeDetector"]

    def __init__(self, *given: Any) -> None:
        self.given = given
        self.searched: list[Any] = []
        self.size: tuple[int, int] | None = None
        FakeDetector.made.append(self)

    @staticmethod
    def create(*given: Any) -> "FakeDetector":
        if given[1].tobytes() == OTHER_MODEL:
            raise FakeError("cannot be parsed\nin function parse")
        return FakeDetector(*given)

    def setInputSize(self, size: tuple[int, int]) -> None:  # noqa: N802  OpenCV's name
        self.size = size

    def detect(self, image: Any) -> tuple[int, Any]:
        if self.size != image.shape[1::-1]:
            raise FakeError("the size does not match")
        self.searched.append(image)
        if image.min() == 255:
            raise FakeError("out of memory\nin function detect")
        return (1, np.array([ROW], np.float32)) if image.any() else (1, None)


@pytest.fixture
def opencv(monkeypatch: pytest.MonkeyPatch) -> type[FakeDetector]:
    FakeDetector.made = []
    fake = SimpleNamespace(FaceDetectorYN=FakeDetector, error=FakeError)
    monkeypatch.setitem(sys.modules, "cv2", fake)
    return FakeDetector


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "yunet.onnx"
    path.write_bytes(MODEL)
    return path


def build(file: Path, **parameters: Any) -> Aligner:
    return aligners.spec("opencv_yunet", file=file, **parameters).build()


def photograph(height: int = 60, width: int = 80, colour: int = 100) -> Photograph:
    return Photograph(np.full((height, width, 3), colour, np.uint8))


def test_a_row_is_a_face_with_five_landmarks(opencv: type[FakeDetector], file: Path) -> None:
    (face,) = build(file).find(photograph())
    assert list(face.box) == [30, 20, 38, 30]
    assert face.landmarks.tolist() == [[32, 24], [36, 24], [34, 26], [32, 28], [36, 28]]
    assert face.confidence == 0.875
    assert build(file).find(photograph(colour=0)) == []


def test_opencv_gets_the_parameters_and_the_pixels_as_bgr(
    opencv: type[FakeDetector], file: Path
) -> None:
    aligner = build(file, min_score=0.6, max_overlap=0.4)
    pixels = photograph().pixels.copy()
    pixels[..., 0] = 7
    aligner.find(Photograph(pixels))
    (detector,) = opencv.made
    assert detector.given[0] == "onnx"
    assert detector.given[1].tobytes() == MODEL
    assert detector.given[4:6] == (0.6, 0.4)
    (searched,) = detector.searched
    assert searched[0, 0].tolist() == [100, 100, 7]
    assert searched.flags.c_contiguous


def test_a_large_photograph_is_searched_at_a_reduced_size(
    opencv: type[FakeDetector], file: Path
) -> None:
    (face,) = build(file, max_side=80).find(photograph(120, 160))
    assert opencv.made[0].searched[0].shape == (60, 80, 3)
    # Pixel centres: position 30 of the reduced photograph is position 60.5 of it.
    assert list(face.box) == [60.5, 40.5, 76.5, 60.5]
    assert face.landmarks[0].tolist() == [64.5, 48.5]


def test_each_thread_and_each_copy_has_a_detector_of_its_own(
    opencv: type[FakeDetector], file: Path
) -> None:
    aligner = build(file)
    file.unlink()  # the copy has the bytes whose digest was checked
    copied = pickle.loads(pickle.dumps(aligner))
    assert len(copied.find(photograph())) == 1
    with ThreadPoolExecutor(1) as pool:
        assert len(pool.submit(aligner.find, photograph()).result()) == 1
    assert [len(detector.searched) for detector in opencv.made] == [0, 1, 1]
    assert len(aligner.find(photograph())) == 1
    assert len(opencv.made) == 3


def test_the_digest_is_the_fingerprint_and_is_checked(
    opencv: type[FakeDetector], file: Path
) -> None:
    digest = sha256(MODEL).hexdigest()
    assert build(file, sha256=digest.upper()).fingerprint == digest
    with pytest.raises(FacesimError, match=f"has the SHA-256 {digest}, not the 0000"):
        build(file, sha256="0" * 64)
    with pytest.raises(ValidationError, match="sha256"):
        build(file, sha256="abc")


def test_a_file_that_is_no_model_is_refused(
    opencv: type[FakeDetector], file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FacesimError, match=r"none\.onnx cannot be read: No such file"):
        build(tmp_path / "none.onnx")
    file.write_bytes(OTHER_MODEL)
    with pytest.raises(FacesimError, match=r"cannot be used as a model: cannot be parsed$"):
        build(file)
    monkeypatch.setattr("facesim_plugins.aligners.opencv_yunet._MAX_BYTES", 3)
    with pytest.raises(FacesimError, match="is larger than"):
        build(file)


# A tensor, whose data are in another file; its tag may have a bit that parsers drop.
ELSEWHERE = [b"\x3a\x04\x2a\x02\x6a\x00", b"\x3a\x08\x2a\x06\xea\x80\x80\x80\x10\x00"]


@pytest.mark.parametrize("more", ELSEWHERE)
def test_opencv_never_gets_a_model_that_names_another_file(
    opencv: type[FakeDetector], file: Path, more: bytes
) -> None:
    """OpenCV 5 would read it, wherever it is."""
    file.write_bytes(MODEL + more)
    with pytest.raises(DataError, match=r"opencv_yunet: .*yunet\.onnx: refused before loading: "):
        build(file)
    assert opencv.made == []


def test_a_photograph_on_which_opencv_fails_is_named_as_such(
    opencv: type[FakeDetector], file: Path
) -> None:
    with pytest.raises(DataError, match=r"cannot search it for faces: out of memory$"):
        build(file).find(photograph(colour=255))


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(PluginError, match=re.escape('pip install "facesim[yunet]"')):
        build(file)


def test_opencv_itself_finds_what_the_model_says(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    pixels = np.zeros((100, 150, 3), np.uint8)
    pixels[40:48, 80:88] = 255
    aligner = build(write_model(tmp_path / "model.onnx"))
    (face,) = aligner.find(Photograph(pixels))
    assert list(face.box) == [76, 36, 84, 44]
    assert face.landmarks.tolist() == [[72, 32], [88, 32], [80, 40], [72, 48], [88, 48]]
    assert face.confidence == pytest.approx(1)
    assert aligner.find(photograph(5, 5, 0)) == []
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(OTHER_MODEL)
    with pytest.raises(FacesimError, match="cannot be used as a model"):
        build(damaged)
