"""The systems that an evaluation measures, with the thresholds that apply to them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facesim.arrays import Int64Array
from facesim.data.preprocessing import Preprocessing
from facesim.errors import FacesimError
from facesim.evaluation.baselines import PIXELS_SIDE, BaselineSystem, raw_pixels, untouched_backbone
from facesim.evaluation.calibration import Calibration
from facesim.evaluation.embedding import Embedder, SharedNames, score_pairs
from facesim.evaluation.provenance import PluginProvenance, Provenance
from facesim.experiment.schema import Experiment
from facesim.interfaces import PairSet
from facesim.interfaces.protocol import ScoredPairs, System
from facesim.json_files import read_json
from facesim.model.embedding_cache import EmbeddingCache
from facesim.model.network import SiameseNetwork
from facesim.model.tensor_files import on_cpu
from facesim.plugin_info import distribution_of
from facesim.plugin_source import source_digest
from facesim.processes import Processes
from facesim.registry import Spec
from facesim.runs.directory import EVALUATE_AGAIN, RunFile
from facesim.runs.evaluation_plan import EvaluationPlan
from facesim.seeds import derive_seed
from facesim.training.build import Split
from facesim.training.checkpoint import trained_digest
from facesim.training.make_inputs import embedding_recipe, make_inputs
from facesim.version import installed_version

TRAINED, RAW_PIXELS, UNTOUCHED = "trained", "raw_pixels", "untouched_backbone"


@dataclass(frozen=True, eq=False)
class NetworkSystem(System):
    """A network on the images of one split; its embeddings are kept on disk for the next time.

    Attributes:
        network: with its weights.
        split: the images.
        experiment: how they are embedded.
        processes: share the work, and show what is being embedded.
        name: by which the other processes know the network.
    """

    network: SiameseNetwork
    split: Split
    experiment: Experiment
    processes: Processes
    name: str

    @property
    def device(self) -> torch.device:
        """The network's."""
        return self.network.device

    def embed(self, rows: Int64Array) -> Tensor:
        """Embeddings float32 [N, D], on the CPU, of distinct rows of the split's table."""
        return self._embedder.embed(rows)

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        """The loss's score."""
        return self.network.loss.score(a, b)

    def score_pairs(self, pairs: PairSet) -> ScoredPairs:
        """Embed each image of the pairs once, and score each pair."""
        scored = score_pairs(self._embedder, pairs, self.split.table.identities)
        return ScoredPairs(pairs, scored.scores, scored.loss)

    @property
    def _embedder(self) -> Embedder:
        split, recipe = self.split, embedding_recipe(self.experiment, self.network)
        name = self.experiment.name
        return Embedder(
            self.network,
            split.inputs,
            self.experiment.evaluate.batch_size,
            self.processes,
            title=f"embedding {split.name}",
            shared_as=SharedNames(self.name, split.name),
            cache=EmbeddingCache(self.network, split.digests, recipe, name),
        )


@dataclass(frozen=True)
class Chance(System):
    """A random score for each pair, a function of a seed and the split's name."""

    seed: int
    split: str

    @property
    def device(self) -> torch.device:
        """The CPU."""
        return torch.device("cpu")

    def embed(self, rows: Int64Array) -> Tensor:
        """A random embedding per row, for protocols that compare embeddings themselves."""
        generator = torch.Generator().manual_seed(self._seed)
        return torch.randn(int(rows.max(initial=-1)) + 1, 16, generator=generator)[rows]

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        """The inner product."""
        return (a * b).sum(dim=1)

    def score_pairs(self, pairs: PairSet) -> ScoredPairs:
        """Uniform scores."""
        return ScoredPairs(pairs, np.random.default_rng(self._seed).random(len(pairs)))

    @property
    def _seed(self) -> int:
        return derive_seed(self.seed, "chance", self.split)


def baseline_systems(trained: NetworkSystem, val: Split) -> Iterator[BaselineSystem]:
    """The baselines: chance, raw pixels and the untrained backbone.

    Args:
        trained: on the split that is measured; its cached trunk is that of the untouched
            backbone, too.
        val: the split on which thresholds are chosen.
    """
    experiment, test = trained.experiment, trained.split
    yield BaselineSystem(
        "chance",
        "a random score for each pair",
        Chance(experiment.evaluate.seed, val.name),
        Chance(experiment.evaluate.seed, test.name),
    )
    pixels, small = raw_pixel_parts(experiment, trained.device)

    def of_pixels(split: Split) -> NetworkSystem:
        resized = replace(split, inputs=make_inputs(small, pixels, split.digests))
        return NetworkSystem(pixels, resized, small, trained.processes, RAW_PIXELS)

    yield BaselineSystem(
        RAW_PIXELS,
        f"the cosine of the two images, grey and mean-centred at {PIXELS_SIDE} x {PIXELS_SIDE} "
        "pixels",
        of_pixels(val),
        of_pixels(test),
    )
    backbone = share_untouched(experiment, trained.network, trained.processes)
    yield BaselineSystem(
        UNTOUCHED,
        f"the cosine of the pooled features of backbone {experiment.backbone.name!r} as it was "
        "before training",
        replace(trained, network=backbone, split=val, name=UNTOUCHED),
        replace(trained, network=backbone, name=UNTOUCHED),
    )


