"""The schema of an experiment file."""

from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from facesim import interfaces
from facesim.experiment.search import Search
from facesim.experiment.sections import Data, Evaluate, Image, Rule, Section, Severity, Train
from facesim.experiment.yaml_writer import to_yaml
from facesim.interfaces import KINDS, Backbone, Head, Loss, Sampler, Tracker, Transform
from facesim.registry import Spec


class Experiment(Section):
    """One experiment: data, network, training and evaluation."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=100,
        description="name of the run's folder",
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="determines everything random")
    plugins: tuple[str, ...] = Field(
        default=(), description="modules, or ./file.py relative to this file, that define plugins"
    )
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        description="auto takes CUDA, then Apple's mps, then the CPU",
    )
    data: Data
    image: Image = Image()
    transforms: tuple[Annotated[Spec[Transform], interfaces.transforms], ...] = Field(
        default=(), description="random augmentations of the training images, in order"
    )
    backbone: Annotated[Spec[Backbone], interfaces.backbones]
    trunk_cache: Literal["float16", "float32", "off"] = Field(
        default="float16",
        description="how the frozen trunk's output is stored on disk; float32 changes no result",
    )
    head: Annotated[Spec[Head], interfaces.heads]
    sampler: Annotated[Spec[Sampler], interfaces.samplers]
    loss: Annotated[Spec[Loss], interfaces.losses]
    optimizer: Annotated[Spec[Optimizer], interfaces.optimizers]
    scheduler: Annotated[Spec[LRScheduler], interfaces.schedulers] = Field(
        default_factory=lambda: interfaces.schedulers.default,
        validate_default=True,
        description="learning rate schedule, over the steps",
    )
    trackers: tuple[Annotated[Spec[Tracker], interfaces.trackers], ...] = Field(
        default=(), description="in addition to metrics.jsonl, which is always written"
    )
    train: Train
    evaluate: Evaluate = Field(default_factory=Evaluate)
    lint: dict[Rule, Severity] = Field(
        default={}, description="severity overrides for rules of the protocol linter"
    )
    search: Search | None = Field(
        default=None, description="what `facesim optimize` varies; `facesim run` ignores it"
    )

    @model_validator(mode="after")
    def _searches_among_what_is_trained(self) -> "Experiment":
        if self.search is not None and self.train.epochs == 0:
            raise ValueError("a search needs train.epochs of 1 or more")
        return self

    def specs(self) -> dict[str, tuple[Spec[Any], ...]]:
        """The plugins by place (``data.train``, ``loss``), in the order of the kinds."""
        found = {place: attrgetter(place)(self) for kind in KINDS for place in kind.places}
        return {
            place: (node,) if isinstance(node, Spec) else tuple(node)
            for place, node in found.items()
        }

    def as_data(self) -> dict[str, Any]:
        """Plain JSON data with every default written out and every path absolute."""
        return self.model_dump(mode="json")

    def as_yaml(self) -> str:
        """A file that reads back as this experiment."""
        return to_yaml(self.as_data())

    def save(self, path: Path) -> None:
        """Write :meth:`as_yaml`."""
        path.write_text(self.as_yaml(), encoding="utf-8")
