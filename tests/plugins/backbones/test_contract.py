"""Every registered backbone keeps the promises of backbones, whatever part of it is frozen."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from facesim import Backbone, backbones
from facesim.registry import Spec
from facesim.testing.backbone import BACKBONE
from facesim.testing.suites import BackboneContract
from tests.plugins.backbones.onnx_models import write_model

PARAMETERS: dict[str, dict[str, Any]] = {
    "dlib_face": {"weights": "none"},
    "resnet": {"depth": 18, "weights": "none"},
    "efficientnet_lite": {"weights": "none"},
    "timm": {"model": "resnet10t", "weights": "none"},
    "torchvision": {"model": "shufflenet_v2_x0_5", "weights": "none"},
}
STAGES = {
    "dlib_face": 6,
    "efficientnet_lite": 8,
    "resnet": 4,
    "small_cnn": 4,
    "timm": 5,
    "torchvision": 3,
}
CUTS = ("nothing", "half", "all but one stage", "everything")
OF_EVERY_CUT = [
    promise
    for promise in BACKBONE.promises
    if promise.name
    in (
        "features_have_the_stated_width",
        "trunk_does_not_move",
        "tail_is_trained",
        "trunk_is_the_same_in_training",
    )
]
EVERY_BACKBONE = pytest.mark.parametrize("name", sorted(STAGES))


def spec_of(name: str, frozen: str = "half", **parameters: Any) -> Spec[Backbone]:
    stages = STAGES[name]
    counts = dict(zip(CUTS, (0, stages // 2, stages - 1, stages), strict=True))
    given = {**PARAMETERS.get(name, {}), **parameters}
    return backbones.spec(name, **given, frozen_stages=counts[frozen])


def build(name: str, frozen: str, **parameters: Any) -> Backbone:
    torch.manual_seed(0)
    return spec_of(name, frozen, **parameters).build()


def features(backbone: Backbone) -> Tensor:
    """Of two images, in use."""
    generator = torch.Generator().manual_seed(0)
    size = (2, 3, *(backbone.image_size or (50, 42)))
    pixels = torch.randint(0, 256, size, dtype=torch.uint8, generator=generator)
    output: Tensor = backbone.eval()(pixels)
    return output


class TestEveryBackbone(BackboneContract):
    @pytest.fixture(params=backbones.names())
    def spec(self, request: pytest.FixtureRequest, tmp_path: Path) -> Spec[Any]:
        if request.param == "onnx":  # no part of it can be trained
            return backbones.spec("onnx", file=write_model(tmp_path / "model.onnx"))
        return spec_of(request.param)


@EVERY_BACKBONE
@pytest.mark.parametrize("frozen", sorted(set(CUTS) - {"half"}))
def test_what_is_frozen_stays_wherever_the_network_is_cut(name: str, frozen: str) -> None:
    for promise in OF_EVERY_CUT:
        promise.require(spec_of(name, frozen))


@EVERY_BACKBONE
def test_where_the_network_is_cut_does_not_change_its_features(name: str) -> None:
    whole = features(build(name, "nothing"))
    for frozen in CUTS[1:]:
        torch.testing.assert_close(features(build(name, frozen)), whole)


@EVERY_BACKBONE
def test_all_parts_are_kept_wherever_the_network_is_cut(name: str) -> None:
    sizes = {
        sum(tensor.numel() for tensor in build(name, frozen).state_dict().values())
        for frozen in CUTS
    }
    assert len(sizes) == 1


@EVERY_BACKBONE
@pytest.mark.parametrize("frozen", sorted(CUTS))
def test_unpooled_features_are_those_that_the_pooling_averages(name: str, frozen: str) -> None:
    maps = features(build(name, frozen, pooling="none"))
    assert maps.ndim == 4
    torch.testing.assert_close(features(build(name, frozen)), maps.mean((2, 3)))


@EVERY_BACKBONE
def test_unpooled_it_keeps_the_promises_too(name: str) -> None:
    for promise in OF_EVERY_CUT:
        promise.require(spec_of(name, pooling="none"))
