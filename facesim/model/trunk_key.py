"""The cache key of features: everything they depend on, besides the image itself."""

import hashlib
import inspect
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from facesim.data.preprocessing import Preprocessing
from facesim.errors import FacesimError
from facesim.interfaces import Backbone

_FORMAT = 1
"""Increase when the same key would mean other features or another file format."""

_LIBRARIES = ("torch", "builtins", "abc", "typing")
"""Libraries whose classes are identified by their names alone."""


@dataclass(frozen=True)
class TrunkRecipe:
    """How images become features, the trunk itself apart.

    Attributes:
        preprocessing: from image files to pixels.
        flipped: whether the pixels are mirrored left to right.
        dtype: in which the features are stored.
        precision: in which the trunk computes; bfloat16 is autocast.
        compressed: whether they are compressed on disk from now on. They are the same features, so
            this is no part of the key: compressed ones serve a run that does not ask for them, and
            the other way round.
    """

    preprocessing: Preprocessing
    flipped: bool = False
    dtype: Literal["float16", "float32"] = "float16"
    precision: Literal["float32", "bfloat16"] = "float32"
    compressed: bool = field(default=False, repr=False)


@dataclass(frozen=True)
class Fingerprint:
    """What the output of modules depends on, besides the image and the recipe.

    Attributes:
        weights: of parameters and buffers.
        code: of the modules, their settings, the source files of those of their classes that are
            not torch's, and the versions of the packages that these come from.
    """

    weights: str
    code: str

    @classmethod
    def of(cls, modules: nn.Module, further: Iterable[tuple[str, Tensor]] = ()) -> "Fingerprint":
        """That of modules, and of further tensors by name.

        Raises:
            FacesimError: the source of a class cannot be found.
        """
        return cls(weights_digest(modules, further), code_digest(modules))

    @classmethod
    def of_trunk(cls, backbone: Backbone) -> "Fingerprint":
        """That of a trunk and of the normalisation before it.

        Raises:
            FacesimError: the source of a class cannot be found.
        """
        return cls(trunk_digest(backbone), code_digest(backbone.trunk))

    def key(self, recipe: TrunkRecipe, engine: str = "") -> str:
        """32 hexadecimal digits that change with anything that the features depend on.

        The device is not part of it: devices differ by rounding only.

        Args:
            recipe: how images become features.
            engine: the versions of the one that runs the trunk; empty for eager.
        """
        parts = (_FORMAT, recipe, recipe.preprocessing.cache_key, self.weights, self.code)
        text = repr((*parts, engine) if engine else parts)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def trunk_digest(backbone: Backbone) -> str:
    """The digest of a trunk's weights and of the normalisation before it."""
    return weights_digest(backbone.trunk, (("mean", backbone.mean), ("std", backbone.std)))


def weights_digest(modules: nn.Module, further: Iterable[tuple[str, Tensor]] = ()) -> str:
    """32 hexadecimal digits of parameters and buffers, with their names, shapes and types."""
    return tensors_digest((*further, *_tensors(modules)))


def tensors_digest(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """32 hexadecimal digits of tensors, with their names, shapes and types."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in tensors:
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        # numpy has no bfloat16.
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def code_digest(modules: nn.Module) -> str:
    """32 hexadecimal digits of everything but weights: see :class:`Fingerprint`.

    Raises:
        FacesimError: the source of a class cannot be found.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in (*_versions(modules), *_structure(modules)):
        digest.update(repr(part).encode())
    # Sorted by content: an order that does not depend on where the files lie.
    for source in sorted(file.read_bytes() for file in _source_files(modules)):
        digest.update(source)
    return digest.hexdigest()


def _structure(trunk: nn.Module) -> list[str]:
    """Every module's name, class and settings; a repr alone leaves plain attributes out."""
    return [repr(trunk)] + [
        f"{name}: {_class_name(module)} {_settings(module)}"
        for name, module in trunk.named_modules(remove_duplicate=False)
    ]


def _class_name(module: nn.Module) -> str:
    """Without the module for plugins: its name follows from its path; its text is in the key."""
    name = type(module).__qualname__
    return name if _is_ours(type(module)) else f"{type(module).__module__}.{name}"


def _settings(module: nn.Module) -> list[tuple[str, str]]:
    return sorted(
        (name, getattr(value, "__qualname__", None) or repr(value))
        for name, value in vars(module).items()
        if name != "training" and (_is_plain(value) or inspect.isroutine(value))
    )


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str)


def _tensors(modules: nn.Module) -> list[tuple[str, Tensor]]:
    return [
        *modules.named_parameters(remove_duplicate=False),
        *modules.named_buffers(remove_duplicate=False),
    ]


def _versions(modules: nn.Module) -> list[str]:
    """Versions of the classes' packages, whose classes call functions of further files."""
    tops = {each.__module__.partition(".")[0] for each in _classes(modules) if _is_ours(each)}
    versions = ((top, getattr(sys.modules.get(top), "__version__", None)) for top in tops)
    return sorted(f"{top} {version}" for top, version in versions if version is not None)


def _source_files(trunk: nn.Module) -> set[Path]:
    """The files that define the classes of a trunk, except torch's own."""
    return {_source_file(found) for found in _classes(trunk) if _is_ours(found)}


def _classes(modules: nn.Module) -> set[type]:
    return {base for module in modules.modules() for base in type(module).__mro__}


def _is_ours(found: type) -> bool:
    return found.__module__.split(".")[0] not in _LIBRARIES


def _source_file(found: type) -> Path:
    file = getattr(sys.modules.get(found.__module__), "__file__", None)
    if file is None or not Path(file).is_file():
        raise FacesimError(
            f"the trunk's features cannot be cached: there is no source file of its part "
            f"{found.__module__}.{found.__qualname__}, so a change of its code would go unnoticed; "
            "define it in a file, or write `trunk_cache: off`"
        )
    return Path(file)
