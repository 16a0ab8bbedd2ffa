"""A small world of plugins, so that these tests depend on no built-in one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from facesim import discovery, interfaces

WHOLE = """\
name: whole
data:
  train: {name: csv, table: train.csv}
  val: {name: csv, table: val.csv}
  test: {name: csv, table: test.csv}
backbone: {name: resnet, depth: 18}
head: mlp
sampler: {name: random_pairs, pairs_per_image: 0.5}
loss:
  name: contrastive
  margin: 2.0
optimizer: {name: adam, lr: 5.0e-4}
train: {epochs: 10, batch_size: 64}
"""

SPLITS = """\
  train: {name: csv, table: train.csv}
  val: {name: csv, table: val.csv}
  test: {name: csv, table: test.csv}
"""
SOURCE = "  source: {name: csv, table: people.csv}\n"


def csv(*, table: Path, columns: tuple[str, str] = ("img", "ids")) -> Any: ...


def resnet(
    *,
    depth: Literal[18, 50] = 18,
    weights: Literal["imagenet", "none"] | Path = "imagenet",
) -> Any: ...


def mlp(features: int, *, fc_dim: Annotated[int, Field(gt=0)] = 128) -> Any: ...


def random_pairs(
    identities: Any,
    batch_size: int,
    seed: int,
    *,
    pairs_per_image: Annotated[float, Field(gt=0, description="Pairs drawn per image.")],
    same_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.5,
) -> Any: ...


def contrastive(
    embedding_dim: int, num_identities: int, *, margin: Annotated[float, Field(gt=0)] = 2.0
) -> Any:
    """Pull together, push apart."""


def learned(
    embedding_dim: int,
    num_identities: int,
    *,
    hidden: tuple[Annotated[int, Field(gt=0)], ...] = (64, 64),
    symmetric: bool = True,
) -> Any: ...


def adam(parameter_groups: Any, *, lr: Annotated[float, Field(gt=0)]) -> Any: ...


def constant(optimizer: Any, total_steps: int) -> Any: ...


def flip(*, probability: float = 0.5) -> Any: ...


class Pairs(interfaces.Protocol):
    """Compare pairs."""

    def plan(self, *arguments: Any) -> Any: ...

    def measure(self, *arguments: Any) -> Any: ...


class Accuracy(interfaces.Metric):
    """Share of correct decisions."""

    label = "Accuracy"
    standard = True

    def value(self, roc: interfaces.Roc, threshold: float) -> float:
        return 0.0


class LossLike(Accuracy):
    """Measured only where it is asked for."""

    standard = False
    higher_is_better = False


@pytest.fixture(autouse=True)
def _plugins_of_these_tests(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(discovery, "load_installed_plugins", lambda: None)
    with ExitStack() as stack:
        for registry in interfaces.REGISTRIES:
            stack.enter_context(registry.isolated())
            registry._plugins, registry._failures = {}, {}
        interfaces.datasets("csv")(csv)
        interfaces.backbones("resnet")(resnet)
        interfaces.heads("mlp")(mlp)
        interfaces.samplers("random_pairs")(random_pairs)
        interfaces.losses("contrastive")(contrastive)
        interfaces.losses("learned", aliases=("trained",))(learned)
        interfaces.optimizers("adam")(adam)
        interfaces.schedulers("constant", default=True)(constant)
        interfaces.transforms("flip")(flip)
        interfaces.protocols("pairs", aliases=("verification",), default=True)(Pairs)
        interfaces.metrics("accuracy", default=True)(Accuracy)
        interfaces.metrics("loss_like")(LossLike)
        yield


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a file of the test's folder, which is also the working directory."""
    monkeypatch.chdir(tmp_path)

    def write_file(text: str, name: str = "exp.yaml") -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return Path(name)

    return write_file


@pytest.fixture
def whole(write: Callable[..., Path]) -> Callable[..., Path]:
    """Writes a whole experiment, with a piece of it replaced by another."""

    def write_whole(old: str = "", new: str = "", name: str = "exp.yaml") -> Path:
        assert old in WHOLE
        return write(WHOLE.replace(old, new) if old else WHOLE + new, name)

    return write_whole
