"""Building an experiment's network, and refusing parts that do not fit each other."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from facesim.errors import FacesimError
from facesim.experiment.schema import Experiment
from facesim.interfaces import Backbone, Head, heads
from facesim.model.network import SiameseNetwork, evaluating
from facesim.registry import Spec
from facesim.seeds import derive_seed

_MAP_SIDE = 4
_SMALL = 64
"""Height or width below which downsampling may leave some networks no pixel; trying is cheap."""


def build_network(
    experiment: Experiment, num_identities: int, device: torch.device
) -> SiameseNetwork:
    """Build the network of an experiment, initialised from its seed alone.

    Args:
        experiment: names backbone, head and loss.
        num_identities: identities of the training table, for losses with a weight per identity.
        device: where the network is put; convolutions in channels-last.

    Raises:
        FacesimError: a part cannot be built, or does not fit its neighbour.
    """
    with _initialised_from(experiment.seed):
        backbone, head, embedding_dim = build_embedder(experiment)
        loss = experiment.loss.build(embedding_dim, num_identities)
    network = SiameseNetwork(backbone, head, loss, embedding_dim)
    return network.to(memory_format=torch.channels_last).to(device)


def build_embedder(experiment: Experiment) -> tuple[Backbone, Head, int]:
    """What makes embeddings, without the loss: backbone, head and the width of an embedding.

    Raises:
        FacesimError: a part cannot be built, or does not fit its neighbour.
    """
    backbone = experiment.backbone.build()
    _require_image_size(experiment.backbone, backbone, experiment.image.size)
    head = experiment.head.build(backbone.features)
    _require_pooling_once(experiment.backbone, backbone, experiment.head, head)
    return (
        backbone,
        head,
        _width_of_embedding(experiment.backbone, backbone, experiment.head, head),
    )


def build_backbone(experiment: Experiment) -> Backbone:
    """The backbone of an experiment before training: the one in :func:`build_network`.

    Raises:
        FacesimError: it cannot be built.
    """
    with _initialised_from(experiment.seed):
        return experiment.backbone.build()


@contextmanager
def _initialised_from(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "network"))
        yield


def _require_image_size(
    spec: Spec[Backbone], backbone: Backbone, image_size: tuple[int, int]
) -> None:
    """Refuse an image size that the backbone does not take, and say which one to write."""
    if backbone.image_size not in (None, image_size):
        height, width = backbone.image_size
        remedy = ", or set the backbone's image_size"
        raise FacesimError(
            f"backbone {spec.name!r} takes images of {height} x {width} pixels (height x width) "
            f"only, and image.size is {list(image_size)}; write `image: {{size: [{height}, "
            f"{width}]}}`, to which images are then resized"
            f"{remedy if 'image_size' in spec.arguments else ''}"
        )
    if min(image_size) >= _SMALL:
        return
    height, width = image_size
    try:
        with torch.no_grad(), evaluating(backbone):
            backbone(torch.zeros(2, 3, height, width, dtype=torch.uint8))
    except RuntimeError as error:
        raise FacesimError(
            f"backbone {spec.name!r} does not take images of {height} x {width} pixels (height x "
            f"width): {error}; choose a larger image.size"
        ) from None


def _require_pooling_once(
    backbone_spec: Spec[Backbone], backbone: Backbone, head_spec: Spec[Head], head: Head
) -> None:
    if head.pools != backbone.pooled:
        return
    has_choice = "pooling" in backbone_spec.arguments
    names = f"head {head_spec.name!r} {{}}, and backbone {backbone_spec.name!r} returns {{}}"
    if head.pools:
        unfit = names.format("pools feature maps itself", "pooled features")
        remedy = (
            "write `pooling: none` under backbone"
            if has_choice
            else "choose a backbone that can leave them unpooled"
        )
        raise FacesimError(f"{unfit}; {remedy}, or choose a head that takes pooled features")
    unfit = names.format("takes pooled features", "feature maps")
    remedy = "leave `pooling: none` out under backbone" if has_choice else "choose another backbone"
    pooling = [plugin.name for plugin in heads if getattr(plugin.factory, "pools", False)]
    raise FacesimError(
        f"{unfit}; {remedy}, or choose a head that pools them itself "
        f"({', '.join(pooling) or 'none is registered'})"
    )


def _width_of_embedding(
    backbone_spec: Spec[Backbone], backbone: Backbone, head_spec: Spec[Head], head: Head
) -> int:
    """The head's output width, found by running it on zeros."""
    shape = (2, backbone.features) if backbone.pooled else (2, backbone.features, *[_MAP_SIDE] * 2)
    try:
        with torch.no_grad(), evaluating(head):
            output = head(torch.zeros(shape))
    except RuntimeError as error:
        raise FacesimError(
            f"head {head_spec.name!r} does not take the {backbone.features} features of backbone "
            f"{backbone_spec.name!r}: {error}"
        ) from None
    if output.ndim != 2:
        raise FacesimError(
            f"head {head_spec.name!r} returns a tensor of shape {list(output.shape)} for 2 "
            "images; embeddings have the shape [2, D]"
        )
    return int(output.shape[1])
