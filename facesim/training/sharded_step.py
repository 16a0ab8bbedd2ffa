"""A training step whose batch is cut into shards: the same bits on any number of processes."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from facesim.errors import FacesimError
from facesim.model.network import NetworkInput, SiameseNetwork
from facesim.processes import Processes
from facesim.training.checkpoint import TrainingState
from facesim.training.shards import BatchNorms, Shards, SharedBatch
from facesim.training.step import autocast, checked_loss, seed_step


class ShardedStep:
    """Embeds this process's shards, computes the loss of the whole batch, and moves the weights.

    1. Each process embeds its own shards, each seeded by (seed, step, shard) and normalised by its
       own statistics.
    2. The embeddings of all shards are gathered in shard order. Every process computes the loss of
       the whole batch, and its gradient by the embeddings.
    3. Each process sends the gradient of its own shards back through its tail; the gradients of
       all shards are gathered, and every process adds them up in shard order.

    So nothing depends on the number of processes, and no factor of it appears anywhere.

    Args:
        state: what is trained.
        shards: how a batch is cut, and which shards are this process's.
        processes: gather.
        seed: of the experiment.
        precision: in which tail and head compute.
        ordered: whether gradients are added up in shard order; otherwise each process adds up its
            own, and `all_reduce` the rest, which is equal only within rounding.
    """

    def __init__(
        self,
        state: TrainingState,
        shards: Shards,
        processes: Processes,
        *,
        seed: int,
        precision: str,
        ordered: bool,
    ) -> None:
        self._state = state
        self._shards = shards
        self._processes = processes
        self._seed = seed
        self._precision = precision
        self._ordered = ordered
        groups = {group["name"]: group["params"] for group in state.network.parameter_groups()}
        self._loss_weights: list[Tensor] = groups.pop("loss", [])
        self._weights: list[Tensor] = [weight for group in groups.values() for weight in group]
        self._embedded: list[Tensor] = []
        self._places: list[slice] = []
        self._norms, self._statistics = BatchNorms(), torch.empty(0)
        self._gathered = torch.empty(0)
        self._has_checked_buffers = False

    def loss(self, batch: SharedBatch, inputs: NetworkInput, step: int) -> Tensor:
        """The loss of a whole batch, a float32 scalar.

        Args:
            batch: with the pairs, on the network's device.
            inputs: the images of this process's shards, on the network's device.
            step: number of the step.

        Raises:
            FacesimError: the loss is not a scalar or has no gradient, or the network keeps
                something else than BatchNorm statistics in training.
            GroupFailedError: another process failed.
        """
        network, images = self._state.network, len(batch.whole.images)
        norms = BatchNorms(network.backbone.tail, network.head)
        own = self._shards.own(images)
        statistics: list[Tensor] = []
        self._embedded, self._places = [], [places for _, places in own]
        before = {} if self._has_checked_buffers else _other_buffers(network, norms)
        for (shard, _), part in zip(own, _split(inputs, self._places), strict=True):
            seed_step(self._seed, step, network.device, "shard", shard)
            with norms.of_one_shard() as collected, autocast(network.device, self._precision):
                self._embedded.append(network(part)[0])
                statistics.append(collected())
        _require_equal(before, _other_buffers(network, norms) if before else {})
        self._has_checked_buffers = True
        cut = self._shards.cut(images)
        rows, shared = self._exchange(statistics, norms.size, cut)
        share = [(places.stop - places.start) / images for places in cut]
        self._norms, self._statistics = norms, _weighted_sum(shared, share)
        self._gathered = rows.requires_grad_(bool(self._weights))
        seed_step(self._seed, step, network.device, "loss")
        with torch.autocast(network.device.type, enabled=False):
            loss: object = network.loss(self._gathered, batch.whole)
        return checked_loss(network, self._gathered, loss)

    def backward(self, loss: Tensor) -> None:
        """Give every weight its gradient of what :meth:`loss` gave, over all shards.

        Raises:
            GroupFailedError: another process failed.
        """
        weights = self._weights
        by = [self._gathered] if self._gathered.requires_grad else []
        found = torch.autograd.grad(loss, [*by, *self._loss_weights], allow_unused=True)
        by_embeddings, of_loss = found[: len(by)], found[len(by) :]
        summed = self._summed(*by_embeddings)
        for weight, gradient in zip(
            [*weights, *self._loss_weights], [*summed, *of_loss], strict=True
        ):
            weight.grad = gradient
        self._embedded = []

    def update(self, loss: Tensor) -> None:
        """One step of optimizer and scheduler along the gradient of what :meth:`loss` gave.

        BatchNorm's running statistics move with the weights: neither do if another process fails.
        """
        self.backward(loss)
        self._norms.move(self._statistics)
        self._state.optimizer.step()
        self._state.scheduler.step()

    def _exchange(
        self, statistics: Sequence[Tensor], size: int, cut: Sequence[slice]
    ) -> tuple[Tensor, list[Tensor]]:
        """Embeddings of the whole batch [B, D], and the statistics of each shard."""
        network = self._state.network
        most, width = cut[0].stop - cut[0].start, network.embedding_dim
        sent = torch.zeros(self._shards.per_process, most * width + size, device=network.device)
        for row, embeddings, numbers in zip(sent, self._embedded, statistics, strict=False):
            row[: embeddings.numel()] = embeddings.detach().reshape(-1)
            row[most * width :] = numbers
        received = torch.cat(self._processes.gather(sent))[: len(cut)]
        rows = [
            row[: (places.stop - places.start) * width].reshape(-1, width)
            for row, places in zip(received, cut, strict=True)
        ]
        return torch.cat(rows), [row[most * width :] for row in received]

    def _summed(self, by_embeddings: Tensor | None = None) -> Iterator[Tensor | None]:
        """The gradient of each weight over all shards; None for one that no shard used."""
        weights = self._weights
        if not weights:
            return
        size = sum(weight.numel() for weight in weights)
        sent = torch.zeros(self._shards.per_process, size + len(weights), device=weights[0].device)
        if by_embeddings is not None:
            for row, embeddings, places in zip(sent, self._embedded, self._places, strict=False):
                found = torch.autograd.grad(
                    embeddings, weights, by_embeddings[places], allow_unused=True
                )
                _write(row, found, weights)
        if self._ordered:
            rows = [row for part in self._processes.gather(sent) for row in part]
            total = rows[0].clone()
            for row in rows[1:]:
                total += row
        else:
            total = self._processes.sum(sent.sum(dim=0))
        used = total[size:].tolist()
        parts = torch.split(total[:size], [weight.numel() for weight in weights])
        for weight, part, count in zip(weights, parts, used, strict=True):
            yield part.reshape(weight.shape).to(weight.dtype) if count else None


def _other_buffers(network: SiameseNetwork, norms: BatchNorms) -> dict[str, Tensor]:
    """Copies of the buffers of tail and head that are not those of BatchNorm, by name."""
    return {
        f"the buffer {buffer!r} of the {name}": value.clone()
        for name, part in (("tail", network.backbone.tail), ("head", network.head))
        for buffer, value in part.named_buffers()
        if buffer not in norms.names_in(part)
    }


def _require_equal(before: dict[str, Tensor], after: dict[str, Tensor]) -> None:
    for name, value in before.items():
        if not torch.equal(value, after[name]):
            raise FacesimError(
                f"training changes {name}, by a value that depends on the order of a batch's "
                "shards: only BatchNorm's statistics can be merged; write `train: {shards: 1}`"
            )


def _split(inputs: NetworkInput, places: Sequence[slice]) -> Iterator[NetworkInput]:
    sizes = [each.stop - each.start for each in places]
    for values in torch.split(inputs.values, sizes) if sizes else ():
        yield NetworkInput(values, inputs.kind)


def _weighted_sum(rows: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    total = rows[0] * weights[0]
    for row, weight in zip(rows[1:], weights[1:], strict=True):
        total += row * weight
    return total


def _write(row: Tensor, gradients: Sequence[Tensor | None], weights: Sequence[Tensor]) -> None:
    """Write gradients one after the other, and behind them which weights have one."""
    begin = 0
    for number, (gradient, weight) in enumerate(zip(gradients, weights, strict=True)):
        if gradient is not None:
            row[begin : begin + weight.numel()] = gradient.reshape(-1)
            row[len(row) - len(weights) + number] = 1
        begin += weight.numel()
