"""Templates: where the landmarks of a face lie in its crop."""

from dataclasses import dataclass

import numpy as np

from facesim.alignment.aligner import Face
from facesim.arrays import FloatArray
from facesim.errors import DataError


@dataclass(frozen=True)
class Template:
    """Positions of the five landmarks in a crop.

    Attributes:
        size: height and width of the crop, in pixels.
        points: x and y of each landmark, in the order of :class:`Face`, in pixels; (0, 0) is the
            centre of the top left pixel.
    """

    size: tuple[int, int]
    points: tuple[tuple[float, float], ...]

    def scaled_to(self, size: tuple[int, int]) -> "Template":
        """The template in a crop of another size: as large as fits, centred, not distorted."""
        scale = min(size[0] / self.size[0], size[1] / self.size[1])
        height, width = (extent * scale for extent in self.size)
        left, top = (size[1] - width) / 2, (size[0] - height) / 2
        points = ((np.array(self.points) + 0.5) * scale + (left, top) - 0.5).tolist()
        return Template(size, tuple((x, y) for x, y in points))

    def place(self, face: Face) -> FloatArray:
        """Where the crop of a face lies in its photograph.

        The similarity transform (rotation, scale, translation; no reflection) that brings the
        landmarks nearest to the template, by least squares in the crop; in the plane, the solution
        of Umeyama (1991) is a complex linear regression.

        Returns:
            float64 [2, 3], from positions in the crop to those in the photograph: crop positions
            go from 0 to 1 over its width and height, those in the photograph are in pixels, and
            (0, 0) is the top left *corner* of both.

        Raises:
            DataError: fewer than two landmarks are in both, or they coincide.
        """
        both = np.isfinite(face.landmarks).all(axis=1) & np.isfinite(self.points).all(axis=1)
        found = face.landmarks[both] @ (1, 1j)
        wanted = np.array(self.points)[both] @ (1, 1j)
        spread = found - found.mean() if len(found) else found
        extent = float((np.abs(spread) ** 2).sum())
        if extent == 0:
            raise DataError("its landmarks coincide, or fewer than two of them are in the template")
        to_crop = (spread.conj() @ (wanted - wanted.mean())) / extent
        if abs(to_crop) < 1e-9:
            raise DataError("its landmarks do not fit the template: they lie the other way round")
        # photograph = (crop - wanted.mean()) / to_crop + found.mean(), between pixel centres
        turned = 1 / to_crop
        corner = (-0.5 - 0.5j - wanted.mean()) * turned + found.mean() + (0.5 + 0.5j)
        height, width = self.size
        across, down = turned * width, turned * 1j * height
        return np.array(
            [[across.real, down.real, corner.real], [across.imag, down.imag, corner.imag]]
        )


TEMPLATES = {
    # Medians over aligned faces of CelebA (178 x 218).
    "celeba": Template(
        (218, 178), ((69.5, 112.5), (107.3, 112.5), (88.1, 134.0), (71.9, 151.8), (105.8, 151.6))
    ),
    # InsightFace's (Deng et al., 2019), for 112 x 112.
    "arcface": Template(
        (112, 112),
        (
            (38.2946, 51.6963),
            (73.5318, 51.5014),
            (56.0252, 71.7366),
            (41.5493, 92.3655),
            (70.7299, 92.2041),
        ),
    ),
    # dlib's chip of 150 x 150 pixels with a padding of 0.25, on which its face network was trained:
    # centres of its eye corners; the tip of the nose from its base, see the aligner of that name.
    "dlib": Template(
        (150, 150),
        (
            (47.4147, 46.8256),
            (99.6129, 46.8090),
            (73.5178, 76.6756),
            (float("nan"), float("nan")),
            (float("nan"), float("nan")),
        ),
    ),
}
"""The built-in templates."""
