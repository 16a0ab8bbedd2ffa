"""Heads: from a backbone's features to embeddings."""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn


class Head(nn.Module, ABC):
    """The small network from a backbone's features to the embedding.

    A factory may also return a plain ``nn.Module``, such as an ``nn.Sequential``.

    Attributes:
        pools: True where it takes feature maps [B, features, h, w] and pools them itself; its
            backbone must then leave them unpooled.
    """

    pools: bool = False

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """Float [B, features], or maps [B, features, h, w] -> embeddings float32 [B, D]."""


class ModuleHead(Head):
    """A plain module as a head; in a checkpoint its tensors have the names that it gave them."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.pools = bool(getattr(module, "pools", False))

    def forward(self, features: Tensor) -> Tensor:
        """What the module makes of the features."""
        embeddings: Tensor = self.module(features)
        return embeddings

    def state_dict(self, *args: Any, **options: Any) -> Any:
        """The module's own."""
        return self.module.state_dict(*args, **options)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        # torch goes on to the module by the prefix "module.".
        for key in [key for key in state_dict if key.startswith(prefix)]:
            state_dict[f"{prefix}module.{key.removeprefix(prefix)}"] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, *args)


def as_head(built: Any) -> Any:
    """Make a :class:`Head` of a plain module."""
    plain = isinstance(built, nn.Module) and not isinstance(built, Head)
    return ModuleHead(built) if plain else built
