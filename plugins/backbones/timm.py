"""Any model of timm (PyTorch Image Models)."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor, nn

from facesim import Backbone, FacesimError, Normalization, backbones, did_you_mean
from facesim_plugins._optional_package import optional_package
from facesim_plugins.backbones._dry_run import output_shape
from facesim_plugins.backbones._graph_cut import cut_network
from facesim_plugins.backbones._weights import fit_weights

_REFUSALS = (AssertionError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError)
"""What timm and its models raise for a tag or an argument that they do not take."""


@backbones("timm", packages=("timm",))
def timm(
    *,
    model: Annotated[
        str,
        Field(description="name, such as resnet18 or vit_tiny_patch16_224.augreg_in21k"),
    ],
    weights: Annotated[
        Literal["pretrained", "none"] | Path,
        Field(description="pretrained (downloaded once), none, or the file of a state dict"),
    ] = "pretrained",
    frozen_stages: Annotated[
        int,
        Field(
            ge=0,
            description="this many of the model's own feature stages are frozen; a stage of a "
            "transformer is a block; the last one extends to the output",
        ),
    ] = 0,
    image_size: Annotated[
        tuple[Annotated[int, Field(gt=0, le=4096)], Annotated[int, Field(gt=0, le=4096)]] | None,
        Field(
            description="height and width for which a model of fixed image size is built, instead "
            "of its own; image.size must be the same"
        ),
    ] = None,
    pooling: Annotated[
        Literal["own", "none"],
        Field(
            description="own: the model's, by an average or a class token; none: feature maps, for "
            "a head that pools (gem)"
        ),
    ] = "own",
) -> Backbone:
    """A timm model without its classifier, with the normalisation that its weights expect.

    `python -c "import timm; print(*timm.list_models())"` lists the models;
    `timm.list_pretrained()` lists those that have weights, by name and tag.

    Reference:
        Wightman: PyTorch Image Models, https://github.com/huggingface/pytorch-image-models.

    Raises:
        PluginError: timm is not installed.
        FacesimError: there is no such model, it cannot be split there or does not support an
            argument, or its weights cannot be loaded.
    """
    who = f"backbone timm: {model}"
    library = optional_package("timm", "backbone timm", 'pip install "facesim[timm]"')
    network = _create(library, who, model, weights == "pretrained", image_size, pooling)
    config = network.pretrained_cfg
    if isinstance(weights, Path):
        # Paths of the classification layers, whose weights the file may hold: one, several, none.
        named = config.get("classifier") or ()
        classifiers = (named,) if isinstance(named, str) else tuple(named)
        fit_weights(network, weights, classifiers, pretrained="pretrained")
    own_size: tuple[int, int] = tuple(config["input_size"][1:])
    shape = output_shape(network, image_size or own_size, who)
    channels_last = getattr(network, "output_fmt", "NCHW") == "NHWC"
    _require_form(shape, pooling, who)
    trunk, tail = cut_network(network, _stages(network), frozen_stages, who)
    if pooling == "none" and channels_last:
        shape = (shape[2], *shape[:2])
        if isinstance(tail, nn.Identity):
            trunk = nn.Sequential(trunk, ChannelsFirst())
        else:
            tail = nn.Sequential(tail, ChannelsFirst())
    return Backbone(
        trunk,
        tail,
        shape[0],
        Normalization(mean=tuple(config["mean"]), std=tuple(config["std"])),
        pooled=pooling == "own",
        image_size=image_size or (own_size if config.get("fixed_input_size") else None),
    )


def _create(
    library: Any,
    who: str,
    model: str,
    pretrained: bool,
    image_size: tuple[int, int] | None,
    pooling: str,
) -> Any:
    """The model without classifier and, with ``pooling: none``, without pooling."""
    if not library.is_model(model):
        near = did_you_mean(model, library.list_models())
        raise FacesimError(
            f"backbone timm: there is no model {model!r}{near}; "
            '`python -c "import timm; print(*timm.list_models())"` lists all'
        )
    arguments: dict[str, Any] = {"global_pool": ""} if pooling == "none" else {}
    if image_size is not None:
        arguments["img_size"] = image_size
    try:
        return library.create_model(model, pretrained=pretrained, num_classes=0, **arguments)
    except OSError as error:
        raise FacesimError(
            f"{who}: its weights cannot be downloaded ({str(error).splitlines()[0]}); give the "
            "path of its state dict as `weights: FILE`, or write `weights: none` to start from "
            "random weights"
        ) from None
    except _REFUSALS as error:
        hint = ""
        if "img_size" in str(error):
            hint = "; it takes images of any size, leave image_size out"
        elif "global_pool" in str(error):
            hint = "; its pooling cannot be removed, leave `pooling: none` out"
        raise FacesimError(f"{who} cannot be created: {error}{hint}") from None


def _stages(network: Any) -> list[str]:
    """The modules that end the feature stages; one stage, the whole, if timm names none."""
    info = getattr(network, "feature_info", None) or ()
    return [stage["module"] for stage in getattr(info, "info", info)] or ["the whole network"]


def _require_form(shape: tuple[int, ...], pooling: str, who: str) -> None:
    if pooling == "own" and len(shape) != 1:
        raise FacesimError(
            f"{who} has no pooling of its own: it returns {list(shape)} for an image; write "
            "`pooling: none` and a head that pools (gem), or choose another model"
        )
    if pooling == "none" and len(shape) != 3:
        raise FacesimError(
            f"{who} has no feature maps: it returns {list(shape)} for an image; leave "
            "`pooling: none` out"
        )


class ChannelsFirst(nn.Module):
    """Channels-last feature maps as channels-first ones."""

    def forward(self, maps: Tensor) -> Tensor:
        """[B, h, w, C] -> [B, C, h, w]."""
        return maps.permute(0, 3, 1, 2)
