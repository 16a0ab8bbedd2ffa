"""torchvision's classification models, by name."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import nn

from facesim import Backbone, FacesimError, Normalization, backbones, did_you_mean
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

_FIXED_SIZE = {"maxvit": "input_size", "vision_transformer": "image_size"}
"""Families that take images of one size only, and the argument that sets it."""

_DRY_RUN_SIZE = (224, 224)


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
            description="the stem and this many stages are frozen; a stage of a transformer is a "
            "block; the last one extends to the output",
        ),
    ] = 0,
    pooling: Pooling = "average",
) -> Backbone:
    """A torchvision model without its last layer, with the normalisation of its weights.

    `python -c "import torchvision; print(*torchvision.models.list_models(torchvision.models))"`
    lists the models; GoogLeNet and Inception v3 are left out, since they have auxiliary
    classifiers. Vision transformers and MaxViT take images of one size.

    Raises:
        FacesimError: there is no such model, it cannot be split there or has no feature maps, or
            its weights cannot be loaded.
    """
    from torchvision import models  # takes as long to import as torch

    who = f"backbone torchvision: {model}"
    family = _family(model)
    offered: Any = models.get_model_weights(model).DEFAULT
    size: tuple[int, int] | None = None
    arguments: dict[str, Any] = {}
    if family in _FIXED_SIZE:
        size = tuple(offered.meta["min_size"])
        arguments[_FIXED_SIZE[family]] = size if family == "maxvit" else size[0]
    network = models.get_model(model, weights=None, **arguments)
    classifier = _last_layer(network)
    if weights == "none":
        network.set_submodule(classifier, nn.Identity())
    else:
        file = torchvision_file(offered, "torchvision", model) if weights == "imagenet" else weights
        load_weights(network, file, classifier)
    _remove_dropout_before(network, classifier)
    named = [(path, f"{path} {type(part).__name__}") for path, part in network.named_modules()]
    stages = tuple(path for path, text in named if re.fullmatch(_STAGES[family], text))
    if pooling == "none":
        unpooled = without_pooling(network, stages)
        if unpooled is None:
            raise FacesimError(f"{who} has no feature maps; leave `pooling: none` out")
        network = unpooled
    shape = output_shape(network, size or _DRY_RUN_SIZE, who)
    preset = offered.transforms()
    return Backbone(
        *cut_network(network, stages, frozen_stages, who),
        shape[0],
        Normalization(mean=tuple(preset.mean), std=tuple(preset.std)),
        pooled=pooling == "average",
        image_size=size,
    )


def _remove_dropout_before(network: nn.Module, classifier: str) -> None:
    """Dropout before the removed classifier would zero features of the head."""
    container, _, last = classifier.rpartition(".")
    for position in range(int(last) - 1 if last.isdecimal() else -1, -1, -1):
        if not isinstance(network.get_submodule(f"{container}.{position}"), nn.Dropout):
            return
        network.set_submodule(f"{container}.{position}", nn.Identity())


def _family(model: str) -> str:
    """The name of torchvision's module that builds the model."""
    from torchvision import models

    families: dict[str, str] = {
        name: models.get_model_builder(name).__module__.split(".")[-1]
        for name in models.list_models(models)
    }
    known = [name for name, family in families.items() if family in _STAGES]
    if model not in known:
        if model in families:
            raise FacesimError(
                f"backbone torchvision: {model} has auxiliary classifiers and is not supported"
            )
        raise FacesimError(
            f"backbone torchvision: there is no model {model!r}{did_you_mean(model, known)}; "
            f"known: {', '.join(known)}"
        )
    return families[model]


def _last_layer(network: nn.Module) -> str:
    """The path of the classification layer."""
    parts = network.named_modules()
    *_, last = (path for path, part in parts if isinstance(part, nn.Linear | nn.Conv2d))
    return str(last)
