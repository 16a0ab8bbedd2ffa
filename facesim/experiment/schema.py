"""The schema of an experiment file, and its values by path."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import (
    BaseModel,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
    model_validator,
)
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from facesim import interfaces
from facesim.atomic import write_text
from facesim.errors import PluginError
from facesim.experiment.nodes import KeyPath
from facesim.experiment.search import Search
from facesim.experiment.sections import (
    Data,
    Evaluate,
    IdentitySplit,
    Image,
    Rule,
    Section,
    Severity,
    Train,
    built_protocol,
)
from facesim.experiment.yaml_writer import to_yaml
from facesim.interfaces import (
    KINDS,
    Backbone,
    Callback,
    Head,
    Loss,
    ReportSection,
    Sampler,
    Tracker,
    Transform,
)
from facesim.registry import Registry, Spec
from facesim.registry.type_descriptions import strip_annotated, union_members


class Experiment(Section):
    """One experiment: data, network, training and evaluation."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=100,
        description="name of the run's folder",
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="decides all that training draws")
    plugins: tuple[str, ...] = Field(
        default=(), description="modules, or ./file.py relative to this file, that define plugins"
    )
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d{1,3})?)$",
        description="auto takes CUDA, then Apple's mps, then the CPU",
    )
    data: Data
    image: Image = Image()
    transforms: tuple[Annotated[Spec[Transform], interfaces.transforms], ...] = Field(
        default=(), description="random augmentations of the training images, in order"
    )
    backbone: Annotated[Spec[Backbone], interfaces.backbones] = Field(
        description="the network from an image to features; its first stages may be frozen"
    )
    trunk_cache: Literal["float16", "float16_compressed", "float32", "off"] = Field(
        default="float16",
        description="how the frozen trunk's output is stored on disk; float32 changes no result, "
        "float16_compressed is float16 with lossless compression",
    )
    backbone_engine: Literal["auto", "eager", "compiled", "onnxruntime"] = Field(
        default="auto",
        description="what runs the frozen trunk: PyTorch's own modules, torch.compile, or ONNX "
        "Runtime; auto takes the fastest here where that pays, and the run keeps it",
    )
    head: Annotated[Spec[Head], interfaces.heads] = Field(
        description="the small network from features to the embedding"
    )
    sampler: Annotated[Spec[Sampler], interfaces.samplers] = Field(
        description="which images and pairs a batch of training holds"
    )
    loss: Annotated[Spec[Loss], interfaces.losses] = Field(
        description="what is trained, and how two embeddings are compared"
    )
    optimizer: Annotated[Spec[Optimizer], interfaces.optimizers] = Field(
        description="how the weights follow the gradient; its `lr` is the learning rate"
    )
    scheduler: Annotated[Spec[LRScheduler], interfaces.schedulers] = Field(
        default_factory=lambda: interfaces.schedulers.default,
        validate_default=True,
        description="learning rate schedule, over the steps",
    )
    trackers: tuple[Annotated[Spec[Tracker], interfaces.trackers], ...] = Field(
        default=(), description="in addition to metrics.jsonl, which is always written"
    )
    callbacks: tuple[Annotated[Spec[Callback], interfaces.callbacks], ...] = Field(
        default=(), description="hooks of training, which watch it and may end it"
    )
    report_sections: tuple[Annotated[Spec[ReportSection], interfaces.report_sections], ...] = Field(
        default=(), description="sections that are added to the report"
    )
    train: Train
    evaluate: Evaluate = Field(default_factory=Evaluate)
    lint: dict[Rule, Severity] = Field(
        default={}, description="severity overrides for rules of the protocol linter"
    )
    search: Search | None = Field(
        default=None, description="what `facesim optimize` varies; `facesim run` ignores it"
    )

    _unset: Mapping[KeyPath, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _searches_among_what_is_trained(self) -> "Experiment":
        if self.search is not None and self.train.epochs == 0:
            raise ValueError("a search needs train.epochs of 1 or more")
        return self

    @model_serializer(mode="wrap")
    def _without_unused_kinds(self, written: SerializerFunctionWrapHandler) -> Any:
        values: dict[str, Any] = written(self)
        return {key: each for key, each in values.items() if key not in _NOT_ALWAYS or each}

    @model_validator(mode="after")
    def _has_the_folds_of_its_protocol(self, info: ValidationInfo) -> "Experiment":
        """The experiment with as many folds in ``data.split`` as the protocol says.

        One that was resolved has them.
        """
        protocol, split = self.evaluate.protocol, self.data.split
        built = built_protocol(protocol, info)
        if built is None:
            return self
        folds = built.folds
        if folds is None:
            if self.folds is not None:
                raise ValueError(
                    f"data.split.folds: the protocol {protocol.name} does not pool folds; write "
                    f"`evaluate: {{protocol: {{name: identity_folds, folds: {self.folds}}}}}`"
                )
            return self
        if self.data.source is None:
            raise ValueError(
                f"evaluate.protocol: {protocol.name} divides the people into folds itself; write "
                "them as `data: {source: ...}` in place of train, val and test"
            )
        if self.evaluate.val_pairs is not None or self.evaluate.test_pairs is not None:
            raise ValueError(
                f"evaluate.protocol: {protocol.name} draws the pairs of each fold; leave "
                "evaluate.val_pairs and evaluate.test_pairs out"
            )
        values = {} if split is None else split.model_dump(exclude_unset=True)
        if values.setdefault("folds", folds) != folds:
            raise ValueError(
                f"data.split.folds is {values['folds']}, and the protocol {protocol.name} has "
                f"{folds}; leave data.split.folds out"
            )
        return self._with_split(values)

    def _with_split(self, values: Mapping[str, Any]) -> "Experiment":
        update = {"split": IdentitySplit.model_validate(values)}
        data = self.data.model_validate({**dict(self.data), **update})
        return self.model_copy(update={"data": data})

    @property
    def folds(self) -> int | None:
        """How many networks are trained, each tested on a fold of the people; None for one."""
        split = self.data.split
        return None if split is None or split.fold is not None else split.folds

    def of_fold(self, number: int) -> "Experiment":
        """The experiment of one of the :attr:`folds`, counted from 1: an ordinary one."""
        split = {} if self.data.split is None else dict(self.data.split.model_dump())
        return self._with_split({**split, "fold": number})

    def with_unset(self, variables: Mapping[KeyPath, str]) -> "Experiment":
        """A copy that remembers the variables whose defaults lead nowhere.

        Args:
            variables: by the key of a path that does not exist, the variable and where it is.
        """
        copy = self.model_copy()
        copy._unset = variables  # noqa: SLF001
        return copy

    def unset_below(self, section: str) -> str | None:
        """A variable whose default led to a path in ``data.train``, say, that does not exist."""
        found = (
            it
            for key, it in self._unset.items()
            if ".".join(map(str, key)).startswith(f"{section}.")
        )
        return next(found, None)

    def specs(self) -> dict[str, tuple[Spec[Any], ...]]:
        """The plugins by place (``data.train``, ``loss``), in the order of the kinds."""
        found = {place: attrgetter(place)(self) for kind in KINDS for place in kind.places}
        return {
            place: (node,) if isinstance(node, Spec) else tuple(node or ())
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
        write_text(path, self.as_yaml())


_NOT_ALWAYS = ("callbacks", "report_sections")
"""Left out where they are empty: a run of before they existed has the same resolved experiment."""


def with_value(experiment: Experiment, key: Sequence[str], value: object) -> Experiment:
    """A copy with another value, which is valid, at a key of the root or of a section."""
    *above, last = key
    if above:
        section = attrgetter(".".join(above))(experiment)
        return with_value(experiment, above, section.model_copy(update={last: value}))
    return experiment.model_copy(update={last: value})


def value_at(data: Any, path: Sequence[str | int]) -> Any:
    """The value at a path of keys and indices; None where there is nothing.

    Args:
        data: plain data, such as ``Experiment.as_data()``.
        path: from its root; an index may be written in digits, as in a dotted path.
    """
    for key in path:
        if isinstance(data, Mapping):
            data = data.get(key)
        elif isinstance(data, list) and str(key) in map(str, range(len(data))):
            data = data[int(key)]
        else:
            return None
    return data


def keys_at(model: type[BaseModel], path: KeyPath, data: Any) -> list[str]:
    """The keys that the mapping at ``path`` may have; empty where it is not a mapping.

    Args:
        model: the root of the schema.
        path: keys and indices from the root.
        data: the file's plain data, which names the plugin of each node.
    """
    return list(_fields(type_at(model, path, data), value_at(data, path)))


def type_at(model: type[BaseModel], path: KeyPath, data: Any) -> Any:
    """The type at ``path``, with its metadata as ``Annotated``; None where there is nothing."""
    annotation: Any = model
    for depth, key in enumerate(path):
        annotation = _below(annotation, key, value_at(data, path[:depth]))
    return annotation


def elsewhere(model: type[BaseModel], key: str, data: Any) -> list[str]:
    """The sections of the schema that have this key: ``["train.epochs"]``."""
    return [
        f"{section}.{key}"
        for section in model.model_fields
        if key != "name" and key in keys_at(model, (section,), data)
    ]


def _fields(annotation: Any, value: Any) -> dict[str, Any]:
    """Key -> type of the mapping that a type describes."""
    for member in union_members(annotation):
        inner, metadata = strip_annotated(member)
        registry = next((item for item in metadata if isinstance(item, Registry)), None)
        if registry is not None:
            inner = _parameters(registry, value)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            return {
                name: Annotated[(info.annotation, *info.metadata)]
                if info.metadata
                else info.annotation
                for name, info in inner.model_fields.items()
            }
    return {}


def _parameters(registry: Registry[Any], node: Any) -> type[BaseModel] | None:
    name = node.get("name") if isinstance(node, dict) else node
    try:
        return registry.get(str(name)).parameters
    except PluginError:
        return None


def _below(annotation: Any, key: str | int, value: Any) -> Any:
    fields = _fields(annotation, value)
    if key in fields:
        return fields[str(key)]
    for member in union_members(annotation):
        origin, arguments = (
            get_origin(strip_annotated(member)[0]),
            get_args(strip_annotated(member)[0]),
        )
        if origin in (list, tuple) and isinstance(key, int):
            fixed = origin is tuple and arguments[-1] is not Ellipsis
            return arguments[min(key, len(arguments) - 1)] if fixed else arguments[0]
        if origin is dict:
            return arguments[1]
    return None