def raw_pixel_parts(
    experiment: Experiment, device: torch.device
) -> tuple[SiameseNetwork, Experiment]:
    """The network of :data:`RAW_PIXELS`, and the experiment by which its images are read.

    Args:
        experiment: of the trained network.
        device: where it is put.
    """
    # All of every image, whatever its shape and that of the network's input.
    squares = {"size": (PIXELS_SIDE, PIXELS_SIDE), "fit": "stretch"}
    image = experiment.image.model_copy(update=squares)
    return raw_pixels(device), experiment.model_copy(update={"image": image})


def share_untouched(
    experiment: Experiment, trained: SiameseNetwork, processes: Processes
) -> SiameseNetwork:
    """The network of :data:`UNTOUCHED`, the same on all processes.

    Args:
        experiment: of the trained network.
        trained: which the other processes have.
        processes: all of them.
    """
    network = untouched_of(trained, experiment)
    if processes.size > 1:
        processes.request("untouched", state=on_cpu(network.trained_state()))
    return network


def untouched_of(trained: SiameseNetwork, experiment: Experiment) -> SiameseNetwork:
    """The backbone as it was before training, with the trunk that the run began with.

    The weights that a backbone is built with may be others by now, in another version of its
    package say, and those of a frozen trunk are the run's own.
    """
    network = untouched_backbone(experiment, trained.device)
    network.load_trunk_state(trained.backbone.trunk.state_dict())
    if trained.engine.name != "eager":  # of the same trunk
        network.engine = trained.engine
    return network


def calibration_of_the_run(
    plan: EvaluationPlan, network: SiameseNetwork, say: Callable[[str], object]
) -> Calibration:
    """Thresholds and probabilities that the run chose on its own val.

    Args:
        plan: of the evaluation that they are for.
        network: with the weights of the plan's checkpoint.
        say: told what a person should know of them.

    Raises:
        FacesimError: there are none, or they were chosen on scores that were made otherwise.
    """
    run = plan.directory.path
    file = run / RunFile.CALIBRATION
    calibration = read_json(file, Calibration, remedy=EVALUATE_AGAIN)
    if calibration is None:
        raise FacesimError(
            f"{run} has no thresholds yet, there is no {file.name}; evaluate its own test data "
            f"first, with `facesim eval {run}`"
        )
    now = provenance(plan, network, like=calibration.provenance.checkpoint)
    try:
        for note in calibration.check_applies_to(now):
            say(f"{file}: {note}")
    except FacesimError as error:
        advice = "add --recalibrate to choose new ones on val"
        if calibration.provenance.preprocessing != now.preprocessing:
            advice += (
                "; where val's images do not fit the changed preprocessing, on other images, with "
                "--set data.val=... as well"
            )
        raise FacesimError(f"{file}: {error}\n{advice}") from None
    return calibration


def provenance(plan: EvaluationPlan, network: SiameseNetwork, like: str = "") -> Provenance:
    """What the scores of an evaluation are made with.

    Args:
        plan: of the evaluation.
        network: with the weights of the plan's checkpoint.
        like: the digest of a checkpoint that this one's is to be compared with.
    """
    experiment = plan.experiment
    specs: dict[str, Spec[Any]] = {
        "backbone": experiment.backbone,
        "head": experiment.head,
        "loss": experiment.loss,
    }
    if experiment.image.aligner is not None:
        specs["aligner"] = experiment.image.aligner
    return Provenance(
        preprocessing=Preprocessing.of(experiment.image).provenance,
        score=json.dumps(experiment.loss.as_node(), sort_keys=True),
        checkpoint=trained_digest(plan.directory.checkpoints.file(plan.checkpoint), like),
        normalization=asdict(network.backbone.normalization),
        plugins={place: _plugin(spec) for place, spec in specs.items()},
    )


def _plugin(spec: Spec[Any]) -> PluginProvenance:
    versions = {name: installed_version(name) for name in spec.plugin.packages}
    return PluginProvenance(
        node=spec.as_node(),
        code=source_digest(spec.plugin),
        distribution=distribution_of(spec.plugin),
        packages={name: each for name, each in versions.items() if each is not None},
    )
