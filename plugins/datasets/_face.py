"""Parameters of a synthetic face: those of an identity, and those of one view of it.

Lengths are in face units: half the height of an average head. ``x`` points right in the image,
``y`` down, ``z`` to the viewer; the origin is the middle of the head.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
FloatArray = npt.NDArray[np.float64]

SKINS: dict[str, tuple[int, int, int]] = {
    "pale": (248, 219, 200),
    "light": (231, 187, 154),
    "tan": (200, 147, 108),
    "brown": (147, 98, 66),
    "dark": (94, 60, 44),
}
HAIRS: dict[str, tuple[int, int, int]] = {
    "black": (33, 28, 29),
    "brown": (88, 56, 36),
    "red": (152, 72, 34),
    "blond": (214, 174, 106),
    "grey": (168, 166, 164),
}
IRISES: dict[str, tuple[int, int, int]] = {
    "brown": (92, 56, 32),
    "hazel": (136, 104, 54),
    "green": (84, 128, 84),
    "blue": (84, 132, 178),
    "grey": (132, 142, 150),
}
HAIR_STYLES = ("bald", "cropped", "side_part", "fringe", "receding", "bob", "long", "curly")
BEARDS = ("none",) * 3 + ("stubble", "moustache", "goatee", "full")
GLASSES = ("none",) * 2 + ("round", "square")


@dataclass(frozen=True)
class Face:
    """One identity. Colours are float RGB in [0, 255], the other numbers are lengths or ratios."""

    width: float
    height: float
    jaw: float
    ear: float
    skin: str
    skin_color: FloatArray
    hair: str
    hair_color_name: str
    hair_color: FloatArray
    hairline: float
    hair_volume: float
    hair_side: float
    eye_color_name: str
    eye_color: FloatArray
    eye_y: float
    eye_distance: float
    eye_width: float
    eye_height: float
    eye_slant: float
    iris: float
    brow_gap: float
    brow_thickness: float
    brow_arch: float
    brow_slant: float
    nose_length: float
    nose_width: float
    nose_bridge: float
    mouth_y: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    lip_color: FloatArray
    beard: str
    glasses: str
    glasses_color: FloatArray
    freckles: FloatArray
    mole: FloatArray

    @property
    def attributes(self) -> dict[str, Any]:
        """The table's attributes of the identity."""
        return {
            "skin": self.skin,
            "hair": self.hair,
            "hair_color": "none" if self.hair == "bald" else self.hair_color_name,
            "eye_color": self.eye_color_name,
            "beard": self.beard,
            "glasses": self.glasses,
            "freckles": bool(len(self.freckles)),
        }


@dataclass(frozen=True)
class View:
    """One photograph of a face: pose, expression, light, background and camera.

    Angles are in radians, shifts in fractions of the image, colours float RGB in [0, 255].
    """

    yaw: float
    pitch: float
    roll: float
    zoom: float
    shift: FloatArray
    smile: float
    mouth_open: float
    eye_open: float
    brow_raise: float
    gaze: float
    light: FloatArray
    ambient: float
    tint: FloatArray
    background: npt.NDArray[np.uint8]
    clothes: FloatArray
    noise: float
    noise_seed: int


def face_of(seed: int, identity: int) -> Face:
    """The face of one identity: a pure function of its arguments, both >= 0."""
    rng = np.random.default_rng((seed, 0, identity))
    uniform = rng.uniform
    skin, skin_color = _color(rng, SKINS, 14)
    hair_color_name, hair_color = _color(rng, HAIRS, 14)
    eye_color_name, eye_color = _color(rng, IRISES, 12)
    freckled = rng.random() < 0.2
    return Face(
        width=uniform(0.66, 0.84),
        height=uniform(0.92, 1.08),
        jaw=uniform(1.7, 3.6),
        ear=uniform(0.14, 0.24),
        skin=skin,
        skin_color=skin_color,
        hair=_one_of(rng, HAIR_STYLES),
        hair_color_name=hair_color_name,
        hair_color=hair_color,
        hairline=uniform(-0.68, -0.48),
        hair_volume=uniform(0.06, 0.2),
        hair_side=_one_of(rng, (-1.0, 1.0)),
        eye_color_name=eye_color_name,
        eye_color=eye_color,
        eye_y=uniform(-0.16, 0.02),
        eye_distance=uniform(0.27, 0.38),
        eye_width=uniform(0.13, 0.19),
        eye_height=uniform(0.055, 0.105),
        eye_slant=uniform(-0.2, 0.25),
        iris=uniform(0.065, 0.09),
        brow_gap=uniform(0.15, 0.25),
        brow_thickness=uniform(0.02, 0.075),
        brow_arch=uniform(0.0, 0.09),
        brow_slant=uniform(-0.2, 0.2),
        nose_length=uniform(0.3, 0.46),
        nose_width=uniform(0.09, 0.19),
        nose_bridge=uniform(0.02, 0.06),
        mouth_y=uniform(0.52, 0.66),
        mouth_width=uniform(0.2, 0.36),
        upper_lip=uniform(0.03, 0.08),
        lower_lip=uniform(0.04, 0.11),
        lip_color=0.55 * skin_color + 0.45 * np.array([190.0, uniform(40, 90), uniform(60, 100)]),
        beard=_one_of(rng, BEARDS),
        glasses=_one_of(rng, GLASSES),
        glasses_color=uniform(10, 110, 3),
        freckles=uniform((-0.45, 0.05), (0.45, 0.4), (24 if freckled else 0, 2)),
        mole=uniform((-0.5, 0.1), (0.5, 0.8)),
    )


def view_of(seed: int, identity: int, image: int) -> View:
    """The view that one image shows: a pure function of its arguments, all >= 0."""
    rng = np.random.default_rng((seed, 1, identity, image))
    uniform = rng.uniform
    azimuth, elevation = uniform(-1.1, 1.1), uniform(-0.2, 1.0)
    toward_light = (
        np.sin(azimuth) * np.cos(elevation),
        -np.sin(elevation),
        np.cos(azimuth) * np.cos(elevation),
    )
    return View(
        yaw=rng.triangular(-0.42, 0, 0.42),
        pitch=rng.triangular(-0.22, 0, 0.22),
        roll=rng.triangular(-0.15, 0, 0.15),
        zoom=uniform(0.93, 1.07),
        shift=uniform(-0.04, 0.04, 2),
        smile=uniform(-0.25, 1.0),
        mouth_open=max(0.0, uniform(-0.12, 0.12)),
        eye_open=uniform(0.55, 1.1),
        brow_raise=uniform(-0.03, 0.05),
        gaze=uniform(-0.04, 0.04),
        light=np.array(toward_light),
        ambient=uniform(0.35, 0.75),
        tint=uniform(0.75, 1.15) * uniform(0.9, 1.1, 3),
        background=np.clip(uniform(30, 220) + rng.normal(0, 30, (3, 3, 3)), 0, 255).astype(
            np.uint8
        ),
        clothes=uniform(20, 235, 3),
        noise=uniform(1.0, 7.0),
        noise_seed=int(rng.integers(2**32)),
    )


def _one_of(rng: np.random.Generator, values: tuple[T, ...]) -> T:
    return values[rng.integers(len(values))]


def _color(
    rng: np.random.Generator, palette: dict[str, tuple[int, int, int]], spread: float
) -> tuple[str, FloatArray]:
    """A colour of the palette and its name, varied in brightness and a little in hue."""
    name = _one_of(rng, tuple(palette))
    moved = np.array(palette[name]) + rng.normal(0, spread) + rng.normal(0, spread / 4, 3)
    return name, np.clip(moved, 0, 255)
