"""torchvision's models as backbones: the same features, cut at their stages, trained."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from facesim import IMAGENET, Backbone, FacesimError, Normalization, backbones
from facesim.experiment.schema import Experiment
from facesim.runs.run import Run
from facesim.testing.backbone import BACKBONE
from facesim_plugins.backbones.torchvision import _family

STAGES = {
    "convnext_tiny": 4,
    "densenet121": 4,
    "efficientnet_b0": 8,
    "mnasnet0_5": 6,
    "mobilenet_v2": 18,
    "mobilenet_v3_small": 12,
    "regnet_x_400mf": 4,
    "resnext50_32x4d": 4,
    "shufflenet_v2_x0_5": 3,
    "squeezenet1_1": 3,
    "swin_t": 4,
}
MAPS = {"convnext_tiny": 768, "mobilenet_v3_small": 576, "densenet121": 1024, "mobilenet_v2": 1280}
EVERY_FAMILY = pytest.mark.parametrize("model", STAGES)


def build(model: str, **parameters: Any) -> Backbone:
    torch.manual_seed(0)
    given = {"weights": "none", **parameters}
    return backbones.spec("torchvision", model=model, **given).build()


def reference(model: str) -> Any:
    """The model as torchvision makes it, its last layer replaced."""
    torch.manual_seed(0)
    network = torchvision.models.get_model(model, weights=None)
    last = [p for p, part in network.named_modules() if isinstance(part, nn.Linear | nn.Conv2d)][-1]
    network.set_submodule(last, nn.Identity())
    return network.eval()


def images(count: int, size: int = 48) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


def normalised(pixels: Tensor) -> Tensor:
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET.mean, IMAGENET.std))
    return (pixels / 255 - mean) / std


@EVERY_FAMILY
def test_features_are_those_of_torchvision_wherever_the_model_is_cut(model: str) -> None:
    expected = reference(model)(normalised(images(2)))
    for frozen in (0, 1, STAGES[model] - 1, STAGES[model]):
        backbone = build(model, frozen_stages=frozen).eval()
        assert backbone.features == expected.shape[1]
        torch.testing.assert_close(backbone(images(2)), expected, rtol=1e-3, atol=1e-4)
    with pytest.raises(FacesimError, match=f"has {STAGES[model]} stages"):
        build(model, frozen_stages=STAGES[model] + 1)


@EVERY_FAMILY
def test_the_tail_leaves_the_output_of_the_trunk_as_it_is(model: str) -> None:
    promise = next(one for one in BACKBONE.promises if one.name == "inputs_stay_as_they_were")
    promise.require(backbones.spec("torchvision", model=model, weights="none", frozen_stages=2))


@pytest.mark.parametrize("model", MAPS)
@pytest.mark.parametrize("frozen", [0, 2])
def test_maps_are_what_the_pooling_is_given(model: str, frozen: int) -> None:
    backbone = build(model, pooling="none", frozen_stages=frozen).eval()
    assert backbone(images(2, 64)).shape == (2, MAPS[model], 2, 2)
    assert backbone.features == MAPS[model]
    if model in ("densenet121", "mobilenet_v2"):  # nothing else stands behind the pooling
        torch.testing.assert_close(
            backbone(images(2, 64)).mean((2, 3)),
            reference(model)(normalised(images(2, 64))),
            rtol=1e-3,
            atol=1e-4,
        )


def test_a_vision_transformer_takes_its_own_size_and_has_no_maps() -> None:
    with torch.device("meta"):
        backbone = build("vit_b_16", frozen_stages=5)
        assert backbone.image_size == (224, 224)
        assert backbone.run_trunk(images(1, 224)).shape == (1, 197, 768)
        with pytest.raises(FacesimError, match="has no feature maps"):
            build("vit_b_16", pooling="none")


@pytest.mark.parametrize("model", ["mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_1"])
def test_it_goes_through_a_run(model: str, experiment_on: Any, tmp_path: Path) -> None:
    backbone = {"name": "torchvision", "model": model, "weights": "none", "frozen_stages": 1}
    experiment: Experiment = experiment_on(backbone)
    run = Run.begin(experiment, tmp_path)
    result = run.complete()
    assert result.metrics["roc_auc"].value is not None


def test_weights_come_from_a_file_of_the_classifying_model(tmp_path: Path) -> None:
    torch.manual_seed(7)
    whole = torchvision.models.mobilenet_v3_small(weights=None).eval()
    torch.save(whole.state_dict(), tmp_path / "w.pth")
    backbone = build("mobilenet_v3_small", weights=tmp_path / "w.pth", frozen_stages=3).eval()
    whole.classifier[3] = nn.Identity()
    expected = whole(normalised(images(2)))
    torch.testing.assert_close(backbone(images(2)), expected, rtol=1e-3, atol=1e-4)
    with pytest.raises(FacesimError, match="does not fit this backbone"):
        build("mobilenet_v3_large", weights=tmp_path / "w.pth")


def test_where_nothing_can_be_downloaded_the_error_says_what_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.urlopen", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub._hub_dir", None)
    with pytest.raises(FacesimError, match=r"of mobilenet_v3_small cannot .*put torchvision's mob"):
        build("mobilenet_v3_small", weights="imagenet")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("mobilenet_v3_smal", r"there is no model .* \(did you mean 'mobilenet_v3_small'"),
        ("googlenet", "has auxiliary classifiers"),
        ("fcn_resnet50", "there is no model 'fcn_resnet50'"),
    ],
)
def test_what_cannot_be_a_backbone_is_refused(model: str, message: str) -> None:
    with pytest.raises(FacesimError, match=message):
        build(model)


@pytest.mark.parametrize("model", ["mobilenet_v3_small", "mobilenet_v2", "alexnet", "vgg11"])
def test_features_are_not_dropped_before_the_head(model: str) -> None:
    with torch.device("meta"):
        layers = [*build(model).tail.modules()]
    working = [
        layer
        for layer in layers
        if not list(layer.children()) and not isinstance(layer, nn.Identity)
    ]
    assert not isinstance(working[-1], nn.Dropout)


def test_every_classification_model_but_two_is_of_a_family_whose_stages_are_known() -> None:
    names = torchvision.models.list_models(torchvision.models)
    assert {"googlenet", "inception_v3"} < set(names)
    for name in set(names) - {"googlenet", "inception_v3"}:
        _family(name)
    for name in ("googlenet", "inception_v3"):
        with pytest.raises(FacesimError, match="auxiliary"):
            _family(name)


@pytest.mark.parametrize(
    ("model", "stages", "size", "features"),
    [
        ("alexnet", 3, None, 4096),
        ("vgg11", 5, None, 4096),
        ("maxvit_t", 4, (224, 224), 512),
        ("vit_b_32", 12, (224, 224), 768),
    ],
)
def test_further_families_have_these_stages_sizes_and_widths(
    model: str, stages: int, size: tuple[int, int] | None, features: int
) -> None:
    with torch.device("meta"):
        backbone = build(model, frozen_stages=stages)
        with pytest.raises(FacesimError, match=f"has {stages} stages"):
            build(model, frozen_stages=stages + 1)
    assert (backbone.image_size, backbone.features) == (size, features)


def test_pixels_are_normalised_as_the_weights_expect(monkeypatch: pytest.MonkeyPatch) -> None:
    get_model = torchvision.models.get_model

    def without_memory(*args: Any, **arguments: Any) -> nn.Module:
        with torch.device("meta"):
            network: nn.Module = get_model(*args, **arguments)
        return network

    monkeypatch.setattr("torchvision.models.get_model", without_memory)
    found = {name: build(name).normalization for name in ("resnet18", "efficientnet_v2_l")}
    assert found == {
        "resnet18": IMAGENET,
        "efficientnet_v2_l": Normalization((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    }
