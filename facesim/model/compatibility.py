"""Whether backbone, head and image size fit each other."""

import torch

from facesim.errors import FacesimError
from facesim.experiment.schema import Experiment
from facesim.interfaces import Backbone, Head, heads

_MAP_SIDE = 4
_SMALL = 64
"""Height or width below which downsampling may leave some networks no pixel; trying is cheap."""


def require_image_size(experiment: Experiment, backbone: Backbone) -> None:
    """Refuse an image size that the backbone does not take.

    Raises:
        FacesimError: says which size to write.
    """
    if backbone.image_size not in (None, experiment.image.size):
        height, width = backbone.image_size
        has_choice = "image_size" in experiment.backbone.arguments
        remedy = ", or set the backbone's image_size" if has_choice else ""
        raise FacesimError(
            f"backbone {experiment.backbone.name!r} takes images of {height} x {width} pixels "
            f"only, and image.size is {list(experiment.image.size)}; write "
            f"`image: {{size: [{height}, {width}]}}`, to which images are then resized{remedy}"
        )
    if min(experiment.image.size) < _SMALL:
        _require_enough_pixels(experiment, backbone)


def _require_enough_pixels(experiment: Experiment, backbone: Backbone) -> None:
    was_training = backbone.training
    try:
        with torch.no_grad():
            backbone.eval()(torch.zeros(2, 3, *experiment.image.size, dtype=torch.uint8))
    except RuntimeError as error:
        height, width = experiment.image.size
        raise FacesimError(
            f"backbone {experiment.backbone.name!r} does not take images of {height} x {width} "
            f"pixels: {error}; choose a larger image.size"
        ) from None
    finally:
        backbone.train(was_training)


def width_of_embedding(experiment: Experiment, backbone: Backbone, head: Head) -> int:
    """The head's output width, found by running it on zeros.

    Raises:
        FacesimError: the head does not take the backbone's output, or returns no embedding.
    """
    _require_pooling_once(experiment, backbone, head)
    shape = (2, backbone.features) if backbone.pooled else (2, backbone.features, *[_MAP_SIDE] * 2)
    was_training = head.training
    try:
        with torch.no_grad():
            output = head.eval()(torch.zeros(shape))
    except RuntimeError as error:
        raise FacesimError(
            f"head {experiment.head.name!r} does not take the {backbone.features} features of "
            f"backbone {experiment.backbone.name!r}: {error}"
        ) from None
    finally:
        head.train(was_training)
    if output.ndim != 2:
        raise FacesimError(
            f"head {experiment.head.name!r} returns a tensor of shape {list(output.shape)} for 2 "
            "images; embeddings have the shape [2, D]"
        )
    return int(output.shape[1])


def _require_pooling_once(experiment: Experiment, backbone: Backbone, head: Head) -> None:
    if head.pools != backbone.pooled:
        return
    names = experiment.backbone.name, experiment.head.name
    has_choice = "pooling" in experiment.backbone.arguments
    if head.pools:
        remedy = (
            "write `pooling: none` under backbone"
            if has_choice
            else "choose a backbone that can leave them"
        )
        raise FacesimError(
            f"head {names[1]!r} pools feature maps itself, and backbone {names[0]!r} returns "
            f"pooled features; {remedy}, or choose a head that takes pooled features"
        )
    remedy = "leave `pooling: none` out under backbone" if has_choice else "choose another backbone"
    pooling = (
        ", ".join(it.name for it in heads if getattr(it.factory, "pools", False)) or "none yet"
    )
    raise FacesimError(
        f"head {names[1]!r} takes pooled features, and backbone {names[0]!r} returns feature maps; "
        f"{remedy}, or choose a head that pools them itself ({pooling or 'none is registered'})"
    )
