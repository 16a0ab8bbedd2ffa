"""The registries of all plugin kinds."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from facesim.interfaces.backbone import Backbone
from facesim.interfaces.loss import Loss
from facesim.interfaces.sampler import Sampler
from facesim.interfaces.tables import FaceTable
from facesim.interfaces.tracker import Tracker
from facesim.interfaces.transform import Transform
from facesim.registry import Registry

INTERFACE_VERSION = 1
"""Version of what this package promises plugins and asks of them.

It rises by one when a plugin that follows it would have to be changed; additions leave it. What is
to go warns for at least one minor release of facesim before, and says what to write instead.
"""

ParameterGroups = Iterable[dict[str, Any]]

datasets: Registry[FaceTable] = Registry("dataset", "datasets")
transforms: Registry[Transform] = Registry("transform", "transforms")
backbones: Registry[Backbone] = Registry("backbone", "backbones")
heads: Registry[nn.Module] = Registry("head", "heads", ("features",))
"""A head maps a backbone's features [B, features] to embeddings [B, D].

One that pools feature maps [B, features, h, w] itself says so by a class attribute
``pools: ClassVar[bool] = True``; its backbone must then leave them unpooled.
"""
samplers: Registry[Sampler] = Registry("sampler", "samplers", ("identities", "batch_size", "seed"))
losses: Registry[Loss] = Registry("loss", "losses", ("embedding_dim", "num_identities"))
optimizers: Registry[torch.optim.Optimizer] = Registry(
    "optimizer", "optimizers", ("parameter_groups",)
)
schedulers: Registry[LRScheduler] = Registry(
    "scheduler", "schedulers", ("optimizer", "total_steps")
)
trackers: Registry[Tracker] = Registry("tracker", "trackers")

REGISTRIES: tuple[Registry[Any], ...] = (
    datasets,
    transforms,
    backbones,
    heads,
    samplers,
    losses,
    optimizers,
    schedulers,
    trackers,
)
