"""torchvision's models for classification, by name."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import nn
from torchvision import models

from facesim import Backbone, FacesimError, Normalization, backbones
from facesim.errors import did_you_mean
from facesim_plugins.backbones._dry_run import output_shape
from facesim_plugins.backbones._graph_cut import cut_network, without_pooling
from facesim_plugins.backbones._stages import Pooling
from facesim_plugins.backbones._weights import load_weights, torchvision_file

_POOLED_BLOCKS = r"features\.\d+ MaxPool2d"
_BLOCKS_AFTER_THE_STEM = r"features\.[1-9]\d* .*"
_EVERY_OTHER = r"features\.[1357] Sequential"

_STAGES = {
    "alexnet": _POOLED_BLOCKS,
    "convnext": _EVERY_OTHER,
    "densenet": r"features\.denseblock\d .*",
    "efficientnet": _BLOCKS_AFTER_THE_STEM,
    "maxvit": r"blocks\.\d .*",
    "mnasnet": r"layers\.\d+ Sequential",
    "mobilenetv2": _BLOCKS_AFTER_THE_STEM,
    "mobilenetv3": _BLOCKS_AFTER_THE_STEM,
    "regnet": r"trunk_output\.block\d .*",
    "resnet": r"layer\d .*",
    "shufflenetv2": r"stage\d .*",
    "squeezenet": _POOLED_BLOCKS,
    "swin_transformer": _EVERY_OTHER,
    "vgg": _POOLED_BLOCKS,
    "vision_transformer": r"encoder\.layers\.encoder_layer_\d+ .*",
}
"""Path and class of the modules at which stages end, by torchvision's module of the family."""

_OF_ONE_SIZE = {"maxvit": "input_size", "vision_transformer": "image_size"}
"""Families that take images of one size only, and the argument that says which."""

_SIZE_OF_A_DRY_RUN = (224, 224)


@backbones("torchvision")
def torchvision(
    *,
    model: Annotated[str, Field(description="name, such as mobilenet_v3_small or convnext_tiny")],
    weights: Annotated[
        Literal["imagenet", "none"] | Path,
        Field(
            description="imagenet (torchvision's default ones, downloaded once), none, or the file "
            "of a state dict"
        ),
    ] = "imagenet",
    frozen_stages: Annotated[
        int,
        Field(
            ge=0,
            description="stem and so many stages stay frozen; for a transformer a stage is a "
            "block; the last one reaches to the output",
        ),
    ] = 0,
    pooling: Pooling = "average",
) -> Backbone:
    """A model of torchvision without its last layer, with the normalisation of its weights.

    `python -c "import torchvision; print(*torchvision.models.list_models(torchvision.models))"`
    lists the models; GoogLeNet and Inception v3 are left out, since they train with classifiers at
    their side. Vision transformers and MaxViT take images of one size.

    Raises:
        FacesimError: there is no such model, it cannot be cut there or has no feature maps, or its
            weights cannot be had or do not fit.
    """
    who = f"backbone torchvision: {model}"
    family = _family(model)
    offered: Any = models.get_model_weights(model).DEFAULT
    size = _only_size(family, offered)
    arguments = _size_argument(family, size)
    network = models.get_model(model, weights=None, **arguments)
    classifier = _last_layer(network)
    if weights == "none":
        network.set_submodule(classifier, nn.Identity())
    else:
        file = torchvision_file(offered, "torchvision", model) if weights == "imagenet" else weights
        load_weights(network, file, classifier)
    _forget_dropout_before(network, classifier)
    stages = _stages(network, family)
    if pooling == "none":
        network = _unpooled(network, stages, who)
    shape = output_shape(network, size or _SIZE_OF_A_DRY_RUN, who)
    preset = offered.transforms()
    return Backbone(
        *cut_network(network, stages, frozen_stages, who),
        shape[0],
        Normalization(mean=tuple(preset.mean), std=tuple(preset.std)),
        pooled=pooling == "average",
        image_size=size,
    )


def _forget_dropout_before(network: nn.Module, classifier: str) -> None:
    """The dropout of the last layer's inputs would hide features from the head."""
    container, _, last = classifier.rpartition(".")
    for position in range(int(last) - 1 if last.isdecimal() else -1, -1, -1):
        if not isinstance(network.get_submodule(f"{container}.{position}"), nn.Dropout):
            return
        network.set_submodule(f"{container}.{position}", nn.Identity())


def _family(model: str) -> str:
    """The name of torchvision's module that makes the model."""
    families: dict[str, str] = {
        name: models.get_model_builder(name).__module__.split(".")[-1]
        for name in models.list_models(models)
    }
    known = [name for name, family in families.items() if family in _STAGES]
    if model not in known:
        if model in families:
            raise FacesimError(f"backbone torchvision: {model} trains with classifiers at its side")
        raise FacesimError(
            f"backbone torchvision: there is no model {model!r}{did_you_mean(model, known)}; "
            f"known: {', '.join(known)}"
        )
    return families[model]


def _only_size(family: str, weights: Any) -> tuple[int, int] | None:
    return tuple(weights.meta["min_size"]) if family in _OF_ONE_SIZE else None


def _size_argument(family: str, size: tuple[int, int] | None) -> dict[str, Any]:
    if size is None:
        return {}
    return {_OF_ONE_SIZE[family]: size if family == "maxvit" else size[0]}


def _last_layer(network: nn.Module) -> str:
    """The path of the layer that classifies."""
    parts = network.named_modules()
    *_, last = (path for path, part in parts if isinstance(part, nn.Linear | nn.Conv2d))
    return str(last)


def _stages(network: nn.Module, family: str) -> tuple[str, ...]:
    """The modules that end the stages, in order."""
    named = [(path, f"{path} {type(part).__name__}") for path, part in network.named_modules()]
    return tuple(path for path, text in named if re.fullmatch(_STAGES[family], text))


def _unpooled(network: nn.Module, stages: tuple[str, ...], who: str) -> nn.Module:
    unpooled = without_pooling(network, stages)
    if unpooled is None:
        raise FacesimError(f"{who} has no feature maps; leave `pooling: none` out")
    return unpooled
