"""Rendering a view of a face: projection, drawing, lighting, noise."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from facesim_plugins.datasets._face import Face, FloatArray, View
from facesim_plugins.datasets._face_parts import DEPTH, Part, face_parts

SUPERSAMPLING = 3
"""Polygons are drawn this many times larger than the image, which antialiases their edges."""

UNIT = 0.35
"""A face unit as a fraction of the image: a head is about two units high."""

CAMERA = 6.0
"""Distance of the camera in face units: the nearer, the stronger the perspective."""


def render_face(face: Face, view: View, size: int) -> Image.Image:
    """Draw one image, RGB, size x size: a pure function of its arguments."""
    canvas = _background(view, size)
    _paint(canvas, face, view)
    pixels = np.asarray(canvas.reduce(SUPERSAMPLING), np.float32)
    return Image.fromarray(_expose(pixels, view))


def _background(view: View, size: int) -> Image.Image:
    """A canvas of a few blended colours, like a room out of focus."""
    room = Image.fromarray(view.background).resize((size, size), Image.Resampling.BILINEAR)
    large = size * SUPERSAMPLING
    return room.resize((large, large), Image.Resampling.NEAREST)


def _paint(canvas: Image.Image, face: Face, view: View) -> None:
    parts = list(face_parts(face, view))
    points = (_project(_in_space(parts, face), view) * canvas.width).ravel().tolist()
    colors = np.clip([part.color for part in parts], 0, 255).astype(int).tolist()
    draw = ImageDraw.Draw(canvas)
    begin = 0
    for part, color in zip(parts, colors, strict=True):
        end = begin + 2 * len(part.x)
        if part.stroke:
            width = max(1, round(part.stroke * UNIT * view.zoom * canvas.width))
            draw.line(points[begin:end], tuple(color), width, "curve")
        else:
            draw.polygon(points[begin:end], tuple(color))
        begin = end


def _in_space(parts: Sequence[Part], face: Face) -> FloatArray:
    """The points of all parts [N, 3]; those outside the head's ellipse do not bulge."""
    x = np.concatenate([part.x for part in parts])
    y = np.concatenate([part.y for part in parts])
    lift = np.repeat([part.lift for part in parts], [len(part.x) for part in parts])
    bulge = np.sqrt(np.maximum(1 - (x / face.width) ** 2 - (y / face.height) ** 2, 0))
    return np.stack([x, y, DEPTH * bulge + lift], axis=1)


def _project(points: FloatArray, view: View) -> FloatArray:
    """Points [N, 3] in face units -> [N, 2] in fractions of the image."""
    turned = points @ _rotation(view).T
    nearness = CAMERA / (CAMERA - turned[:, 2:])
    return 0.5 + view.shift + UNIT * view.zoom * nearness * turned[:, :2]


def _rotation(view: View) -> FloatArray:
    """The head's turn: pitch first, then yaw, then roll; [3, 3]."""
    angles = np.array([view.pitch, view.yaw, view.roll])
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    pitch = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    roll = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    rotation: FloatArray = roll @ yaw @ pitch
    return rotation


def _expose(pixels: npt.NDArray[np.float32], view: View) -> npt.NDArray[np.uint8]:
    """Shade the scene as if the head were a sphere, tint the light, add sensor noise."""
    size = len(pixels)
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    x = (steps - view.shift[0].astype(np.float32))[None, :] / UNIT
    y = (steps - view.shift[1].astype(np.float32))[:, None] / UNIT
    # Beyond the sphere's edge the light stays constant, so that the background has no seam.
    shrink = 1 / np.maximum(np.sqrt(x**2 + y**2) / 0.95, 1)
    x, y = x * shrink, y * shrink
    to_x, to_y, to_z = view.light.astype(np.float32)
    diffuse = np.maximum(x * to_x + y * to_y + np.sqrt(1 - x**2 - y**2) * to_z, 0)
    light = view.ambient + (1.25 - view.ambient) * diffuse
    lit = pixels * light[:, :, None] * view.tint.astype(np.float32)
    noise = np.random.default_rng(view.noise_seed).standard_normal(lit.shape, np.float32)
    exposed: npt.NDArray[np.uint8] = np.clip(lit + view.noise * noise, 0, 255).astype(np.uint8)
    return exposed
