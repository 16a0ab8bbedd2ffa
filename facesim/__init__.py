"""facesim: train and compare face-verification systems honestly.

The names below are the public ones: what a plugin author and a notebook user import.
They are resolved on first use, so that ``import facesim`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facesim.errors import DataError, FacesimError, PluginError
    from facesim.interfaces import (
        IMAGENET,
        Backbone,
        FaceTable,
        Head,
        Loss,
        MiningSampler,
        Normalization,
        PairBatch,
        PairSet,
        ParameterGroups,
        Sampler,
        TableSampler,
        Tracker,
        Transform,
        backbones,
        data_commands,
        datasets,
        heads,
        losses,
        optimizers,
        samplers,
        schedulers,
        trackers,
        transforms,
    )
    from facesim.registry import Registry, Spec
    from facesim.version import __version__

_HOMES = {
    "facesim.errors": ("DataError", "FacesimError", "PluginError"),
    "facesim.registry": ("Registry", "Spec"),
    "facesim.version": ("__version__",),
    "facesim.interfaces": (
        "IMAGENET",
        "Backbone",
        "FaceTable",
        "Head",
        "Loss",
        "MiningSampler",
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
        "heads",
        "losses",
        "optimizers",
        "samplers",
        "schedulers",
        "trackers",
        "transforms",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "IMAGENET",
    "Backbone",
    "DataError",
    "FaceTable",
    "FacesimError",
    "Head",
    "Loss",
    "MiningSampler",
    "Normalization",
    "PairBatch",
    "PairSet",
    "ParameterGroups",
    "PluginError",
    "Registry",
    "Sampler",
    "Spec",
    "TableSampler",
    "Tracker",
    "Transform",
    "__version__",
    "backbones",
    "data_commands",
    "datasets",
    "heads",
    "losses",
    "optimizers",
    "samplers",
    "schedulers",
    "trackers",
    "transforms",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'facesim' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)
