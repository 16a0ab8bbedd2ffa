"""Unaligned photographs, made of aligned faces: pasted somewhere, scaled, rotated, mirrored."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

# Medians of the aligned faces of CelebA, x and y in its 178 x 218 pixels.
EYES = np.array([[69.5, 112.5], [107.3, 112.5]])

BACKGROUND = (90, 110, 80)


def face_of(path: Path, *, scale: float = 1.0, mirrored: bool = False) -> Image.Image:
    """An aligned face, larger or smaller."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    size = (round(image.width * scale), round(image.height * scale))
    image = image.resize(size, Image.Resampling.LANCZOS)
    return ImageOps.mirror(image) if mirrored else image


def photograph_of(
    *faces: Image.Image, angle: float = 0, size: tuple[int, int] = (640, 480)
) -> Image.Image:
    """Faces side by side on a plain background, each rotated counter-clockwise, in degrees."""
    photograph = Image.new("RGB", size, BACKGROUND)
    for number, face in enumerate(faces, start=1):
        mask = Image.new("L", face.size, 255).rotate(angle, expand=True)
        rotated = face.rotate(angle, Image.Resampling.BICUBIC, expand=True)
        left = size[0] * number // (len(faces) + 1) - rotated.width // 2
        photograph.paste(rotated, (left, (size[1] - rotated.height) // 2), mask)
    return photograph


def eyes_in_photograph(face: Image.Image, angle: float, size: tuple[int, int]) -> np.ndarray:
    """Where the eyes of the only face of a photograph are to be expected, [2, 2]."""
    scale = face.width / 178
    from_centre = (EYES + 0.5) * scale - np.array(face.size) / 2
    turned = np.deg2rad(-angle)
    rotation = np.array([[np.cos(turned), np.sin(turned)], [-np.sin(turned), np.cos(turned)]])
    located: np.ndarray = from_centre @ rotation + np.array(size) / 2 - 0.5
    return located
