"""YuNet, a small neural network that finds faces, run by OpenCV."""

from collections.abc import Sequence
from hashlib import sha256 as sha256_of
from pathlib import Path
from threading import local
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from facesim import (
    Aligner,
    DataError,
    Face,
    FacesimError,
    Photograph,
    aligners,
    require_harmless_onnx,
)
from facesim_plugins._optional_package import optional_package
from facesim_plugins.aligners._search_image import MaxSide, SearchImage

_MAX_BYTES = 64 * 2**20
"""Of the model's file; YuNet has a quarter of a megabyte."""

_MOST_FACES = 5000


@aligners("opencv_yunet", packages=("opencv-python-headless",))
class OpencvYunet(Aligner):
    """Find faces and five landmarks of each, by YuNet in OpenCV's ``FaceDetectorYN``.

    It finds faces from about 10 to 300 pixels wide, profiles and faces that are partly covered
    among them. The model is the file ``face_detection_yunet_2023mar.onnx`` of OpenCV's model zoo;
    it does not come with the package. A confidence is the network's score, from 0 to 1.

    Reference:
        Wu, Peng, Yu: YuNet: A Tiny Millisecond-level Face Detector (2023).

    Raises:
        PluginError: OpenCV is not installed.
        FacesimError: the file cannot be read, has another digest, or is no such model.
        DataError: the model names another file, which OpenCV would read, or holds graphs in graphs.
    """

    def __init__(
        self,
        *,
        file: Annotated[Path, Field(description="the model, as ONNX")],
        sha256: Annotated[
            str | None,
            Field(
                pattern="^[0-9a-fA-F]{64}$",
                description="digest of the file, which is then refused if it has another",
            ),
        ] = None,
        min_score: Annotated[
            float, Field(ge=0, le=1, description="detections below it are dropped")
        ] = 0.8,
        max_overlap: Annotated[
            float,
            Field(
                gt=0,
                lt=1,
                description="of two detections that overlap by more (intersection over union), the "
                "surer one is kept",
            ),
        ] = 0.3,
        max_side: MaxSide = 1280,
    ) -> None:
        self.model = _read(file)
        self.fingerprint = sha256_of(self.model).hexdigest()
        if sha256 is not None and self.fingerprint != sha256.lower():
            raise FacesimError(
                f"aligner opencv_yunet: {file} has the SHA-256 {self.fingerprint}, not the "
                f"{sha256.lower()} that was named; it is another model, or damaged"
            )
        require_harmless_onnx(self.model, f"aligner opencv_yunet: {file}")
        self.min_score = min_score
        self.max_overlap = max_overlap
        self.max_side = max_side
        self._of_thread = local()
        try:
            self._detector()
        except _opencv().error as error:
            raise FacesimError(
                f"aligner opencv_yunet: {file} cannot be used as a model: {_reason(error)}"
            ) from None

    def find(self, photograph: Photograph) -> Sequence[Face]:
        """All faces, in any order.

        Raises:
            DataError: OpenCV fails on the photograph.
        """
        image = SearchImage.of(photograph.pixels, self.max_side)
        height, width = image.pixels.shape[:2]
        detector = self._detector()
        try:
            detector.setInputSize((width, height))
            _, rows = detector.detect(np.ascontiguousarray(image.pixels[..., ::-1]))
        except _opencv().error as error:
            raise DataError(f"OpenCV cannot search it for faces: {_reason(error)}") from None
        return [self._face(image, np.asarray(row, float)) for row in (() if rows is None else rows)]

    def _face(self, image: SearchImage, row: Any) -> Face:
        """From left, top, width, height, x and y of five points, and the score."""
        x, y, width, height = row[:4]
        left, top, right, bottom = image.in_photograph([[x, y], [x + width, y + height]]).ravel()
        # The person's right eye comes first, which is at the left of the photograph.
        landmarks = image.in_photograph(row[4:14].reshape(5, 2))
        return Face((left, top, right, bottom), landmarks, float(row[14]))

    def _detector(self) -> Any:
        """OpenCV's detector, one per thread: it works in memory of its own."""
        if not hasattr(self._of_thread, "detector"):
            model = np.frombuffer(self.model, np.uint8)
            self._of_thread.detector = _opencv().FaceDetectorYN.create(
                "onnx",
                model,
                np.empty(0, np.uint8),
                (320, 320),
                self.min_score,
                self.max_overlap,
                _MOST_FACES,
            )
        return self._of_thread.detector

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_of_thread"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _of_thread=local())


def _opencv() -> Any:
    return optional_package("cv2", "aligner opencv_yunet", 'pip install "facesim[yunet]"')


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise FacesimError(
                f"aligner opencv_yunet: {file} is larger than {_MAX_BYTES // 2**20} MiB; YuNet "
                "has a quarter of a megabyte"
            )
        return file.read_bytes()
    except OSError as error:
        raise FacesimError(
            f"aligner opencv_yunet: {file} cannot be read: {error.strerror}; the model is "
            "face_detection_yunet_2023mar.onnx of OpenCV's model zoo"
        ) from None


def _reason(error: Exception) -> str:
    """The first line of OpenCV's message."""
    return str(getattr(error, "err", "") or error).strip().partition("\n")[0]
