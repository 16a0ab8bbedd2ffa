"""The registries of all plugin kinds."""

from collections.abc import Iterable
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from facesim.interfaces.backbone import Backbone
from facesim.interfaces.head import Head, as_head
from facesim.interfaces.loss import Loss
from facesim.interfaces.sampler import Sampler, as_sampler
from facesim.interfaces.tables import FaceTable
from facesim.interfaces.tracker import Tracker
from facesim.interfaces.transform import Transform, as_transform
from facesim.registry import Registry

INTERFACE_VERSION = 1
"""Version of what this package promises plugins and asks of them.

It rises by one when a plugin that follows it would have to be changed; additions leave it. What is
to go warns for at least one minor release of facesim before, and says what to write instead.
"""

ParameterGroups = Iterable[dict[str, Any]]

datasets: Registry[FaceTable] = Registry("dataset", "datasets", base=FaceTable)
transforms: Registry[Transform] = Registry(
    "transform", "transforms", base=Transform, adapt=as_transform
)
backbones: Registry[Backbone] = Registry("backbone", "backbones", base=Backbone)
heads: Registry[Head] = Registry("head", "heads", ("features",), Head, as_head)
samplers: Registry[Sampler] = Registry(
    "sampler", "samplers", ("identities", "batch_size", "seed"), Sampler, as_sampler
)
losses: Registry[Loss] = Registry("loss", "losses", ("embedding_dim", "num_identities"), Loss)
optimizers: Registry[Optimizer] = Registry(
    "optimizer", "optimizers", ("parameter_groups",), Optimizer
)
schedulers: Registry[LRScheduler] = Registry(
    "scheduler", "schedulers", ("optimizer", "total_steps"), LRScheduler
)
trackers: Registry[Tracker] = Registry("tracker", "trackers", base=Tracker)

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
