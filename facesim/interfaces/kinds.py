"""The kinds of plugins: their registries, and a record of what belongs to each."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from facesim.alignment.aligner import aligners
from facesim.errors import PluginError, did_you_mean
from facesim.interfaces.backbone import Backbone
from facesim.interfaces.callback import Callback
from facesim.interfaces.head import Head, as_head
from facesim.interfaces.loss import Loss
from facesim.interfaces.metric import Metric
from facesim.interfaces.protocol import Protocol
from facesim.interfaces.report_section import ReportSection
from facesim.interfaces.sampler import Sampler, as_sampler
from facesim.interfaces.tables import FaceTable
from facesim.interfaces.tracker import Tracker
from facesim.interfaces.transform import Transform, as_transform
from facesim.registry import Registry, Spec

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
protocols: Registry[Protocol] = Registry("protocol", "protocols", base=Protocol)
metrics: Registry[Metric] = Registry("metric", "metrics", base=Metric)
callbacks: Registry[Callback] = Registry("callback", "callbacks", base=Callback)
report_sections: Registry[ReportSection] = Registry(
    "report_section", "report_sections", base=ReportSection
)
trackers: Registry[Tracker] = Registry("tracker", "trackers", base=Tracker)


@dataclass(frozen=True)
class Kind:
    """Everything that belongs to one kind of plugin; what lists kinds is derived from it.

    Attributes:
        registry: says the kind's names, its base class and what the engine passes to a factory.
        places: where an experiment names such a plugin, as dotted paths.
        contract: what its plugins promise, as ``module:NAME`` of a ``facesim.testing.Contract``.
        template: the file among ``facesim/scaffold/templates/`` that a new plugin begins as.
        test_template: the file that its test begins as.
        several: whether each place holds a list of plugins.
        example: the YAML parameters that the plugin of the template needs.
    """

    registry: Registry[Any]
    places: tuple[str, ...]
    contract: str
    template: str
    test_template: str = "test_plugin.py"
    several: bool = False
    example: str = ""

    @property
    def name(self) -> str:
        """In the singular ("loss")."""
        return self.registry.kind

    @property
    def plural(self) -> str:
        """The registry's own name ("losses")."""
        return self.registry.plural


KINDS: tuple[Kind, ...] = (
    Kind(
        datasets,
        ("data.train", "data.val", "data.test", "data.source"),
        "facesim.testing.dataset:DATASET",
        "dataset.py",
        test_template="test_dataset.py",
        example="root: faces/train",
    ),
    Kind(aligners, ("image.aligner",), "facesim.testing.aligner:ALIGNER", "aligner.py"),
    Kind(
        transforms,
        ("transforms",),
        "facesim.testing.transform:TRANSFORM",
        "transform.py",
        several=True,
    ),
    Kind(backbones, ("backbone",), "facesim.testing.backbone:BACKBONE", "backbone.py"),
    Kind(heads, ("head",), "facesim.testing.head:HEAD", "head.py"),
    Kind(samplers, ("sampler",), "facesim.testing.sampler:SAMPLER", "sampler.py"),
    Kind(losses, ("loss",), "facesim.testing.loss:LOSS", "loss.py"),
    Kind(optimizers, ("optimizer",), "facesim.testing.optimizer:OPTIMIZER", "optimizer.py"),
    Kind(schedulers, ("scheduler",), "facesim.testing.scheduler:SCHEDULER", "scheduler.py"),
    Kind(protocols, ("evaluate.protocol",), "facesim.testing.protocol:PROTOCOL", "protocol.py"),
    Kind(
        metrics, ("evaluate.metrics",), "facesim.testing.metric:METRIC", "metric.py", several=True
    ),
    Kind(
        callbacks,
        ("callbacks",),
        "facesim.testing.callback:CALLBACK",
        "callback.py",
        several=True,
    ),
    Kind(
        report_sections,
        ("report_sections",),
        "facesim.testing.report_section:REPORT_SECTION",
        "report_section.py",
        several=True,
    ),
    Kind(trackers, ("trackers",), "facesim.testing.tracker:TRACKER", "tracker.py", several=True),
)
"""A new kind of plugin is one more record, with its interface, its contract and its template."""

REGISTRIES: tuple[Registry[Any], ...] = tuple(kind.registry for kind in KINDS)


def find_kind(name: str) -> Kind:
    """The kind of that name, in the singular or the plural.

    Raises:
        PluginError: there is no such kind; the message holds the nearest ones.
    """
    for kind in KINDS:
        if name.lower() in (kind.name, kind.plural):
            return kind
    known = [kind.plural for kind in KINDS]
    guess = did_you_mean(name, known) or did_you_mean(name, [kind.name for kind in KINDS])
    raise PluginError(f"there is no kind of plugin {name!r}{guess}; known are {', '.join(known)}")


def built_metrics(specs: Iterable[Spec[Metric]]) -> dict[str, Metric]:
    """Metrics by the name that results call them."""
    found = {}
    for spec in specs:
        metric = spec.build()
        metric.name = metric.name or spec.name
        found[metric.name] = metric
    return found


def standard_metrics() -> tuple[Spec[Metric], ...]:
    """The registered metrics that are measured where an experiment names none."""
    plain = [plugin.name for plugin in metrics if not plugin.required]
    specs = [metrics.spec(name) for name in plain]
    return tuple(spec for spec in specs if spec.build().standard)


data_commands: Registry[None] = Registry("data command", "data_commands")
"""Registers a function as ``facesim data NAME``.

Its keyword-only parameters are the command's arguments and options, annotated as typer wants them,
and its docstring is the help. It prints what it has to say and raises FacesimError for a mistake::

    @data_commands("celeba")
    def split(*, root: Annotated[Path, typer.Argument(metavar="ROOT")], seed: int = 0) -> None: ...

They are not a kind of plugin that an experiment file can name.
"""
