"""Backbones made of stages: frozen and trainable ones, with or without pooling at the end."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field
from torch import nn

Pooling = Annotated[
    Literal["average", "none"],
    Field(description="global average pooling, or none: feature maps, for a head that pools (gem)"),
]


def cut(
    stem: nn.Module, stages: Sequence[nn.Module], pooling: nn.Module | None, frozen_stages: int
) -> tuple[nn.Module, nn.Module]:
    """Put the stem and the first ``frozen_stages`` stages into the trunk, the rest into the tail.

    With 0 the whole network is the tail. With all of them the pooling is in the trunk as well, so
    that the cache keeps one vector per image.

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
