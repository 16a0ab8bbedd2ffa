"""Cutting a network in two: the stages that stay frozen and those that are trained."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn


def cut(
    stem: nn.Module, stages: Sequence[nn.Module], pooling: nn.Module | None, frozen_stages: int
) -> tuple[nn.Module, nn.Module]:
    """Put the stem and the first ``frozen_stages`` stages into the trunk, the rest into the tail.

    With 0 the whole network is the tail; with all of them the pooling, too, if there is one, is in
    the trunk, so that a single vector an image is left to keep.

    Returns:
        Trunk and tail; an empty one is ``nn.Identity()``.
    """
    parts = OrderedDict(stem=stem)
    parts.update((f"stage{number}", stage) for number, stage in enumerate(stages, start=1))
    if pooling is not None:
        parts["pooling"] = pooling
    if frozen_stages == 0:
        return nn.Identity(), nn.Sequential(parts)
    if frozen_stages == len(stages):
        return nn.Sequential(parts), nn.Identity()
    names = list(parts)
    trunk = OrderedDict((name, parts[name]) for name in names[: frozen_stages + 1])
    tail = OrderedDict((name, parts[name]) for name in names[frozen_stages + 1 :])
    return nn.Sequential(trunk), nn.Sequential(tail)
