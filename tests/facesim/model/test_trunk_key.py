"""The key of features: it changes with all that they depend on, and with nothing else."""

import copy
import importlib.util
import sys
from abc import ABC
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Generic, TypeVar

import pytest
import torch
import torchvision
from torch import nn

from facesim.data import preprocessing
from facesim.data.preprocessing import Preprocessing
from facesim.errors import FacesimError
from facesim.interfaces import IMAGENET, Backbone, Normalization
from facesim.model.trunk_engine import EagerEngine
from facesim.model.trunk_key import (
    Fingerprint,
    TrunkRecipe,
    code_digest,
    tensors_digest,
    trunk_digest,
    weights_digest,
)

T = TypeVar("T")
RECIPE = TrunkRecipe(Preprocessing((8, 8)))


class Scaled(nn.Module):
    """A trunk with a setting that its repr does not show."""

    def __init__(self, factor: float = 2.0) -> None:
        super().__init__()
        self.factor = factor
        self.convolution = nn.Conv2d(3, 4, 3)
        self.normalization = nn.BatchNorm2d(4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.normalization(self.convolution(images)) * self.factor
        return output


def _backbone(
    trunk: Callable[[], nn.Module] = Scaled, normalization: Normalization = IMAGENET
) -> Backbone:
    torch.manual_seed(0)
    return Backbone(trunk(), nn.Flatten(), 4, normalization)


def trunk_key(backbone: Backbone, recipe: TrunkRecipe) -> str:
    return Fingerprint(trunk_digest(backbone), code_digest(backbone.trunk)).key(recipe)


KEY = trunk_key(_backbone(), RECIPE)


def test_the_same_trunk_has_the_same_key() -> None:
    assert trunk_key(_backbone(), RECIPE) == KEY
    assert len(KEY) == 32


def test_a_fingerprint_tells_weights_from_code() -> None:
    backbone = _backbone()
    weights, code = trunk_digest(backbone), code_digest(backbone.trunk)
    assert Fingerprint.of_trunk(backbone) == Fingerprint(weights=weights, code=code)
    assert Fingerprint.of(backbone.trunk).code == code


def test_neither_mode_nor_memory_format_nor_tail_matters() -> None:
    backbone = _backbone().train().to(memory_format=torch.channels_last)
    backbone.tail = nn.Linear(4, 4)

    assert trunk_key(backbone, RECIPE) == KEY


def test_one_bit_of_one_weight_matters() -> None:
    backbone = _backbone()
    weight = backbone.trunk.get_parameter("convolution.bias")
    weight.view(torch.int32)[0] ^= 1

    assert trunk_key(backbone, RECIPE) != KEY


def test_which_weight_has_which_value_matters() -> None:
    def named(*names: str) -> nn.Module:
        module = nn.Module()
        for value, name in enumerate(names):
            module.register_parameter(name, nn.Parameter(torch.tensor(float(value))))
        return module

    assert weights_digest(named("a", "b")) == weights_digest(named("a", "b"))
    assert weights_digest(named("a", "b")) != weights_digest(named("b", "a"))


def test_a_statistic_of_batch_normalization_matters() -> None:
    backbone = _backbone()
    backbone.trunk.get_buffer("normalization.running_mean")[0] += 1

    assert trunk_key(backbone, RECIPE) != KEY


def test_a_setting_that_the_repr_does_not_show_matters() -> None:
    assert trunk_key(_backbone(lambda: Scaled(3.0)), RECIPE) != KEY


def test_the_order_of_modules_matters() -> None:
    def forwards() -> nn.Module:
        return nn.Sequential(nn.ReLU(), nn.Sigmoid())

    def backwards() -> nn.Module:
        return nn.Sequential(nn.Sigmoid(), nn.ReLU())

    assert trunk_key(_backbone(forwards), RECIPE) != trunk_key(_backbone(backwards), RECIPE)


@pytest.mark.parametrize("changed", [{"mean": (0.5, 0.5, 0.5)}, {"std": (0.5, 0.5, 0.5)}])
def test_the_normalization_matters(changed: dict[str, tuple[float, float, float]]) -> None:
    other = replace(IMAGENET, **changed)

    assert trunk_key(_backbone(normalization=other), RECIPE) != KEY


@pytest.mark.parametrize(
    "recipe",
    [
        replace(RECIPE, preprocessing=Preprocessing((8, 9))),
        replace(RECIPE, preprocessing=Preprocessing((8, 8), (0, 0, 8, 8))),
        replace(RECIPE, flipped=True),
        replace(RECIPE, dtype="float32"),
        replace(RECIPE, precision="bfloat16"),
    ],
)
def test_every_part_of_the_recipe_matters(recipe: TrunkRecipe) -> None:
    assert trunk_key(_backbone(), recipe) != KEY


def test_that_features_are_compressed_on_disk_changes_no_key() -> None:
    assert trunk_key(_backbone(), replace(RECIPE, compressed=True)) == KEY


def test_the_decoder_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preprocessing, "decoder_versions", lambda: "another")

    assert trunk_key(_backbone(), RECIPE) != KEY


