"""The engine of a run's frozen trunk: chosen when the run begins, and used by all that embeds."""

import json
from collections.abc import Mapping, Sequence
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor

from facesim.data.image_digests import TableDigests
from facesim.data.loader import load_images
from facesim.data.preprocessing import Preprocessing
from facesim.errors import FacesimError
from facesim.experiment.decisions import Decision
from facesim.experiment.schema import Experiment
from facesim.interfaces import FaceTable, Sampler, Transform
from facesim.model.engine_choice import TrunkWork, choose_engine, make_engine
from facesim.model.network import SiameseNetwork
from facesim.model.trunk_engine import EagerEngine, TrunkEngine
from facesim.reporters import Reporter
from facesim.training.determinism import undisturbed
from facesim.training.make_inputs import cache_refusal_reason, missing_of_eager
from facesim.training.step import precision_of

ENGINE = "backbone_engine"
"""The key of an experiment that names the engine."""

_made: WeakValueDictionary[tuple[object, ...], TrunkEngine] = WeakValueDictionary()
"""Compiling takes a minute, and an evaluation builds the network of its run again."""


def use_engine(network: SiameseNetwork, experiment: Experiment) -> None:
    """Run the network's trunk, with the weights that it has now, by the experiment's engine.

    Args:
        network: on the device where it runs.
        experiment: that names the engine; one that leaves it open has not begun, and is eager.

    Raises:
        FacesimError: the engine is not available here.
    """
    name = experiment.backbone_engine
    if name == "auto" or name == "eager" or not network.backbone.has_trunk:
        network.engine = EagerEngine(network.backbone)
        return
    key = _key(name, network, experiment)
    engine = _made.get(key)
    if engine is None:
        precision = precision_of(experiment.train.precision, network.device)
        engine = make_engine(name, network.backbone, experiment.image.size, precision)
        _made[key] = engine
    network.engine = engine


def decide_engine(
    experiment: Experiment,
    network: SiameseNetwork,
    images: Sequence[TableDigests],
    transforms: Sequence[Transform],
    sampler: Sampler,
    reporter: Reporter,
) -> dict[str, Decision]:
    """Choose the engine of a run that begins, by its key; nothing if no trunk is frozen.

    Args:
        experiment: that names an engine, or leaves it open.
        network: with the trunk's weights; it is run by the chosen engine from now on.
        images: of train, val and test.
        transforms: of the training images.
        sampler: of the training.
        reporter: is told before an engine is made.

    Raises:
        FacesimError: the engine that the experiment names is not available here, or its embeddings
            are too far from those of eager.
    """
    if not network.backbone.has_trunk:
        return {}
    work = TrunkWork(
        experiment.image.size,
        precision_of(experiment.train.precision, network.device),
        _uses(experiment, network, images, transforms, sampler),
        lambda count: _sample(images[0].table, experiment, count),
        reporter.say,
    )
    with undisturbed():
        choice = choose_engine(network, experiment.backbone_engine, work)
    if choice.name != "eager":  # which it is already, in the passes that every start takes
        network.engine = choice.engine
        _made[_key(choice.name, network, experiment)] = choice.engine
    measured = {f"{name}, images per second": rate for name, rate in choice.images_per_s.items()}
    deviations = {
        "largest deviation of an embedding, of its norm": choice.embedding_deviation,
        "largest deviation of a score, in standard deviations": choice.score_deviation,
    }
    measured |= {name: each for name, each in deviations.items() if each is not None}
    decision = Decision(
        chosen=choice.name,
        why=choice.why,
        versions=choice.versions,
        measured=measured,
        refused=choice.refused,
    )
    return {ENGINE: decision}


def changed_versions(network: SiameseNetwork, decisions: Mapping[str, Decision]) -> list[str]:
    """What to tell of an engine that has other versions than when the run began; mostly nothing.

    Args:
        network: whose trunk is run by the engine of that time.
        decisions: of that time.
    """
    begun, now = decisions.get(ENGINE), network.engine
    if begun is None or begun.chosen != now.name or begun.versions == now.versions:
        return []
    told = f"{ENGINE}: the run was begun with {begun.versions}, and goes on with {now.versions}"
    return [f"{told}: features are computed again, and the last bits of results may be others"]


def _key(name: str, network: SiameseNetwork, experiment: Experiment) -> tuple[object, ...]:
    return (
        name,
        network.trunk_digest,
        json.dumps(experiment.backbone.as_node(), sort_keys=True),
        str(network.device),
        experiment.image.size,
        precision_of(experiment.train.precision, network.device),
        torch.get_num_threads(),
    )


def _uses(
    experiment: Experiment,
    network: SiameseNetwork,
    images: Sequence[TableDigests],
    transforms: Sequence[Transform],
    sampler: Sampler,
) -> int:
    """For how many images the trunk would be run, if eager ran it; at most.

    Where eager's features are on disk already, another engine would only compute them again.
    """
    train, val, test = images
    epochs = experiment.train.epochs
    drawn = 2 * experiment.train.batch_size * len(sampler) * epochs
    if cache_refusal_reason(experiment, network, ()) is not None:
        return drawn + len(val.table) * epochs + len(test.table)
    cached, uncached = [val, test], 0
    if cache_refusal_reason(experiment, network, tuple(transforms)) is None:
        cached.append(train)
    else:
        uncached = drawn
    return uncached + sum(missing_of_eager(experiment, network, each) for each in cached)


def _sample(table: FaceTable, experiment: Experiment, count: int) -> Tensor:
    """The pixels of some images of a table, uint8 [N, 3, H, W]; N is ``count`` or less.

    An image that cannot be decoded is passed over: not every one needs to be used.
    """
    preprocessing = Preprocessing.of(experiment.image)
    found: list[Tensor] = []
    for row in np.unique(np.linspace(0, len(table) - 1, count).astype(np.int64)):
        try:
            found += load_images(table, row[None], preprocessing, batch_size=1, workers=0)
        except FacesimError:
            continue
    return torch.cat([torch.empty((0, 3, *experiment.image.size), dtype=torch.uint8), *found])
