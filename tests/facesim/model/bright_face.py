"""An aligner that finds white rectangles, and photographs that hold some."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from facesim import Aligner, DataError, Face, Photograph


class BrightFace(Aligner):
    """Finds each white rectangle in rows of their own; its eyes are at three tenths of its height.

    Args:
        calls: a file to which a line is added for each photograph; from any process.
        by_name: answer for the file's name as well.
    """

    def __init__(self, *, calls: Path | None = None, by_name: bool = False) -> None:
        self.calls = calls
        self.content_only = not by_name

    def find(self, photograph: Photograph) -> Sequence[Face]:
        if self.calls is not None:
            with self.calls.open("a") as file:
                file.write(f"{photograph.path}\n")
        white = (photograph.pixels == 255).all(axis=2)
        if white.all():
            raise DataError("it is overexposed")
        edges = np.flatnonzero(np.diff(np.pad(white.any(axis=1).astype(int), 1)))
        faces = []
        for top, bottom in edges.reshape(-1, 2).tolist():
            columns = np.flatnonzero(white[top:bottom].any(axis=0))
            left, right = float(columns[0]), float(columns[-1])
            y, width = top + 0.3 * (bottom - top), right - left
            eyes = [[left + 0.3 * width, y], [left + 0.7 * width, y]]
            landmarks = np.array([*eyes, *[[np.nan, np.nan]] * 3])
            box = (left, float(top), right, float(bottom - 1))
            faces.append(Face(box, landmarks, float(bottom - top)))
        return faces


def save_photograph(path: Path, *faces: tuple[int, int, int, int], seed: int = 0) -> None:
    """Dark noise with white rectangles at (left, top, width, height)."""
    pixels = np.random.default_rng(seed).integers(0, 100, (120, 160, 3), dtype=np.uint8)
    for left, top, width, height in faces:
        pixels[top : top + height, left : left + width] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
