"""The twelve colours of series, as people with any kind of colour vision see them.

Colour vision deficiencies are simulated as by Machado, Oliveira and Fernandes, "A Physiologically-
based Model for Simulation of Color Vision Deficiency", IEEE TVCG 2009, at severity 1.0.
Distances are Euclidean ones in CIELAB (CIE 1976), contrasts those of WCAG 2.
"""

import re
from importlib.resources import files
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from facesim.report.plots.svg import MARKERS, STYLES

Colour = npt.NDArray[np.float64]

VISIONS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
APART = 30.0
"""Where the dash or the marker is the same: far more than the 2.3 that are just noticeable."""

BESIDE = 12.0
"""Where both differ, too."""

MODES = ("light", "dark")
STYLE = files("facesim.report").joinpath("templates", "page.css").read_text()


def colour(name: str, mode: str) -> Colour:
    """A custom property of the style sheet, linear RGB."""
    found = re.findall(rf"--{name}: #(\w{{6}});", STYLE)
    channels = found[MODES.index(mode)]
    values = np.array([int(channels[at : at + 2], 16) / 255 for at in (0, 2, 4)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(linear: Colour) -> Colour:
    relative = XYZ @ np.clip(linear, 0, 1) / XYZ.sum(axis=1)
    f = np.where(relative > 0.008856, np.cbrt(relative), 7.787 * relative + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(first: Colour, second: Colour) -> float:
    one, other = sorted((float(XYZ[1] @ first), float(XYZ[1] @ second)))
    return (other + 0.05) / (one + 0.05)


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("mode", MODES)
def test_twelve_series_can_be_told_apart(mode: str, vision: str) -> None:
    seen = [lab(VISIONS[vision] @ colour(f"s{number}", mode)) for number in range(STYLES)]
    for one, other in combinations(range(STYLES), 2):
        alike = one % 4 == other % 4 or one % MARKERS == other % MARKERS
        distance = float(np.linalg.norm(seen[one] - seen[other]))
        assert distance >= (APART if alike else BESIDE), (one, other)


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("mode", MODES)
def test_genuine_and_impostor_can_be_told_apart(mode: str, vision: str) -> None:
    seen = [lab(VISIONS[vision] @ colour(name, mode)) for name in ("genuine", "impostor")]
    assert np.linalg.norm(seen[0] - seen[1]) >= APART


@pytest.mark.parametrize("mode", MODES)
def test_every_curve_stands_out_from_the_page(mode: str) -> None:
    """3:1 for graphics, 4.5:1 for text (WCAG 2.2, 1.4.11 and 1.4.3)."""
    surface, page = colour("surface", mode), colour("page", mode)
    for name in (*(f"s{number}" for number in range(STYLES)), "genuine", "impostor"):
        assert contrast(colour(name, mode), surface) >= 3, name
    for name in ("ink", "muted", "link"):
        assert min(contrast(colour(name, mode), each) for each in (surface, page)) >= 4.5, name
