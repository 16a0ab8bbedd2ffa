"""A rehearsal: every part is built and one batch goes forward and backward; nothing is written."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from facesim.data.linter.protocol import lint_protocol
from facesim.experiment.schema import Experiment
from facesim.model.devices import describe_device
from facesim.processes import Processes
from facesim.training.build import RunComponents, prepare
from facesim.training.determinism import deterministic
from facesim.training.evaluation_pairs import choose_all_pairs
from facesim.training.step import NonFiniteLossError, precision_of, seed_step, training_loss


@dataclass(frozen=True)
class CheckReport:
    """What `facesim check` found; every figure is of the experiment as it would run.

    Attributes:
        lines: (what, figure) pairs for the reader.
        notes: what the tables left out or find odd, and the linter's warnings.
    """

    lines: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def check_experiment(experiment: Experiment, out: Path, processes: Processes) -> CheckReport:
    """Build an experiment and rehearse one training step.

    Raises:
        FacesimError: something cannot be built or read, or the first loss is no number or has no
            gradient.
        ProtocolError: the linter found an error.
    """
    prepared = prepare(experiment)
    splits = prepared.splits
    pairs = choose_all_pairs(experiment, splits[1:])
    lint = lint_protocol(experiment, splits, pairs, processes)
    lint.require_no_errors()
    with deterministic(experiment.train.deterministic):
        loss = _rehearse(prepared)
    notes = [f"{split.name}: {note}" for split in splits for note in split.table.notes]
    tables = [
        (split.name, f"{len(split.table):,} images of {len(split.table.labels):,} identities")
        for split in splits
    ]
    notes += [*map(str, lint.findings), *_signs_of_no_training(prepared, loss)]
    return CheckReport((*tables, *_figures(prepared, loss, out)), tuple(notes))


def _rehearse(prepared: RunComponents) -> float:
    settings, network = prepared.experiment.train, prepared.network
    device = network.device
    seed_step(prepared.experiment.seed, 0, device)
    network.train()
    one = iter([next(iter(prepared.sampler.batches(0)))])
    batch, inputs = next(iter(prepared.train.inputs.batches(one, 0)))
    precision = precision_of(settings.precision, device)
    loss = training_loss(network, inputs.to(device), batch.to(device), precision)
    if not torch.isfinite(loss):
        raise NonFiniteLossError(
            f"the loss is {loss.item()} on the first batch, before anything is trained; look at "
            f"what the loss {type(network.loss).__name__} computes, and at the weights"
        )
    if loss.requires_grad:
        torch.autograd.backward(loss)
    return loss.item()


def _signs_of_no_training(prepared: RunComponents, loss: float) -> list[str]:
    """What of the rehearsed batch says that nothing would be learned."""
    groups = prepared.network.parameter_groups()
    gradients = [each.grad for group in groups for each in group["params"]]
    if not gradients or any(each is not None and each.any() for each in gradients):
        return []
    sign = (
        f"warning: the first batch leaves every trained weight as it is (loss {loss:.4f}, gradient "
        "0): margins that no pair is within, or a distance that they are not made for?"
    )
    return [sign]


def _figures(prepared: RunComponents, loss: float, out: Path) -> Iterator[tuple[str, str]]:
    experiment, network = prepared.experiment, prepared.network
    trained, frozen = network.count_parameters()
    pairs = sum(len(batch.same) for batch in prepared.sampler.batches(0))
    batches = len(prepared.sampler)
    yield "parameters", f"{trained:,} trained, {frozen:,} frozen"
    yield "embedding", f"{network.embedding_dim} numbers"
    yield "an epoch", f"{pairs:,} pairs in {batches:,} batches"
    yield "the run", f"{experiment.train.epochs} epochs, {prepared.total_steps:,} steps"
    yield "first loss", f"{loss:.4f}"
    yield "device", describe_device(network.device)
    yield "would write", f"{out / experiment.name}/<date and time>/"
    yield "a checkpoint", f"about {_megabytes(prepared):,.1f} MB"


def _megabytes(prepared: RunComponents) -> float:
    """Weights but the trunk's, and the trained ones twice more for an optimizer such as Adam."""
    tensors = prepared.network.trained_state().values()
    weights: int = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    trained, _ = prepared.network.count_parameters()
    return (weights + 2 * trained * torch.finfo(torch.float32).bits / 8) / 1e6