def _module_of(path: Path, text: str) -> ModuleType:
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("a_trunk_of_the_user", path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules["a_trunk_of_the_user"] = loaded
    spec.loader.exec_module(loaded)
    return loaded


TRUNK = """
from torch import nn
def activation(x):
    return x + 1
class Trunk(nn.Module):
    def forward(self, x):
        return activation(x)
"""


def test_an_edit_of_the_trunks_code_matters(tmp_path: Path) -> None:
    path = tmp_path / "trunk.py"
    before = trunk_key(_backbone(_module_of(path, TRUNK).Trunk), RECIPE)
    same = trunk_key(_backbone(_module_of(path, TRUNK).Trunk), RECIPE)
    edited = TRUNK.replace("x + 1", "x + 2")
    after = trunk_key(_backbone(_module_of(path, edited).Trunk), RECIPE)

    assert before == same
    assert before != after


def test_a_trunk_without_a_source_is_refused() -> None:
    backbone = _backbone()
    trunk = copy.copy(backbone.trunk)
    trunk.__class__ = type("Typed", (Scaled,), {"__module__": "__nowhere__"})
    backbone.trunk = trunk

    with pytest.raises(FacesimError, match=r"__nowhere__\.Typed.*define it in a file"):
        trunk_key(backbone, RECIPE)


def test_the_version_of_a_package_that_gives_the_code_matters(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = _module_of(tmp_path / "trunk.py", TRUNK)
    before = trunk_key(_backbone(made.Trunk), RECIPE)
    monkeypatch.setattr(made, "__version__", "2.0", raising=False)
    assert trunk_key(_backbone(made.Trunk), RECIPE) != before


def test_the_version_of_a_library_with_architectures_matters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trunk = torchvision.ops.Conv2dNormActivation
    before = trunk_key(_backbone(lambda: trunk(3, 4)), RECIPE)
    assert trunk_key(_backbone(lambda: trunk(3, 4)), RECIPE) == before
    monkeypatch.setattr(torchvision, "__version__", "another")
    assert trunk_key(_backbone(lambda: trunk(3, 4)), RECIPE) != before


def test_classes_of_torch_and_of_python_are_known_by_their_names_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Generated(nn.Conv2d, Generic[T], ABC):
        pass

    plain = trunk_key(_backbone(lambda: nn.Conv2d(3, 4, 3)), RECIPE)
    generic = trunk_key(_backbone(lambda: Generated(3, 4, 3)), RECIPE)
    for library in (torch, sys.modules["abc"], sys.modules["typing"]):
        monkeypatch.setattr(library, "__version__", "another", raising=False)
    assert trunk_key(_backbone(lambda: nn.Conv2d(3, 4, 3)), RECIPE) == plain
    assert trunk_key(_backbone(lambda: Generated(3, 4, 3)), RECIPE) == generic


def test_weights_have_the_digest_that_stores_of_earlier_versions_are_found_by() -> None:
    tensors = {
        "weight": torch.tensor([[1.0, -2.0], [0.5, 0.0]]).T,
        "half": torch.tensor([1.5, 3.0], dtype=torch.bfloat16),
        "count": torch.tensor(7),
    }
    assert tensors_digest(tensors.items()) == "2555fcd06a74412aaf3bbe88665e5e16"


def test_eager_has_the_keys_of_before_there_were_other_engines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Preprocessing, "cache_key", "decoded somehow")
    fingerprint = Fingerprint("weights", "code")
    key = fingerprint.key(RECIPE, EagerEngine(_backbone()).versions)
    assert key == "880856174119e77a6a0084c4dc037d1e"
    others = {fingerprint.key(RECIPE, versions) for versions in ("torch 2.9", "torch 2.10")}
    assert len(others | {key}) == 3
