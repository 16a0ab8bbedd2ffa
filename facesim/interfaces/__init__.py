"""What each kind of plugin must offer, one file per kind, and the registries that hold them."""

from facesim.arrays import Int64Array
from facesim.errors import DataError
from facesim.interfaces.backbone import IMAGENET, Backbone, Normalization
from facesim.interfaces.data_commands import data_commands
from facesim.interfaces.head import Head, ModuleHead
from facesim.interfaces.kinds import (
    INTERFACE_VERSION,
    KINDS,
    REGISTRIES,
    Kind,
    ParameterGroups,
    backbones,
    datasets,
    find_kind,
    heads,
    losses,
    optimizers,
    samplers,
    schedulers,
    trackers,
    transforms,
)
from facesim.interfaces.loss import Loss
from facesim.interfaces.pair_batch import PairBatch
from facesim.interfaces.sampler import MiningSampler, Sampler, TableSampler
from facesim.interfaces.tables import FaceTable, PairSet
from facesim.interfaces.tracker import Tracker
from facesim.interfaces.transform import CallableTransform, Transform

__all__ = [
    "IMAGENET",
    "INTERFACE_VERSION",
    "KINDS",
    "REGISTRIES",
    "Backbone",
    "CallableTransform",
    "DataError",
    "FaceTable",
    "Head",
    "Int64Array",
    "Kind",
    "Loss",
    "MiningSampler",
    "ModuleHead",
    "Normalization",
    "PairBatch",
    "PairSet",
    "ParameterGroups",
    "Sampler",
    "TableSampler",
    "Tracker",
    "Transform",
    "backbones",
    "data_commands",
    "datasets",
    "find_kind",
    "heads",
    "losses",
    "optimizers",
    "samplers",
    "schedulers",
    "trackers",
    "transforms",
]
