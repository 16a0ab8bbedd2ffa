"""Cropping the placed face out of a photograph."""

import numpy as np
from PIL import Image

from facesim.arrays import FloatArray, UInt8Array


def crop_face(image: Image.Image, placement: FloatArray, size: tuple[int, int]) -> UInt8Array:
    """The pixels of a crop.

    Bilinear with antialiasing: a face that is larger than its crop is first averaged over blocks
    of pixels. What lies outside of the photograph is black.

    Args:
        image: the photograph, of mode RGB or RGBX, upright.
        placement: float64 [2, 3], as :meth:`Template.place` returns it.
        size: height and width of the crop, in pixels.

    Returns:
        RGB, uint8 [height, width, 3].
    """
    height, width = size
    across, down = (np.hypot(*placement[:, axis]) for axis in (0, 1))
    scale = min(float(across) / width, float(down) / height)
    blocks = max(1, int(scale))
    origin = np.zeros(2)
    if blocks > 1:
        corners = placement @ np.array([[0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]])
        first = np.floor(corners.min(axis=1)).clip(0, image.size)
        last = np.ceil(corners.max(axis=1)).clip(0, image.size)
        left, top = (first // blocks * blocks).astype(int)
        right, bottom = np.minimum(last + blocks, image.size).astype(int)
        if right <= left or bottom <= top:
            return np.zeros((height, width, 3), np.uint8)
        image = image.reduce(blocks, (int(left), int(top), int(right), int(bottom)))
        origin = np.array([left, top], float)
    # Of what is left, less than twice the crop, two samples in each direction are averaged.
    samples = 2 if scale / blocks > 1 else 1
    matrix = np.column_stack([placement[:, :2], placement[:, 2] - origin]) / blocks
    matrix[:, 0] /= width * samples
    matrix[:, 1] /= height * samples
    crop = image.transform(
        (width * samples, height * samples),
        Image.Transform.AFFINE,
        matrix.flatten().tolist(),
        Image.Resampling.BILINEAR,
    )
    face = crop.reduce(samples) if samples > 1 else crop
    return np.array(face.convert("RGB"))


def centred(photograph: tuple[int, int], size: tuple[int, int]) -> FloatArray:
    """The placement of the largest upright crop around the centre of a photograph.

    Args:
        photograph: its height and width, in pixels.
        size: height and width of the crop, which keeps their ratio.
    """
    scale = min(photograph[0] / size[0], photograph[1] / size[1])
    height, width = size[0] * scale, size[1] * scale
    left, top = (photograph[1] - width) / 2, (photograph[0] - height) / 2
    return np.array([[width, 0.0, left], [0.0, height, top]])
