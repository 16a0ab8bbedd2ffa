"""timm's models as backbones: the same features, cut at their stages, trained by the engine."""

import sys
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from facesim import Backbone, FacesimError, PluginError, backbones
from facesim.experiment.schema import Experiment
from facesim.runs.run import Run
from facesim.testing import check_plugin

FAMILIES: dict[str, dict[str, Any]] = {
    "resnet18": {},
    "mobilenetv3_small_050": {},
    "efficientnet_lite0": {},
    "convnext_atto": {},
    "vit_tiny_patch16_224": {"image_size": (32, 32)},
}
STAGES = {
    "resnet18": 5,
    "mobilenetv3_small_050": 5,
    "efficientnet_lite0": 5,
    "convnext_atto": 4,
    "vit_tiny_patch16_224": 12,
}
EVERY_FAMILY = pytest.mark.parametrize("model", FAMILIES)


def build(model: str, **parameters: Any) -> Backbone:
    torch.manual_seed(0)
    given = {"weights": "none", **FAMILIES.get(model, {}), **parameters}
    return backbones.spec("timm", model=model, **given).build()


def reference(model: str) -> Any:
    """The model as timm makes it."""
    size = FAMILIES.get(model, {}).get("image_size")
    torch.manual_seed(0)
    return timm.create_model(model, num_classes=0, img_size=size).eval()


def images(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)


def normalised(pixels: Tensor, config: dict[str, Any]) -> Tensor:
    mean, std = (torch.tensor(config[name]).view(3, 1, 1) for name in ("mean", "std"))
    return (pixels / 255 - mean) / std


@EVERY_FAMILY
def test_features_are_those_of_timm_wherever_the_model_is_cut(model: str) -> None:
    whole = reference(model)
    expected = whole(normalised(images(2), whole.pretrained_cfg))
    for frozen in (0, 1, STAGES[model] // 2, STAGES[model] - 1, STAGES[model]):
        backbone = build(model, frozen_stages=frozen).eval()
        assert backbone.features == expected.shape[1]
        torch.testing.assert_close(backbone(images(2)), expected, rtol=1e-3, atol=1e-4)


@EVERY_FAMILY
def test_each_stage_that_is_frozen_leaves_less_to_train(model: str) -> None:
    left = [
        sum(p.numel() for p in build(model, frozen_stages=frozen).parameters() if p.requires_grad)
        for frozen in range(STAGES[model] + 1)
    ]
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0
    with pytest.raises(FacesimError, match=f"has {STAGES[model]} stages .* is at most"):
        build(model, frozen_stages=STAGES[model] + 1)


@EVERY_FAMILY
def test_it_goes_through_a_run(model: str, experiment_on: Any, tmp_path: Path) -> None:
    backbone = {"name": "timm", "model": model, "weights": "none", "frozen_stages": 2}
    experiment: Experiment = experiment_on({**backbone, **FAMILIES[model]})
    run = Run.begin(experiment, tmp_path)
    result = run.complete()
    assert result.metrics["roc_auc"].value is not None


def test_a_transformer_keeps_every_promise() -> None:
    spec = backbones.spec(
        "timm", model="vit_tiny_patch16_224", weights="none", image_size=(32, 32), frozen_stages=6
    )
    check_plugin(spec)


@pytest.mark.parametrize("model", ["resnet18", "convnext_atto", "mobilenetv3_small_050"])
def test_maps_are_what_the_pooling_is_given(model: str) -> None:
    backbone = build(model, pooling="none", frozen_stages=2).eval()
    maps = backbone(images(2))
    assert maps.shape[:2] == (2, backbone.features)
    assert maps.ndim == 4
    assert not backbone.pooled


def test_maps_that_timm_gives_channels_last_come_channels_first() -> None:
    name = "swin_tiny_patch4_window7_224"
    for frozen in (1, 4):
        backbone = build(name, pooling="none", image_size=(64, 64), frozen_stages=frozen).eval()
        pixels = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
        assert backbone(pixels).shape == (2, backbone.features, 2, 2) == (2, 768, 2, 2)


@pytest.mark.parametrize(
    ("model", "parameters", "message"),
    [
        ("resnet81", {}, r"there is no model 'resnet81' \(did you mean 'resnet18'.*list_models"),
        ("resnet18.nonsense", {}, r"cannot be created: Invalid pretrained tag \(nonsense\)"),
        ("resnet18", {"image_size": (32, 32)}, "takes images of any size, leave image_size out"),
        ("vit_tiny_patch16_224", {"pooling": "none"}, "has no feature maps"),
        ("legacy_xception", {"frozen_stages": 2}, r"split after stage 2 .* frozen_stages: 0, 1, 5"),
        ("mobilenetv5_300m_enc", {}, "has no pooling of its own"),
    ],
)
def test_what_a_model_cannot_do_is_said(
    model: str, parameters: dict[str, Any], message: str
) -> None:
    with torch.device("meta"), pytest.raises(FacesimError, match=message):
        build(model, **parameters)


def test_a_model_of_fixed_size_says_so() -> None:
    with torch.device("meta"):
        assert backbones.spec(
            "timm", model="vit_tiny_patch16_224", weights="none"
        ).build().image_size == (224, 224)
        assert build("resnet18").image_size is None


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_come_from_a_file_of_the_classifying_model(tmp_path: Path, suffix: str) -> None:
    torch.manual_seed(7)
    whole: Any = timm.create_model("resnet10t", num_classes=10).eval()
    file = tmp_path / f"weights{suffix}"
    save = torch.save if suffix == ".pth" else save_file
    save(whole.state_dict(), file)
    backbone = build("resnet10t", weights=file, frozen_stages=3).eval()
    pixels = normalised(images(2), whole.pretrained_cfg)
    expected = whole.forward_head(whole.forward_features(pixels), pre_logits=True)
    torch.testing.assert_close(backbone(images(2)), expected, rtol=1e-3, atol=1e-4)
    with pytest.raises(FacesimError, match="does not fit this backbone"):
        build("resnet18", weights=file)


def test_a_torn_safetensors_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"\x10\x00\x00\x00")
    with pytest.raises(FacesimError, match="cannot be read as safetensors"):
        build("resnet10t", weights=file)


def test_where_nothing_can_be_downloaded_the_error_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", refuse)
    with pytest.raises(FacesimError, match=r"\(no route to host\); give .* `weights: FILE`"):
        build("resnet18", weights="pretrained")


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(PluginError, match=r'pip install "facesim\[timm\]"'):
        build("resnet18")
