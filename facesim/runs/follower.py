"""What the processes of a run other than the main one do: their share of what it requests."""

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from facesim.data.image_digests import TableDigests
from facesim.data.table_content import TableContent
from facesim.errors import FacesimError
from facesim.evaluation.embedding import embed_together
from facesim.experiment.exclusion import SPLITS
from facesim.experiment.schema import Experiment
from facesim.interfaces import MiningSampler
from facesim.model.build import build_network
from facesim.model.devices import pick_device
from facesim.model.inputs import Inputs
from facesim.model.network import NetworkInput, SiameseNetwork, evaluating
from facesim.model.tensor_files import save_tensors
from facesim.processes import Processes
from facesim.runs.systems import TRAINED, system_parts
from facesim.training.build import RunComponents, Tables, prepare
from facesim.training.checkpoint import Progress, read_checkpoint, restore_checkpoint
from facesim.training.determinism import deterministic
from facesim.training.make_inputs import make_inputs
from facesim.training.shards import SharedBatch
from facesim.training.steps import Steps


def follow(experiment: Experiment, group: Processes) -> None:
    """Take part in a run until the main process comes to its end.

    Args:
        experiment: that of the main process, with the paths of this machine.
        group: of which this is not the main process.

    Raises:
        FacesimError: the experiment cannot be built here, or its data differ from the main one's.
        GroupFailedError: another process failed.
    """
    follower = _Follower(experiment, group)
    with deterministic(experiment.train.deterministic):
        while (request := group.next_request())[0] != "end":
            name, values = request
            follower.requests[name](**values)


def share_start(
    processes: Processes, components: RunComponents, tables: Tables, checkpoint: Path
) -> None:
    """Let the other processes begin where the main one does.

    Args:
        processes: all of them.
        components: of the main process, its checkpoint restored.
        tables: where its tables are kept.
        checkpoint: the file from which it resumes, if there is one.
    """
    if processes.size == 1:
        return
    trunk, experiment = components.network.backbone.trunk, components.experiment
    processes.request(
        "begin",
        threads=torch.get_num_threads(),
        trunk={name: each.cpu() for name, each in trunk.state_dict().items()}
        if components.network.backbone.has_trunk
        else {},
        checkpoint=read_checkpoint(checkpoint) if checkpoint.exists() else {},
        content={
            name: TableContent.of(tables.read(name, experiment.data)).model_dump()
            for name in SPLITS
        },
    )


def share_trained(processes: Processes, network: SiameseNetwork) -> None:
    """Give the other processes the network that is evaluated; they only embed with it."""
    if processes.size > 1:
        parts = {"backbone": network.backbone.state_dict(), "head": network.head.state_dict()}
        state = {part: {name: it.cpu() for name, it in parts[part].items()} for part in parts}
        processes.request("trained", **state)


class _Follower:
    """A process of a group other than the main one; each method is a request.

    It reads the experiment and the data on its own machine, and comes to the weights of the main
    process by computing the same steps. It writes nothing but features into its trunk cache.
    """

    def __init__(self, experiment: Experiment, group: Processes) -> None:
        self._experiment = experiment
        self._group = group
        self._tables = Tables()
        self._progress = Progress()
        self._parts: Iterator[tuple[SharedBatch, NetworkInput]] = iter(())
        self._networks: dict[str, tuple[SiameseNetwork, Experiment]] = {}
        self._inputs: dict[tuple[str, str], Inputs] = {}
        every: tuple[Callable[..., None], ...] = (
            self.begin,
            self.warm,
            self.mined,
            self.epoch,
            self.step,
            self.try_step,
            self.trained,
            self.embed,
        )
        self.requests = {each.__name__: each for each in every}

    @cached_property
    def _components(self) -> RunComponents:
        return prepare(self._experiment, tables=self._tables)

    @cached_property
    def _steps(self) -> Steps:
        return Steps(self._components, self._group)

    def begin(
        self,
        threads: int,
        trunk: dict[str, Tensor],
        checkpoint: dict[str, Any],
        content: dict[str, dict[str, Any]],
    ) -> None:
        """Take the weights that the main process begins with."""
        torch.set_num_threads(threads)
        for name, known in content.items():
            found = TableContent.of(self._tables.read(name, self._experiment.data))
            if found != TableContent(**known):
                raise FacesimError(
                    f"data.{name} is not what the main process reads: other images, labels or "
                    "files; every machine needs the same data"
                )
        with TemporaryDirectory(prefix="facesim-") as folder:
            if trunk:
                path = Path(folder) / "trunk.pt"
                save_tensors(path, trunk)
                # Before the inputs are made: the key of the trunk cache follows from the weights.
                vars(self)["_components"] = prepare(self._experiment, path, self._tables)
            if checkpoint:
                save_tensors(Path(folder) / "last.pt", checkpoint)
                self._progress = restore_checkpoint(
                    Path(folder) / "last.pt", self._components.state
                )

    def warm(self, system: str, split: str, rows: Tensor, training: bool) -> None:
        """Compute a share of the trunk cache."""
        network, inputs = self._system(system, split)
        with evaluating(network):
            inputs.warm(rows.numpy(), self._group, training=training)

    def mined(self, state: dict[str, Tensor]) -> None:
        """Take over what the sampler of the main process has mined."""
        if isinstance(self._components.sampler, MiningSampler):
            self._components.sampler.load_state_dict(state)

    def epoch(self, epoch: int, batch: int) -> None:
        """Begin to read this process's share of an epoch's batches."""
        self._parts = self._steps.batches(epoch, batch)

    def step(self, step: int) -> None:
        """Train on the next batch."""
        self._progress.step = step
        part, inputs = next(self._parts)
        self._steps.run(part, inputs, self._progress)

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
        self._networks[TRAINED] = network, self._experiment
        self._inputs.clear()

    def embed(self, system: str, split: str, rows: Tensor, batch_size: int) -> None:
        """Embed a share of some rows."""
        network, inputs = self._system(system, split)
        for _ in embed_together(network, inputs, rows.numpy(), batch_size, self._group):
            pass

    def _system(self, system: str, split: str) -> tuple[SiameseNetwork, Inputs]:
        if system == "training":
            return self._components.network, getattr(self._components, split).inputs
        if system not in self._networks:
            device = pick_device(self._experiment.device)
            self._networks[system] = system_parts(system, self._experiment, device)
        network, experiment = self._networks[system]
        if (system, split) not in self._inputs:
            images: TableDigests = self._tables.read(split, self._experiment.data)
            self._inputs[system, split] = make_inputs(experiment, network, images)
        return network, self._inputs[system, split]
