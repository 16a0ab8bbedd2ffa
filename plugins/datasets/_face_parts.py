"""The parts of a synthetic face as coloured polygons in space, in drawing order."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from facesim_plugins.datasets._face import Face, FloatArray, View

DEPTH = 0.62
"""How far a face bulges to the viewer, in face units."""

CIRCLE = np.linspace(0, 2 * np.pi, 24, endpoint=False)
COSINE, SINE = np.cos(CIRCLE), np.sin(CIRCLE)
ALONG = np.linspace(-1, 1, 9)
AROUND = np.concatenate([ALONG, ALONG[::-1]])
ARCH = 1 - ALONG**2
"""1 in the middle of ``ALONG``, 0 at its ends."""

BLACK = np.array([22.0, 18.0, 20.0])
WHITE = np.array([244.0, 242.0, 240.0])


@dataclass(frozen=True)
class Part:
    """One polygon that lies on the bulging face, or ``lift`` above it.

    Attributes:
        x: float [N], face units.
        y: float [N], face units.
        color: float RGB [3]; what leaves [0, 255] is clipped.
        lift: face units towards the viewer; negative is behind.
        stroke: width of an open line in face units; 0 fills the polygon instead.
    """

    x: FloatArray
    y: FloatArray
    color: FloatArray
    lift: float = 0.0
    stroke: float = 0.0


def face_parts(face: Face, view: View) -> Iterator[Part]:
    """Every polygon of a face, from the back to the front."""
    yield from _back_hair(face, view)
    yield from _body(face, view)
    yield from _head(face, view)
    yield from _beard(face, view)
    yield from _nose(face)
    yield from _mouth(face, view)
    for side in (-1.0, 1.0):
        yield from _eye(face, view, side)
        yield _brow(face, view, side)
    yield from _spots(face)
    yield from _front_hair(face, view)
    yield from _glasses(face)


def _band(x: FloatArray, top: FloatArray, bottom: FloatArray, color: FloatArray) -> Part:
    """The area between two curves over the same ``x``."""
    return Part(np.concatenate([x, x[::-1]]), np.concatenate([top, bottom[::-1]]), color)


def _disc(x: float, y: float, rx: float, ry: float, color: FloatArray, lift: float = 0.0) -> Part:
    return Part(x + rx * COSINE, y + ry * SINE, color, lift)


def _half_width(face: Face, y: FloatArray) -> FloatArray:
    """Half the width of the head at height ``y``: an ellipse above, the jaw's curve below."""
    relative = np.abs(y) / face.height
    power = np.where(y < 0, 2.0, face.jaw)
    return face.width * np.sqrt(np.maximum(1 - relative**power, 0))


def _contour(
    face: Face, view: View, grow: float = 0.0, down_to: float = 1.0
) -> tuple[FloatArray, FloatArray]:
    """The head's outline, ``grow`` outside, from the lower left over the top to the lower right.

    It begins and ends at the height ``down_to * face.height``. The outline of a round head does
    not narrow as it turns, unlike that of a flat shape: the factor ``roundness`` corrects for it.
    """
    angles = np.linspace(0, np.arccos(-down_to), 18)
    y = -face.height * np.cos(angles)
    roundness = np.sqrt(1 + (DEPTH / face.width * np.tan(view.yaw)) ** 2)
    x = roundness * (_half_width(face, y) + grow * np.sin(angles))
    y = y - grow * np.maximum(np.cos(angles), 0)
    return np.concatenate([-x[::-1], x]), np.concatenate([y[::-1], y])


def _body(face: Face, view: View) -> Iterator[Part]:
    neck = 0.62 * face.width * np.array([-1, 1, 1, -1])
    yield Part(neck, np.array([0.3, 0.3, 1.7, 1.7]), 0.72 * face.skin_color, -0.3)
    x = np.array([-3.0, -1.5, -0.6, 0.0, 0.6, 1.5, 3.0, 3.0, -3.0])
    y = np.array([1.8, 1.45, 1.15, 1.4, 1.15, 1.45, 1.8, 4.0, 4.0])
    yield Part(x, y, view.clothes, -0.35)


def _head(face: Face, view: View) -> Iterator[Part]:
    for side in (-1.0, 1.0):
        for size, shade in ((1.0, 0.88), (0.6, 0.7)):
            radius = size * face.ear
            center = (side * face.width, face.eye_y + 0.12)
            yield _disc(*center, 0.6 * radius, radius, shade * face.skin_color, -0.1)
    yield Part(*_contour(face, view), face.skin_color)


