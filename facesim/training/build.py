"""Building the components of a run from its experiment."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler

from facesim.console import printable
from facesim.data.identity_split import split_table
from facesim.data.image_digests import TableDigests
from facesim.data.tables import drop_images, require_plain_names
from facesim.errors import DataError, FacesimError
from facesim.evaluation.attribute_values import require_attributes
from facesim.experiment.decisions import Decision, decided
from facesim.experiment.exclusion import SPLITS, place_of
from facesim.experiment.measured_metrics import measured_metrics, quantity_named
from facesim.experiment.nodes import is_text
from facesim.experiment.schema import Experiment
from facesim.experiment.sections import Data
from facesim.interfaces import Callback, FaceTable, Sampler, TableSampler, Tracker, Transform
from facesim.interfaces.metric import Metric, Quantity
from facesim.model.build import build_network
from facesim.model.devices import pick_device
from facesim.model.inputs import Inputs, PixelInputs
from facesim.model.network import SiameseNetwork
from facesim.registry import Spec
from facesim.reporters import Reporter, SilentReporter
from facesim.seeds import derive_seed
from facesim.training.aligned_tables import align_table
from facesim.training.checkpoint import TrainingState
from facesim.training.compiling import COMPILE, decide_compile
from facesim.training.determinism import undisturbed
from facesim.training.engines import ENGINE, decide_engine, use_engine
from facesim.training.make_inputs import make_inputs
from facesim.training.rehearsal import Rehearsal
from facesim.training.trunk_file import load_trunk, restore_trunk


@dataclass(frozen=True)
class Split:
    """One split of the data.

    Attributes:
        name: train, val or test.
        table: its images.
        inputs: the images as the network takes them.
        digests: the table with its images' digests.
    """

    name: str
    table: FaceTable
    inputs: Inputs
    digests: TableDigests


@dataclass(frozen=True)
class RunComponents:
    """The components of a run, built from its experiment.

    Attributes:
        experiment: as it was read; what it leaves open is filled in when it is decided.
        train: the training split, with its augmentations.
        val: the split for thresholds and the best checkpoint.
        test: the split for the final results; training does not touch it.
        sampler: draws the training pairs.
        state: network, optimizer and scheduler.
        total_steps: batches in all epochs together.
        trackers: not started yet.
        callbacks: by their keys, the plugin's name and a number where it is not the first.
        metrics: measured on val after each epoch, by name.
        best: by which the best checkpoint is kept.
        decisions: what was decided for the run, by dotted key.
    """

    experiment: Experiment
    train: Split
    val: Split
    test: Split
    sampler: Sampler
    state: TrainingState
    total_steps: int
    trackers: tuple[Tracker, ...]
    callbacks: dict[str, Callback]
    metrics: dict[str, Metric]
    best: Quantity
    decisions: Mapping[str, Decision] = field(default_factory=dict)

    @property
    def splits(self) -> tuple[Split, Split, Split]:
        """Train, val and test."""
        return self.train, self.val, self.test

    @property
    def network(self) -> SiameseNetwork:
        """The network under training."""
        return self.state.network


class Tables:
    """The tables of datasets with their images' digests; each dataset is read once.

    Args:
        reporter: shows the progress where faces are searched for, and what is decided.
    """

    def __init__(self, reporter: Reporter | None = None) -> None:
        self.reporter = reporter or SilentReporter()
        self._read: list[tuple[Any, TableDigests]] = []
        self._sources: list[tuple[Any, FaceTable]] = []
        self._divided: list[tuple[Any, dict[str, FaceTable]]] = []
        self._excluded: set[str] = set()

    def read(self, name: str, experiment: Experiment) -> TableDigests:
        """The table of a split without its excluded images, read only if it has not been before.

        Args:
            name: ``train``, ``val`` or ``test``.
            experiment: names the datasets, what is excluded of them, and how faces are aligned.

        Raises:
            FacesimError: the table cannot be read or is empty, an excluded image is not there, or
                photographs have no face.
        """
        data, image = experiment.data, experiment.image
        dataset, division = data.dataset_of(name), None
        key = f"data.{name}"
        if getattr(data, name) is None:
            key, division = "data.source", (name, data.split)
        listed: tuple[str, ...] = () if data.exclude is None else getattr(data.exclude, name)
        anywhere: tuple[str, ...] = () if data.exclude is None else data.exclude.anywhere
        what = (dataset, division, (*listed, *anywhere), image)
        for known, images in self._read:
            if known == what:
                return images
        try:
            table = _build(dataset) if division is None else self._part(name, data)
            require_plain_names(table.files, table.labels)
            _require_text(table.attributes)
            here = set(anywhere).intersection(table.files.tolist()) if anywhere else set()
            excluded = dict.fromkeys([*listed, *(file for file in anywhere if file in here)])
            if excluded and data.exclude is not None:
                place = partial(place_of, data.exclude.file, name)
                table = drop_images(table, list(excluded), place)
        except FacesimError as error:
            raise FacesimError(f"{key}: {error}{_advice(experiment, key)}") from error
        except OSError as error:
            where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
            told = f"{where}{error.strerror or error}{_advice(experiment, key)}"
            raise FacesimError(f"{key}: {told}") from error
        if not len(table):
            raise FacesimError(f"data.{name}: dataset {dataset.name!r} holds no image")
        self._excluded |= here
        try:
            images = align_table(TableDigests(table), image, name, self.reporter)
        except DataError as error:
            raise DataError(f"data.{name}: {error}") from error
        self._read.append((what, images))
        return images

    def _part(self, name: str, data: Data) -> FaceTable:
        """A split of the source, which is read once.

        Images are excluded only afterwards: who is in which split does not follow from them.
        """
        what = (data.source, data.split)
        tables = next((tables for known, tables in self._divided if known == what), None)
        if tables is None:
            table = self._source(data)
            tables = split_table(table, data.split) if len(table) else dict.fromkeys(SPLITS, table)
            self._divided.append((what, tables))
        if name not in tables:
            raise FacesimError(
                f"each of the folds has a {name} of its own; name one with `data.split.fold`"
            )
        return tables[name]

    def _source(self, data: Data) -> FaceTable:
        for known, read in self._sources:
            if known == data.source:
                return read
        table: FaceTable = _build(data.dataset_of("train"))
        self._sources.append((data.source, table))
        return table

    def require_excluded(self, data: Data) -> None:
        """Raise if an image that is excluded from whichever split holds it was in none.

        Raises:
            DataError: with the place where it is excluded.
        """
        for file in () if data.exclude is None else data.exclude.anywhere:
            if file not in self._excluded:
                place = place_of(data.exclude.file if data.exclude else None, "", file)
                raise DataError(f"{place}: {file!r} is no image of {', '.join(SPLITS)}")


def _advice(experiment: Experiment, key: str) -> str:
    """What may help where a dataset cannot be read: a variable that is not set."""
    unset = experiment.unset_below(key)
    return f"; set the variable {unset}, whose default leads nowhere" if unset else ""


def prepare(
    experiment: Experiment,
    trunk: Path | dict[str, Tensor] | None = None,
    tables: Tables | None = None,
) -> RunComponents:
    """Read the tables and build every component.

    Args:
        experiment: names the components.
        trunk: the frozen weights of a run that is resumed, in a file, or of the main process.
        tables: caches the tables that are read.

    Raises:
        FacesimError: a table cannot be read or a component cannot be built.
    """
    metrics, best = measured_metrics(experiment), quantity_named(experiment, experiment.train.best)
    trackers = tuple(_build(spec) for spec in experiment.trackers)  # may lack their packages
    callbacks = _callbacks(experiment)
    device = pick_device(experiment.device)
    tables = tables or Tables()
    train_table = tables.read("train", experiment).table
    network = build_network(experiment, len(train_table.labels), device)
    if isinstance(trunk, Path):
        load_trunk(trunk, network)
    elif trunk is not None:
        restore_trunk("what the main process sent", trunk, network)
    use_engine(network, experiment)  # before the inputs, of whose cache it is a part
    train, val, test = (load_split(experiment, name, network, tables) for name in SPLITS)
    tables.require_excluded(experiment.data)
    _require_memory("train.batch_size", 2 * experiment.train.batch_size, experiment, train)
    for split in (val, test):
        _require_memory("evaluate.batch_size", experiment.evaluate.batch_size, experiment, split)
    sampler = _build(
        experiment.sampler,
        train.table.identities,
        experiment.train.batch_size,
        derive_seed(experiment.seed, "sampler"),
    )
    if isinstance(sampler, TableSampler):
        sampler.read_table(train.table)
    total_steps = len(sampler) * experiment.train.epochs
    if total_steps == 0 and experiment.train.epochs:
        raise FacesimError(
            f"sampler {experiment.sampler.name!r} draws no batch from the {len(train.table)} "
            "training images; lower train.batch_size or draw more pairs per image"
        )
    optimizer, scheduler = _make_updates(experiment, network, total_steps)
    state = TrainingState(network, optimizer, scheduler, len(train.table.labels), sampler)
    return RunComponents(
        experiment,
        train,
        val,
        test,
        sampler,
        state,
        total_steps,
        trackers,
        callbacks,
        metrics,
        best,
    )


def decide(components: RunComponents, tables: Tables) -> RunComponents:
    """The components of a run that begins, with what its experiment leaves to the machine decided.

    Args:
        components: as :func:`prepare` built them; what they say is decided stays.
        tables: where the tables are kept that were read.

    Raises:
        FacesimError: what the experiment asks for cannot be had here.
    """
    if ENGINE not in components.decisions:
        components = _with_engine(components, tables)
    if COMPILE in components.decisions:
        return components
    train = components.experiment.train
    decisions = decide_compile(
        train.compile,
        components.total_steps * train.shards,
        lambda: Rehearsal.of(
            components.experiment,
            components.network,
            components.train.inputs,
            components.sampler,
            len(components.train.table),
        ),
    )
    return replace(
        components,
        experiment=decided(components.experiment, decisions),
        decisions={**components.decisions, **decisions},
    )


def _with_engine(components: RunComponents, tables: Tables) -> RunComponents:
    network, known = components.network, components.decisions
    transforms = _transforms(components.experiment)
    every = [split.digests for split in components.splits]
    before = network.engine
    found = decide_engine(
        components.experiment, network, every, transforms, components.sampler, tables.reporter
    )
    experiment = decided(components.experiment, found)
    components = replace(components, experiment=experiment, decisions={**known, **found})
    if network.engine is before:
        return components
    train, val, test = (load_split(experiment, name, network, tables) for name in SPLITS)
    return replace(components, train=train, val=val, test=test)


def _callbacks(experiment: Experiment) -> dict[str, Callback]:
    found: dict[str, Callback] = {}
    for spec in experiment.callbacks:
        key, number = spec.name, 1
        while key in found:
            number += 1
            key = f"{spec.name}-{number}"
        with undisturbed():
            found[key] = _build(spec)
    return found


def _require_memory(key: str, images: int, experiment: Experiment, split: Split) -> None:
    """Raise if the pixels of a batch alone would fill the memory, and the process be killed."""
    if not isinstance(split.inputs, PixelInputs):
        return
    height, width = experiment.image.size
    size = min(images, len(split.table)) * 3 * height * width * torch.float32.itemsize
    if size > _memory():
        raise FacesimError(
            f"{key} and image.size: the pixels of a batch take {size / 2**30:,.0f} GiB, and this "
            f"machine has {_memory() / 2**30:,.0f} GiB of memory; lower one of them"
        )


def _memory() -> float:
    """Bytes of memory that the machine has; infinite where that is not known."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return math.inf


