"""A training step tried out before the first: compiled, measured, and looked at."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from facesim.errors import FacesimError
from facesim.experiment.schema import Experiment
from facesim.interfaces import MiningSampler, Sampler
from facesim.model.devices import describe_device
from facesim.model.inputs import Inputs
from facesim.model.network import NetworkInput, SiameseNetwork
from facesim.plugin_failures import reason_of
from facesim.training.input_dtype import input_dtype
from facesim.training.shards import BatchNorms, Shards
from facesim.training.step import autocast, precision_of


class Rehearsal:
    """A forward and a backward pass of tail and head that leaves everything as it was.

    Args:
        network: whose tail and head are run as in a step.
        blank: the images of one pass, as the inputs give them; the trunk is run on two of them at
            most.
        precision: in which tail and head compute.
        by_shard: whether BatchNorm collects the statistics of one shard.
    """

    def __init__(
        self, network: SiameseNetwork, blank: NetworkInput, precision: str, *, by_shard: bool
    ) -> None:
        self.network = network
        self.precision = precision
        self.by_shard = by_shard
        self._blank = blank
        self._is_stored = blank.kind == "trunk_output"

    @cached_property
    def _trunk_output(self) -> Tensor:
        """Of the blank images; where it is cached, in the type of the cache."""
        network, values = self.network, self._blank.values.to(self.network.device)
        if self._is_stored:
            return values
        with torch.no_grad(), autocast(network.device, self.precision):
            output = network.engine.run(values[:2])
        return output.new_zeros((len(values), *output.shape[1:]))

    @cached_property
    def _output_as_given(self) -> Tensor:
        """The same, in the type in which the modules are given it."""
        return self._trunk_output.to(input_dtype(self.network, self._blank, self.precision))

    @classmethod
    def of(
        cls,
        experiment: Experiment,
        network: SiameseNetwork,
        inputs: Inputs,
        sampler: Sampler,
        images: int,
    ) -> "Rehearsal":
        """That of a training: the same at its beginning as where it is resumed.

        Args:
            experiment: of the training.
            network: that is trained.
            inputs: of the training images.
            sampler: of the training pairs.
            images: of the training table.
        """
        settings = experiment.train
        size = min(2 * settings.batch_size, images)
        if not isinstance(sampler, MiningSampler):  # whose batches follow from what it has mined
            size = next((len(batch.images) for batch in sampler.batches(0)), size)
        first = Shards(settings.shards).cut(size)[0]
        blank = inputs.blank(first.stop - first.start)
        precision = precision_of(settings.precision, network.device)
        return cls(network, blank, precision, by_shard=settings.shards > 1)

    def run(self) -> None:
        """Run both passes, and wait for the device."""
        network = self.network
        output = self._trunk_output if network.is_compiled else self._output_as_given
        with _unchanged(network):
            norms = BatchNorms(network.backbone.tail, network.head)
            collecting = norms.of_one_shard() if self.by_shard else nullcontext()
            with collecting, autocast(network.device, self.precision):
                embeddings = network.embed_trunk_output(output, widen=self._is_stored)
            if embeddings.requires_grad:
                torch.autograd.backward(embeddings.square().mean())
            if network.device.type == "cuda":
                torch.cuda.synchronize(network.device)

    def compile(self) -> None:
        """Compile what is trained, for batches of any size, by the blank images.

        The compiler divides sums among threads by the size of the first batch that it sees, and
        its cache on disk may hold the graph as another training had it compiled. So that a resumed
        training has the same bits, the size is part of that cache's key.

        Raises:
            FacesimError: it cannot be compiled into one graph, and why.
        """
        config: Any = getattr(torch.compiler, "config", None)
        tag = getattr(config, "cache_key_tag", None)
        if tag is not None:
            config.cache_key_tag = f"{tag} facesim {len(self._trunk_output)}".strip()
        self.network.compile_for_training()
        try:
            self.run()
        except Exception as error:
            self.network.run_modules()
            raise FacesimError(
                "tail and head cannot be compiled into one graph for batches of any size: "
                f"{reason_of(error)}"
            ) from error
        finally:
            if tag is not None:
                config.cache_key_tag = tag

    def key(self) -> str:
        """32 hexadecimal digits that change with what the duration of a pass depends on."""
        network = self.network
        parts = nn.ModuleList([network.backbone.tail, network.head])
        shapes = [(name, tuple(p.shape), p.requires_grad) for name, p in parts.named_parameters()]
        what = (repr(parts), shapes, tuple(self._trunk_output.shape), self.precision, self.by_shard)
        machine = describe_device(network.device), torch.backends.cpu.get_cpu_capability()
        types = [str(each.dtype) for each in (self._trunk_output, self._output_as_given)]
        text = repr((what, types, torch.__version__, machine))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@contextmanager
def _unchanged(network: SiameseNetwork) -> Iterator[None]:
    """Training mode inside the block; behind it everything but time is as it was.

    The buffers of tail and head (BatchNorm's statistics), gradients, mode, and the states of
    torch's random generators.
    """
    parts = nn.ModuleList([network.backbone.tail, network.head])
    buffers = {name: buffer.clone() for name, buffer in parts.named_buffers()}
    was_training = network.training
    devices = [network.device] if network.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        network.train()
        try:
            yield
        finally:
            with torch.no_grad():
                for name, buffer in parts.named_buffers():
                    buffer.copy_(buffers[name])
            network.zero_grad(set_to_none=True)
            network.train(was_training)
