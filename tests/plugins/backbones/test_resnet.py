import urllib.error
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
import torchvision
from pydantic import ValidationError

from facesim import IMAGENET, Backbone, FacesimError, backbones

BLOCKS = {18: 2, 50: 3}
FEATURES = {18: 512, 34: 512, 50: 2048, 101: 2048, 152: 2048}


def build(depth: int = 18, **parameters: Any) -> Backbone:
    return backbones.spec("resnet", depth=depth, **{"weights": "none", **parameters}).build()


@pytest.mark.parametrize("depth", FEATURES)
@pytest.mark.parametrize("last_stage_blocks", [None, 1])
def test_width_and_resolution_are_those_of_the_depth(
    depth: int, last_stage_blocks: int | None
) -> None:
    with torch.device("meta"):
        backbone = build(depth, frozen_stages=3, last_stage_blocks=last_stage_blocks).eval()
        trunk_output = backbone.run_trunk(torch.zeros(1, 3, 218, 178, dtype=torch.uint8))
        features = backbone.tail(trunk_output)
    assert trunk_output.shape == (1, FEATURES[depth] // 2, 14, 12)
    assert features.shape == (1, FEATURES[depth])
    assert backbone.features == FEATURES[depth]


@pytest.mark.parametrize("depth", [18, 50])
def test_the_last_stage_keeps_as_many_blocks_as_asked(depth: int) -> None:
    with torch.device("meta"):
        for blocks in range(1, BLOCKS[depth] + 1):
            backbone = build(depth, last_stage_blocks=blocks)
            assert len(list(backbone.get_submodule("tail.stage4").children())) == blocks
        with pytest.raises(
            FacesimError, match=f"has {BLOCKS[depth]} blocks; write a number from 1"
        ):
            build(depth, last_stage_blocks=BLOCKS[depth] + 1)


def test_features_are_those_of_torchvision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    reference = torchvision.models.resnet18(weights=None).eval()
    torch.save(reference.state_dict(), tmp_path / "resnet.pth")
    reference.fc = torch.nn.Identity()
    pixels = torch.randint(0, 256, (2, 3, 64, 56), dtype=torch.uint8)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET.mean, IMAGENET.std))
    expected = reference((pixels / 255 - mean) / std)
    for frozen_stages in range(5):
        backbone = build(weights=str(tmp_path / "resnet.pth"), frozen_stages=frozen_stages)
        torch.testing.assert_close(backbone.eval()(pixels), expected, rtol=1e-3, atol=1e-4)


def test_weights_of_another_depth_are_refused(tmp_path: Path) -> None:
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "resnet.pth")
    with pytest.raises(FacesimError, match="does not fit this backbone"):
        build(34, weights=str(tmp_path / "resnet.pth"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of downloaded weights, empty, on a machine without a network."""

    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("torch.hub.urlopen", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub._hub_dir", None)
    return tmp_path / "hub" / "checkpoints"


@pytest.mark.parametrize(
    ("depth", "file"), [(18, "resnet18-f37072fd.pth"), (50, "resnet50-0676ba61.pth")]
)
def test_where_nothing_can_be_downloaded_the_error_says_what_to_put_where(
    hub: Path, depth: Literal[18, 50], file: str
) -> None:
    with pytest.raises(FacesimError) as error:
        build(depth, weights="imagenet")
    message = str(error.value)
    assert message.startswith(f"backbone resnet: the ImageNet weights of ResNet-{depth} cannot")
    assert "cannot be downloaded (<urlopen error no route to host>)" in message
    assert f"put torchvision's {file} into {hub}" in message
    assert "`weights: FILE`" in message


def test_a_file_that_is_there_already_is_used(hub: Path) -> None:
    hub.mkdir(parents=True)
    state = torchvision.models.resnet18(weights=None).state_dict()
    torch.save(state, hub / "resnet18-f37072fd.pth")
    backbone = build(weights="imagenet", frozen_stages=4)
    torch.testing.assert_close(
        backbone.get_parameter("trunk.stem.0.weight"),
        state["conv1.weight"],
        check_stride=False,
    )


@pytest.mark.parametrize(
    "wrong", [{"depth": 20}, {"frozen_stages": 5}, {"frozen_stages": -1}, {"last_stage_blocks": 0}]
)
def test_what_does_not_exist_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        build(**wrong)
