"""What the processes of a run other than the main one do: their share of what it requests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from facesim.data.image_digests import TableDigests
from facesim.data.table_content import TableContent
from facesim.errors import FacesimError
from facesim.evaluation.embedding import embed_together
from facesim.experiment.decisions import decided_as
from facesim.experiment.differences import differences
from facesim.experiment.exclusion import SPLITS
from facesim.experiment.named_paths import portable_data
from facesim.experiment.schema import Experiment
from facesim.interfaces import MiningSampler
from facesim.model.build import build_network
from facesim.model.devices import keeping_freed_memory, pick_device
from facesim.model.inputs import Inputs
from facesim.model.network import NetworkInput, SiameseNetwork, evaluating
from facesim.model.tensor_files import on_cpu
from facesim.processes import Processes
from facesim.registry.signature import validate_strictly
from facesim.runs.systems import TRAINED, UNTOUCHED, raw_pixel_parts, untouched_of
from facesim.shared_failures import SharedFailureError
from facesim.training.build import RunComponents, Tables, prepare
from facesim.training.checkpoint import Progress, checkpoint_content, restore_content
from facesim.training.determinism import deterministic
from facesim.training.engines import use_engine
from facesim.training.make_inputs import make_inputs
from facesim.training.shards import SharedBatch
from facesim.training.steps import Steps

_MAY_DIFFER = ("train.threads",)
"""What all processes take from the main one."""


def follow(experiment: Experiment, group: Processes, *, takes_others: bool = False) -> None:
    """Take part in the work of the main process until it comes to its end.

    Args:
        experiment: as this machine has it.
        group: of which this is not the main process.
        takes_others: whether the main process may come with other experiments, one after another,
            as in a search; otherwise each has to be this one.

    Raises:
        FacesimError: the experiment cannot be built here, or it or its data are not the main
            process's.
        GroupFailedError: another process failed.
    """
    with ExitStack() as settings:
        follower = _Follower(experiment, group, settings, takes_others=takes_others)
        while (request := group.next_request())[0] != "end":
            name, values = request
            follower.requests[name](**values)


def share_experiment(processes: Processes, experiment: Experiment, tables: Tables) -> None:
    """Let the other processes compute as this one does, or refuse where they would not.

    Args:
        processes: all of them.
        experiment: what is worked on.
        tables: where its tables are kept.
    """
    if processes.size == 1:
        return
    content = {}
    for name in SPLITS:
        try:
            found = TableContent.of(tables.read(name, experiment))
        except FacesimError:  # an evaluation may do without train; what needs it says why
            continue
        content[name] = found.model_dump()
    processes.request(
        "agree",
        experiment=experiment.as_data(),
        portable=portable_data(experiment),
        threads=torch.get_num_threads(),
        content=content,
    )


def share_start(
    processes: Processes, components: RunComponents, tables: Tables, progress: Progress
) -> None:
    """Let the other processes begin where the main one does.

    Args:
        processes: all of them.
        components: of the main process, in the state from which it goes on.
        tables: where its tables are kept.
        progress: how far it has come.
    """
    if processes.size == 1:
        return
    share_experiment(processes, components.experiment, tables)
    backbone = components.network.backbone
    processes.request(
        "begin",
        by_parts=components.network.is_compiled_by_parts,
        trunk=on_cpu(backbone.trunk.state_dict()) if backbone.has_trunk else None,
        state=on_cpu(checkpoint_content(components.state, progress)),
    )


def share_trained(processes: Processes, network: SiameseNetwork) -> None:
    """Give the other processes the network that is evaluated; they only embed with it."""
    if processes.size > 1:
        backbone, head = network.backbone.state_dict(), network.head.state_dict()
        processes.request("trained", backbone=on_cpu(backbone), head=on_cpu(head))


class _Follower:
    """A process of a group other than the main one; each method is a request.

    It reads the experiment and the data on its own machine, takes the weights with which the main
    process begins, and comes to the later ones by computing the same steps. It writes nothing but
    features into its trunk cache.
    """

    def __init__(
        self, experiment: Experiment, group: Processes, settings: ExitStack, *, takes_others: bool
    ) -> None:
        self._experiment = self._whole = experiment
        self._group = group
        self._settings = settings
        self._takes_others = takes_others
        self._tables = Tables()
        self._progress = Progress()
        self._parts: Iterator[tuple[SharedBatch, NetworkInput]] = iter(())
        self._networks: dict[str, tuple[SiameseNetwork, Experiment]] = {}
        self._inputs: dict[tuple[str, str], Inputs] = {}
        every: tuple[Callable[..., None], ...] = (
            self.agree,
            self.begin,
            self.warm,
            self.mined,
            self.epoch,
            self.step,
            self.try_step,
            self.trained,
            self.untouched,
            self.embed,
        )
        self.requests = {each.__name__: each for each in every}

    @cached_property
    def _components(self) -> RunComponents:
        return prepare(self._experiment, tables=self._tables)

    @cached_property
    def _steps(self) -> Steps:
        return Steps(self._components, self._group)

    def agree(
        self,
        experiment: dict[str, Any],
        portable: dict[str, Any],
        threads: int,
        content: dict[str, dict[str, Any]],
    ) -> None:
        """Compute what the main process does in the same way, or refuse."""
        if self._takes_others:
            self._experiment = validate_strictly(Experiment, experiment)
        else:
            fold = ((portable["data"] or {}).get("split") or {}).get("fold")
            if self._whole.folds is not None and fold is not None:
                self._experiment = self._whole.of_fold(fold)
            self._experiment = decided_as(self._experiment, experiment)
            self._require_same(portable)
        for built in ("_components", "_steps"):
            vars(self).pop(built, None)
        self._networks.clear()
        self._inputs.clear()
        self._progress = Progress()
        torch.set_num_threads(threads)
        self._settings.close()
        self._settings.enter_context(deterministic(self._experiment.train.deterministic))
        self._settings.enter_context(keeping_freed_memory())
        for name, known in content.items():
            found = TableContent.of(self._tables.read(name, self._experiment))
            if found != TableContent(**known):
                raise FacesimError(
                    f"data.{name} is not what the main process reads: other images, labels or "
                    "files; every machine needs the same data"
                )

    def begin(
        self, trunk: dict[str, Tensor] | None, state: dict[str, Any], *, by_parts: bool
    ) -> None:
        """Take the state with which the main process begins: weights, optimizer, sampler."""
        # With the trunk at once, because the key of the trunk cache follows from its weights.
        vars(self)["_components"] = prepare(self._experiment, trunk, self._tables)
        if by_parts:
            self._components.network.compile_by_parts()
        source = "what the main process sent"
        self._progress = restore_content(source, state, self._components.state)

    def warm(self, system: str, split: str, rows: Tensor, training: bool) -> None:
        """Compute a share of the trunk cache."""
        network, inputs = self._system(system, split)
        with evaluating(network), suppress(SharedFailureError):  # which the main process tells
            inputs.warm(rows.numpy(), self._group, training=training)

    def mined(self, state: dict[str, Tensor]) -> None:
        """Take over what the sampler of the main process has mined."""
        if isinstance(self._components.sampler, MiningSampler):
            self._components.sampler.load_state_dict(state)

    def epoch(self, epoch: int, batch: int) -> None:
        """Begin to read this process's share of an epoch's batches."""
        self._progress.epoch, self._progress.batch = epoch, batch
        self._parts = self._steps.batches(epoch, batch)

    def step(self, step: int) -> None:
        """Train on the next batch."""
        self._progress.step = step
        part, inputs = next(self._parts)
        self._steps.run(part, inputs, self._progress)
        self._progress.batch += 1

    def try_step(self) -> None:
        """Compute the gradient of the first batch, which moves nothing."""
        part, inputs = next(self._steps.batches(0, 0, 1))
        self._steps.backward(self._steps.loss(part, inputs, 0))

    def trained(self, backbone: dict[str, Tensor], head: dict[str, Tensor]) -> None:
        """Take the network that is evaluated, all but its loss, which embeds nothing."""
        device = pick_device(self._experiment.device)
        network = build_network(self._experiment, 2, device)
        network.backbone.load_state_dict(backbone)
        network.head.load_state_dict(head)
        use_engine(network, self._experiment)
        self._networks[TRAINED] = network, self._experiment
        self._inputs.clear()

    def untouched(self, state: dict[str, Tensor]) -> None:
        """Take the backbone as it was before training, whose trunk is that of the trained one."""
        trained, experiment = self._networks[TRAINED]
        network = untouched_of(trained, experiment)
        network.load_trained_state(state)
        self._networks[UNTOUCHED] = network, experiment

    def embed(self, system: str, split: str, rows: Tensor, batch_size: int) -> None:
        """Embed a share of some rows."""
        network, inputs = self._system(system, split)
        with suppress(SharedFailureError):
            for _ in embed_together(network, inputs, rows.numpy(), batch_size, self._group):
                pass

    def _require_same(self, portable: dict[str, Any]) -> None:
        changed = {
            key: change
            for key, change in differences(portable, portable_data(self._experiment)).items()
            if key not in _MAY_DIFFER
        }
        if changed:
            listed = "\n".join(f"  {key}: {change}" for key, change in changed.items())
            raise FacesimError(
                "the experiment is not that of the main process; give every machine the same file "
                f"and the same --set:\n{listed}"
            )

    def _system(self, system: str, split: str) -> tuple[SiameseNetwork, Inputs]:
        if system == "training":
            return self._components.network, getattr(self._components, split).inputs
        if system not in self._networks:
            device = pick_device(self._experiment.device)
            self._networks[system] = raw_pixel_parts(self._experiment, device)
        network, experiment = self._networks[system]
        if (system, split) not in self._inputs:
            images: TableDigests = self._tables.read(split, self._experiment)
            self._inputs[system, split] = make_inputs(experiment, network, images)
        return network, self._inputs[system, split]