def _eye(face: Face, view: View, side: float) -> Iterator[Part]:
    open_height = face.eye_height * view.eye_open

    def lid(x: FloatArray) -> FloatArray:
        return open_height * np.sqrt(np.maximum(1 - (x / face.eye_width) ** 2, 0))

    def placed(x: FloatArray, y: FloatArray, color: FloatArray) -> Part:
        tilted = y - side * face.eye_slant * x
        return Part(side * face.eye_distance + x, face.eye_y + tilted, color)

    x = AROUND * face.eye_width
    lids = lid(x) * np.repeat([-1, 1], len(ALONG))
    yield placed(1.3 * x, 1.7 * lids, 0.86 * face.skin_color)
    yield placed(x, lids, WHITE)
    for radius, color in ((face.iris, face.eye_color), (0.45 * face.iris, BLACK)):
        iris_x = np.clip(view.gaze + radius * COSINE, -face.eye_width, face.eye_width)
        edge = lid(iris_x)
        yield placed(iris_x, np.clip(radius * SINE, -edge, edge), color)
    lashes = -np.abs(lids) - np.repeat([0.035, 0], len(ALONG))
    yield placed(x, lashes, 0.25 * face.skin_color)
    glint = view.gaze + 0.3 * face.iris + 0.022 * COSINE
    yield placed(glint, -0.25 * open_height + 0.022 * SINE, WHITE)


def _brow(face: Face, view: View, side: float) -> Part:
    x = side * face.eye_distance + ALONG * 1.35 * face.eye_width
    middle = face.eye_y - face.brow_gap - view.brow_raise - face.brow_arch * ARCH
    middle = middle - side * face.brow_slant * ALONG * face.eye_width
    half = 0.5 * face.brow_thickness * (1.25 - 0.55 * side * ALONG)
    color = 0.8 * face.hair_color + 0.1 * face.skin_color
    return _band(x, middle - half, middle + half, color)


def _nose(face: Face) -> Iterator[Part]:
    skin, width, bridge = face.skin_color, face.nose_width, face.nose_bridge
    tip = face.eye_y + face.nose_length
    down = np.linspace(0, 1, 7)
    y = face.eye_y + face.nose_length * down
    flare = bridge + 0.03 + 0.75 * (width - bridge) * down**2
    for side, shade in ((-1.0, 0.86), (1.0, 0.9)):
        x = side * np.concatenate([np.full(7, 0.6 * bridge), flare[::-1]])
        yield Part(x, np.concatenate([y, y[::-1]]), shade * skin, 0.1)
    yield _disc(0, tip + 0.02, width, 0.075, 0.8 * skin, 0.12)
    yield _disc(0, tip - 0.02, 0.72 * width, 0.08, 1.04 * skin, 0.2)
    for side in (-1.0, 1.0):
        yield _disc(side * 0.5 * width, tip + 0.055, 0.032, 0.02, 0.35 * skin, 0.15)


def _mouth(face: Face, view: View) -> Iterator[Part]:
    x = ALONG * face.mouth_width * (1 + 0.18 * view.smile)
    middle = face.mouth_y + 0.1 * view.smile * (ARCH - 0.5)
    upper, lower = middle - 0.4 * view.mouth_open * ARCH, middle + 0.6 * view.mouth_open * ARCH
    fade = np.sqrt(ARCH)
    cupids_bow = 1 - 0.35 * np.exp(-((ALONG / 0.2) ** 2))
    yield _band(x, upper - face.upper_lip * fade * cupids_bow, upper, 0.88 * face.lip_color)
    yield _band(x, lower, lower + face.lower_lip * fade, face.lip_color)
    yield _band(x, upper - 0.008, lower + 0.014, 0.3 * face.lip_color)
    if view.mouth_open > 0:
        yield _band(0.85 * x, upper, upper + 0.55 * view.mouth_open * ARCH, WHITE)


