"""The steps of an epoch, as every process of a run computes them."""

from collections.abc import Iterator
from functools import cached_property
from itertools import islice

import torch
from torch import Tensor

from facesim.console import warn_once
from facesim.errors import FacesimError
from facesim.model.folded_engines import why_not_compiled
from facesim.model.network import NetworkInput
from facesim.processes import Processes
from facesim.training.build import RunComponents
from facesim.training.checkpoint import Progress
from facesim.training.input_dtype import input_dtype
from facesim.training.rehearsal import Rehearsal
from facesim.training.sharded_step import ShardedStep
from facesim.training.shards import Shards, SharedBatch
from facesim.training.step import (
    precision_of,
    require_finite,
    seed_step,
    training_loss,
    update,
    why_slow,
)


class Steps:
    """Draws the batches of an epoch and trains on them, or on the part that falls to this process.

    Args:
        components: network, optimizer, sampler and images.
        processes: that share each batch.

    Raises:
        FacesimError: the shards of a batch cannot be shared evenly, or there is nothing to compile
            with.
    """

    def __init__(self, components: RunComponents, processes: Processes) -> None:
        settings = components.experiment.train
        self._components = components
        self._seed = components.experiment.seed
        self._device = components.network.device
        self._precision = precision_of(settings.precision, self._device)
        if settings.epochs and (slow := why_slow(self._precision, self._device)):
            warn_once(f"train.precision: {slow}")
        self._shards = Shards.of(settings.shards, processes)
        self._compiles = settings.compile is True and not components.network.is_compiled_by_parts
        if self._compiles and (reason := why_not_compiled(self._device)):
            raise FacesimError(f"train.compile: {reason}; or write `train: {{compile: false}}`")
        self._sharded: ShardedStep | None = None
        if settings.shards > 1 and settings.epochs:
            self._sharded = ShardedStep(
                components.state,
                self._shards,
                processes,
                seed=self._seed,
                precision=self._precision,
                ordered=settings.reduce == "ordered",
            )

    def batches(
        self, epoch: int, begin: int, end: int | None = None
    ) -> Iterator[tuple[SharedBatch, NetworkInput]]:
        """The batches of an epoch from ``begin`` to before ``end``, with this process's images.

        The network is in training mode from then on.

        Raises:
            FacesimError: what is trained cannot be compiled.
        """
        components = self._components
        if self._compiles:
            self._compile()
        components.network.train()
        drawn = islice(components.sampler.batches(epoch), begin, end)
        parts = (SharedBatch.of(batch, self._shards) for batch in drawn)
        dtype = None if components.network.is_compiled else self._input_dtype
        return components.train.inputs.batches(parts, epoch, dtype=dtype)

    @cached_property
    def _input_dtype(self) -> torch.dtype | None:
        components = self._components
        blank = components.train.inputs.blank(4)
        return input_dtype(components.network, blank, self._precision)

    def _compile(self) -> None:
        components = self._components
        rehearsal = Rehearsal.of(
            components.experiment,
            components.network,
            components.train.inputs,
            components.sampler,
            len(components.train.table),
        )
        try:
            rehearsal.compile()
        except FacesimError as error:
            raise FacesimError(
                f"train.compile: {error}; write `train: {{compile: false}}`"
            ) from error
        self._compiles = False

    def run(self, part: SharedBatch, inputs: NetworkInput, progress: Progress) -> Tensor:
        """Update the weights by one batch; returns its loss, which may still be computed.

        Raises:
            NonFiniteLossError: the loss is no finite number; on the CPU, where nothing waits for
                it, before the weights are updated.
        """
        loss = self.loss(part, inputs, progress.step)
        if self._device.type == "cpu":
            require_finite(loss.item(), progress.epoch + 1, progress.batch + 1, progress.step + 1)
        if self._sharded is None:
            update(self._components.state, loss)
        else:
            self._sharded.update(loss)
        return loss.detach()

    def loss(self, part: SharedBatch, inputs: NetworkInput, step: int) -> Tensor:
        """The loss of a batch, a scalar with its graph; draws what the step of a number draws."""
        batch, inputs = part.to(self._device), inputs.to(self._device)
        if self._sharded is not None:
            return self._sharded.loss(batch, inputs, step)
        seed_step(self._seed, step, self._device)
        return training_loss(self._components.network, inputs, batch.whole, self._precision)

    def backward(self, loss: Tensor) -> None:
        """Give every weight its gradient of what :meth:`loss` gave; moves none."""
        if self._sharded is not None:
            self._sharded.backward(loss)
        elif loss.requires_grad:
            torch.autograd.backward(loss)
