"""Dry run: build every component and run one forward and backward pass; writes nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import torch

from facesim.data.image_copies import find_copies
from facesim.data.linter.protocol import lint_protocol, looks_for_near_images, read_digests
from facesim.errors import count
from facesim.experiment.decisions import AUTO
from facesim.experiment.schema import Experiment
from facesim.model.cache_admin import EngineName
from facesim.model.devices import describe_device
from facesim.model.folded_engines import why_unavailable
from facesim.processes import Processes
from facesim.runs.follower import share_start
from facesim.training.build import RunComponents, Tables, prepare
from facesim.training.checkpoint import Progress
from facesim.training.determinism import deterministic
from facesim.training.evaluation_pairs import choose_all_pairs
from facesim.training.lint import lint_experiment
from facesim.training.step import NonFiniteLossError, precision_of
from facesim.training.steps import Steps
from facesim.training.stop import stoppable

DECODED_IMAGES = 20_000
"""More images are not decoded to find near-duplicates: a check takes seconds."""


@dataclass(frozen=True)
class CheckReport:
    """What `facesim check` found, of the experiment as it would run.

    Attributes:
        lines: (label, value) pairs for the reader.
        notes: of the tables, and the warnings of the linter and of the dry run.
        numbers: sizes and the first loss, for scripts; of several trainings, those of the first.
    """

    lines: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    numbers: Mapping[str, float]


def check_experiment(experiment: Experiment, out: Path, processes: Processes) -> CheckReport:
    """Build an experiment, lint it, and run its first batch forward and backward.

    Raises:
        FacesimError: something cannot be built or read, or the first loss is not a finite number
            or has no gradient.
        ProtocolError: the linter found an error.
        Stopped: a signal came to one of several processes.
    """
    with stoppable(processes) as shared, deterministic(experiment.train.deterministic):
        return _checked(experiment, out, shared)


def _checked(experiment: Experiment, out: Path, processes: Processes) -> CheckReport:
    if experiment.folds is None:
        return _checked_one(experiment, out, processes)
    lint = lint_experiment(experiment, processes).report
    lint.require_no_errors()
    found = _checked_one(experiment.of_fold(1), out, processes, linted=True)
    table = Tables().read("test", experiment).table
    people = (
        f"{experiment.folds}, one after another, each tested on its share of "
        f"{count(len(table.labels), 'identity')}; what follows is of the first"
    )
    lines = (("trainings", people), *found.lines)
    notes = (*found.notes, *map(str, (*lint.images, *lint.findings)))
    return CheckReport(lines, notes, found.numbers)


def _checked_one(
    experiment: Experiment, out: Path, processes: Processes, *, linted: bool = False
) -> CheckReport:
    tables = Tables(processes.reporter)
    components = prepare(experiment, tables=tables)
    splits = components.splits
    pairs = choose_all_pairs(experiment, splits[1:])
    copies = find_copies(
        {split.name: split.table for split in splits},
        {split.name: read_digests(split, processes) for split in splits},
        processes,
        near=looks_for_near_images(experiment),
        at_most=DECODED_IMAGES,
    )
    lint = lint_protocol(experiment, splits, pairs, processes, copies, describe=not linted)
    lint.require_no_errors()
    share_start(processes, components, tables, Progress())
    loss = _first_loss(components, processes)
    notes = [f"{split.name}: {note}" for split in splits for note in split.table.notes]
    notes += () if linted else map(str, (*lint.images, *lint.findings))
    if looks_for_near_images(experiment) and not copies.decoded:
        notes.append(
            f"near-duplicates were not searched: more than {DECODED_IMAGES:,} images would have to "
            "be decoded, which `facesim lint` does, and every run before it trains"
        )
    gradients = [
        parameter.grad
        for group in components.network.parameter_groups()
        for parameter in group["params"]
    ]
    if gradients and not any(each is not None and each.any() for each in gradients):
        notes.append(
            f"warning: the first batch leaves every trainable weight as it is (loss {loss:.4f}, "
            "gradient 0): is every pair beyond the margin, or the loss made for other distances?"
        )
    numbers = _numbers(components, loss)
    lines = tuple(_lines(components, numbers, out, processes))
    return CheckReport(lines, tuple(notes), numbers)


def _first_loss(components: RunComponents, processes: Processes) -> float:
    """The loss of the first batch, whose gradients are computed too."""
    steps, network = Steps(components, processes), components.network
    processes.request("try_step")
    part, inputs = next(steps.batches(0, 0, 1))
    loss = steps.loss(part, inputs, 0)
    if not torch.isfinite(loss):
        raise NonFiniteLossError(
            f"the loss is {loss.item()} on the first batch, before anything is trained; look at "
            f"what the loss {type(network.loss).__name__} computes, and at the weights"
        )
    steps.backward(loss)
    return loss.item()


_FITS = {
    "letterbox": "fit letterbox: whole images, black bars",
    "crop": "fit crop: the middle of images",
    "stretch": "fit stretch: whole images, distorted",
}


def _fit_in_words(experiment: Experiment) -> str:
    aligner = experiment.image.aligner
    return _FITS[experiment.image.fit] if aligner is None else f"faces cut out by {aligner.name}"


def _engine_in_words(experiment: Experiment, device: torch.device) -> str:
    precision = precision_of(experiment.train.precision, device)
    if experiment.backbone_engine != AUTO:
        return experiment.backbone_engine
    names: tuple[EngineName, ...] = get_args(EngineName)
    there = [name for name in names if why_unavailable(name, device, precision) is None]
    if len(there) == 1:
        return f"auto: {there[0]}, the only one here; `facesim doctor` says why"
    return f"auto: the fastest of {', '.join(there)}, chosen when the run begins"


def _numbers(components: RunComponents, loss: float) -> dict[str, float]:
    trainable, frozen = components.network.count_parameters()
    numbers: dict[str, float] = {}
    for split in components.splits:
        numbers[f"{split.name}_images"] = len(split.table)
        numbers[f"{split.name}_identities"] = len(split.table.labels)
    return {
        **numbers,
        "trainable_parameters": trainable,
        "frozen_parameters": frozen,
        "embedding_dim": components.network.embedding_dim,
        "pairs_per_epoch": sum(len(batch.same) for batch in components.sampler.batches(0)),
        "batches_per_epoch": len(components.sampler),
        "steps": components.total_steps,
        "first_loss": loss,
    }


def _lines(
    components: RunComponents, numbers: Mapping[str, float], out: Path, processes: Processes
) -> Iterator[tuple[str, str]]:
    experiment, network = components.experiment, components.network
    for split in components.splits:
        table = split.table
        yield split.name, f"{count(len(table), 'image')} of {count(len(table.labels), 'identity')}"
    height, width = experiment.image.size
    yield "input", f"{height} x {width} pixels (height x width), {_fit_in_words(experiment)}"
    trainable, frozen = numbers["trainable_parameters"], numbers["frozen_parameters"]
    pairs = int(numbers["pairs_per_epoch"])
    # Weights but the trunk's, and the trainable ones twice more for an optimizer such as Adam.
    tensors = network.trained_state().values()
    weights = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    megabytes = (weights + 2 * trainable * torch.finfo(torch.float32).bits / 8) / 1e6
    yield "parameters", f"{trainable:,} trainable, {frozen:,} frozen"
    yield "embedding", f"{network.embedding_dim} numbers"
    yield "epoch", f"{count(pairs, 'pair')} in {count(len(components.sampler), 'batch')}"
    yield (
        "run",
        f"{count(experiment.train.epochs, 'epoch')}, {count(components.total_steps, 'step')}",
    )
    yield "first loss", f"{numbers['first_loss']:.4f}"
    yield "device", describe_device(network.device)
    if network.backbone.has_trunk:
        yield "backbone engine", _engine_in_words(experiment, network.device)
    if processes.size > 1:
        share = experiment.train.shards // processes.size
        yield (
            "processes",
            f"{processes.size}, each embeds {share} of {experiment.train.shards} shards",
        )
    yield "would write", f"{out / experiment.name}/<date and time>/"
    yield "checkpoint", f"about {megabytes:,.1f} MB"
