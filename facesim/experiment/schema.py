"""What an experiment file may say."""

from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    field_serializer,
    field_validator,
    model_validator,
)
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from facesim import interfaces
from facesim.experiment.lint_rules import Rule, Severity
from facesim.experiment.search import Search
from facesim.experiment.section import Section
from facesim.experiment.yaml_writer import to_yaml
from facesim.interfaces import (
    KINDS,
    Backbone,
    FaceTable,
    Head,
    Loss,
    Metric,
    Protocol,
    Sampler,
    Tracker,
    Transform,
)
from facesim.interfaces.kinds import standard_metrics
from facesim.registry import Spec

Dataset = Annotated[Spec[FaceTable], interfaces.datasets]
Positive = Annotated[int, Field(gt=0)]


class Data(Section):
    """The three splits, which should not share an identity."""

    train: Dataset = Field(description="images to train on")
    val: Dataset = Field(description="images that thresholds and the best checkpoint come from")
    test: Dataset = Field(description="images for the final figures only")
    workers: int = Field(default=2, ge=0, le=256, description="processes that decode images")


class Image(Section):
    """What happens to a picture between the file and the network."""

    size: tuple[Positive, Positive] = Field(
        default=(218, 178), description="height and width in pixels that the network sees"
    )
    crop: (
        tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)], Positive, Positive] | None
    ) = Field(default=None, description="left, top, width, height in the file's pixels")

    @field_validator("size")
    @classmethod
    def _bounded(cls, size: tuple[int, int]) -> tuple[int, int]:
        if max(size) > 4096:
            raise ValueError("at most 4096 pixels a side")
        return size


class Train(Section):
    """How long, in which steps, and what is kept."""

    epochs: int = Field(
        ge=0, description="passes over the sampler's epoch; 0 measures the network untrained"
    )
    batch_size: int = Field(gt=0, description="pairs or images a batch, as the sampler counts them")
    checkpoint_every: Positive | None = Field(
        default=None, description="also write a checkpoint every so many batches"
    )
    keep_checkpoints: int = Field(
        default=3, ge=0, description="how many of these periodic checkpoints stay on disk"
    )
    checkpoint_name: str = Field(
        default="step-{step:08d}",
        description="file name of a periodic checkpoint, from {name}, {epoch} and {step}",
    )
    best: str = Field(
        default_factory=lambda: interfaces.metrics.default or "",
        description="the metric on val by which the best checkpoint is kept",
    )
    log_every: Positive = Field(default=10, description="batches between two logged losses")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="auto is bfloat16 autocast on CUDA and float32 elsewhere"
    )
    compile: bool = Field(
        default=False,
        description="compile tail and head with torch.compile; minutes at the start, faster steps",
    )
    deterministic: bool = Field(
        default=True, description="use deterministic algorithms, so that a resumed run is identical"
    )

    @field_validator("checkpoint_name")
    @classmethod
    def _formats(cls, template: str) -> str:
        try:
            first = template.format(name="n", epoch=1, step=1)
            second = template.format(name="n", epoch=1, step=2)
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            raise ValueError(f"cannot be filled in ({error!r}); known: name, epoch, step") from None
        if first == second:
            raise ValueError("must contain {step}, or one checkpoint overwrites another")
        if "/" in first or "\\" in first or first in ("last", "best") or first.startswith("."):
            raise ValueError("must be a plain file name other than `last` and `best`")
        return template


class Evaluate(Section):
    """How a trained system is measured."""

    protocol: Annotated[Spec[Protocol], interfaces.protocols] = Field(
        default_factory=lambda: interfaces.protocols.default,
        validate_default=True,
        description="which comparisons of test are made, and how they are measured",
    )
    metrics: tuple[Annotated[Spec[Metric], interfaces.metrics], ...] = Field(
        default_factory=standard_metrics,
        description="what is measured, with intervals; the standard ones by default",
    )
    val_pairs: Path | None = Field(
        default=None,
        description="CSV file1,file2,same[,fold] of the pairs of val; otherwise the dataset's own, "
        "and if it has none they are drawn",
    )
    test_pairs: Path | None = Field(
        default=None,
        description="the same for test; the column `fold` is for protocols that compare in folds",
    )
    pairs_per_image: float = Field(
        default=1.0, gt=0, description="pairs drawn, per image of a split"
    )
    same_fraction: float = Field(default=0.5, gt=0, lt=1, description="share of genuine pairs")
    batch_size: int = Field(default=64, gt=0, description="images embedded at a time")
    smallest_far: float = Field(
        default=0.01,
        gt=0,
        le=1,
        description="the linter warns where there are too few impostor pairs to measure this FAR",
    )
    resamples: int = Field(
        default=1000, ge=1000, description="bootstrap resamples of the identities, for intervals"
    )
    baselines: bool = Field(
        default=True,
        description="also score chance, raw pixels and the untouched backbone on the same pairs",
    )
    slices: bool | tuple[str, ...] = Field(
        default=True,
        description="errors by the attributes of test's images: all of them, none, or those named",
    )

    @model_validator(mode="after")
    def _lists_pairs_only_where_the_protocol_does(self) -> "Evaluate":
        if self.test_pairs is not None and not self.protocol.build().lists_pairs:
            raise ValueError(
                f"the protocol {self.protocol.name} does not compare a list of pairs; leave "
                "test_pairs out"
            )
        return self

    @field_serializer("val_pairs", "test_pairs")
    def _absolute(self, path: Path | None) -> str | None:
        return None if path is None else str(path.absolute())


class Experiment(Section):
    """One experiment: what is trained on what, how, and how it is measured."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=100,
        description="names the run's folder",
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="everything random follows from it")
    plugins: tuple[str, ...] = Field(
        default=(), description="modules, or ./file.py relative to this file, that bring plugins"
    )
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        description="auto takes CUDA, then Apple's mps, then the processor",
    )
    data: Data
    image: Image = Image()
    transforms: tuple[Annotated[Spec[Transform], interfaces.transforms], ...] = Field(
        default=(), description="random augmentations of the training images, in order"
    )
    backbone: Annotated[Spec[Backbone], interfaces.backbones]
    trunk_cache: Literal["float16", "float32", "off"] = Field(
        default="float16",
        description="how the frozen trunk's output is kept on disk; float32 changes no result",
    )
    head: Annotated[Spec[Head], interfaces.heads]
    sampler: Annotated[Spec[Sampler], interfaces.samplers]
    loss: Annotated[Spec[Loss], interfaces.losses]
    optimizer: Annotated[Spec[Optimizer], interfaces.optimizers]
    scheduler: Annotated[Spec[LRScheduler], interfaces.schedulers] = Field(
        default_factory=lambda: interfaces.schedulers.default,
        validate_default=True,
        description="learning rate over the steps",
    )
    trackers: tuple[Annotated[Spec[Tracker], interfaces.trackers], ...] = Field(
        default=(), description="besides metrics.jsonl, which is always written"
    )
    train: Train
    evaluate: Evaluate = Field(default_factory=Evaluate)
    lint: dict[Rule, Severity] = Field(
        default={}, description="rules of the protocol linter that are to count otherwise"
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
