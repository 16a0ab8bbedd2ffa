"""Every registered aligner keeps the promises of aligners."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from facesim import aligners
from facesim.registry import Spec
from facesim.testing.aligner import FILE
from facesim.testing.suites import AlignerContract
from tests.plugins.aligners.test_landmarks import CELLS, HEADER, written
from tests.plugins.aligners.test_opencv_yunet import MODEL, FakeDetector, FakeError


class TestEveryAligner(AlignerContract):
    @pytest.fixture(params=aligners.names())
    def spec(
        self, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Spec[Any]:
        if request.param == "landmarks":
            file = written(tmp_path / "faces.csv", HEADER, f"{FILE},{CELLS}")
            return aligners.spec("landmarks", file=file)
        if request.param == "opencv_yunet":
            FakeDetector.made = []
            fake = SimpleNamespace(FaceDetectorYN=FakeDetector, error=FakeError)
            monkeypatch.setitem(sys.modules, "cv2", fake)
            file = tmp_path / "model.onnx"
            file.write_bytes(MODEL)
            return aligners.spec("opencv_yunet", file=file)
        return aligners.spec(request.param)