def _make_updates(
    experiment: Experiment, network: SiameseNetwork, total_steps: int
) -> tuple[Optimizer, LRScheduler]:
    """Optimizer and scheduler; those of an empty tensor if no epoch is trained."""
    if not experiment.train.epochs:
        optimizer: Optimizer = SGD([torch.zeros(0)], lr=0.0)
        return optimizer, ConstantLR(optimizer, factor=1.0)
    groups = network.parameter_groups()
    if not groups:
        raise FacesimError(
            "nothing is trainable: backbone, head and loss have no free parameter; to measure the "
            "network as it is, write `train: {epochs: 0}`"
        )
    optimizer = _build(experiment.optimizer, groups)
    return optimizer, _build(experiment.scheduler, optimizer, total_steps)


def load_split(experiment: Experiment, name: str, network: SiameseNetwork, tables: Tables) -> Split:
    """The split ``data.<name>``, as inputs of ``network``.

    Raises:
        FacesimError: the table cannot be read or is empty, or test lacks an attribute by which
            its errors are asked for.
    """
    images = tables.read(name, experiment)
    if name == "test":
        require_attributes(images.table.attributes, experiment.evaluate.slices)
    # Only the training split is augmented.
    transforms = _transforms(experiment) if name == "train" else ()
    return Split(name, images.table, make_inputs(experiment, network, images, transforms), images)


def _transforms(experiment: Experiment) -> tuple[Transform, ...]:
    return tuple(_build(spec) for spec in experiment.transforms)


def _require_text(attributes: pd.DataFrame) -> None:
    """Raise if a name or a value of the attributes is not text, which JSON could not hold."""
    for name in attributes.columns:
        is_number = pd.api.types.is_numeric_dtype(attributes[name])
        values = () if is_number else attributes[name].unique()
        for text in (name, *values):
            if isinstance(text, str) and not is_text(text):
                raise DataError(
                    f"the attribute {printable(str(name))!r} is not UTF-8 text or holds a NUL"
                    + (f": {printable(text)!r}" if text != name else "")
                )


def _build(spec: "Spec[Any]", *arguments: Any) -> Any:
    """Build a plugin; a ValueError of its own about its parameters becomes a FacesimError."""
    try:
        return spec.build(*arguments)
    except ValueError as error:
        raise FacesimError(f"{spec.plugin.kind} {spec.name!r}: {error}") from error