def _beard(face: Face, view: View) -> Iterator[Part]:
    if face.beard == "none":
        return
    share = 0.22 if face.beard == "stubble" else 0.9
    color = share * face.hair_color + (1 - share) * 0.95 * face.skin_color
    lip = face.mouth_y - 0.5 * face.upper_lip
    if face.beard in ("stubble", "full"):
        y = np.linspace(0.25, 1, 12) * face.height
        jaw = _half_width(face, y)
        inner = np.linspace(1, -1, 11)
        x = np.concatenate([-jaw, jaw[::-1], 0.8 * jaw[0] * inner])
        yield Part(x, np.concatenate([y, y[::-1], lip - 0.14 - 0.25 * inner**4]), color)
    if face.beard != "stubble":
        top = lip - 0.01 - (0.1 - 0.04 * view.smile) * ARCH - 0.04 * view.smile
        yield _band(ALONG * 1.15 * face.mouth_width, top, top + 0.12, color)
    if face.beard == "goatee":
        middle = 0.5 * (face.mouth_y + face.lower_lip + 0.05 + face.height)
        yield _disc(0, middle, 0.2, face.height - middle, color)


def _spots(face: Face) -> Iterator[Part]:
    for x, y in face.freckles:
        yield _disc(x, y, 0.016, 0.016, 0.72 * face.skin_color)
    yield _disc(face.mole[0], face.mole[1], 0.025, 0.025, 0.4 * face.skin_color)


def _back_hair(face: Face, view: View) -> Iterator[Part]:
    if face.hair == "curly":
        angles = np.linspace(0, 2 * np.pi, 72)
        radius = 1.0 + 1.6 * face.hair_volume + 0.07 * np.abs(np.cos(7 * angles))
        x, y = 1.15 * face.width * radius * np.cos(angles), radius * np.sin(angles) - 0.2
        yield Part(x, y, face.hair_color, -0.2)
    if face.hair in ("bob", "long"):
        length = 0.8 if face.hair == "bob" else 1.7
        x, y = _contour(face, view, 0.05 + face.hair_volume, down_to=0.0)
        x = np.concatenate([x, 1.08 * x[[-1, 0]]])
        yield Part(x, np.concatenate([y, [length, length]]), 0.8 * face.hair_color, -0.2)


def _front_hair(face: Face, view: View) -> Iterator[Part]:
    if face.hair == "bald":
        return
    across = np.linspace(1, -1, 15)
    line = face.hairline + _hair_drop(face, across)
    ends = {"bob": 0.1, "long": 0.2, "curly": -0.1}.get(face.hair, -0.15)
    volume = 0.04 if face.hair == "cropped" else face.hair_volume
    x, y = _contour(face, view, volume, down_to=ends)
    x = np.concatenate([x, 0.97 * across * _half_width(face, line)])
    yield Part(x, np.concatenate([y, line]), face.hair_color)


def _hair_drop(face: Face, across: FloatArray) -> FloatArray:
    """How much lower than ``face.hairline`` the hair ends, from one temple (1) to the other."""
    temples = 0.42 * across**6
    if face.hair == "side_part":
        return temples + 0.16 * face.hair_side * across - 0.1 * np.exp(-((across / 0.4) ** 2))
    if face.hair in ("fringe", "bob"):
        return 0.24 + 0.02 * np.cos(20 * across) + 0.15 * across**6
    if face.hair == "receding":
        return temples - 0.26 + 0.2 * np.exp(-((across / 0.3) ** 2))
    if face.hair == "long":
        return temples + 0.25 * np.abs(across) - 0.15
    if face.hair == "curly":
        return temples + 0.05 * np.cos(16 * across)
    return temples


def _glasses(face: Face) -> Iterator[Part]:
    if face.glasses == "none":
        return
    power, height = (1.0, 0.22) if face.glasses == "round" else (0.35, 0.17)
    rim_x = 0.24 * np.sign(COSINE) * np.abs(COSINE) ** power
    rim_y = height * np.sign(SINE) * np.abs(SINE) ** power + face.eye_y + 0.02
    closed = np.append(np.arange(len(CIRCLE)), 0)
    center = max(face.eye_distance, 0.27)
    inner, outer, temple = center - 0.24, center + 0.24, 0.97 * face.width
    level = np.full(2, face.eye_y)
    for side in (-1.0, 1.0):
        x = side * center + rim_x
        yield Part(x[closed], rim_y[closed], face.glasses_color, 0.08, 0.04)
        yield Part(side * np.array([outer, temple]), level, face.glasses_color, 0.04, 0.04)
    yield Part(np.array([-inner, inner]), level, face.glasses_color, 0.08, 0.04)
