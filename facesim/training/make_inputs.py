"""Whether a split's images go through the trunk each time, or its cached output is read."""

import logging

from facesim.data.image_digests import TableDigests
from facesim.data.preprocessing import Preprocessing
from facesim.experiment.schema import Experiment
from facesim.interfaces import FaceTable, Transform
from facesim.model.cached_inputs import CachedInputs
from facesim.model.inputs import Inputs, PixelInputs
from facesim.model.network import SiameseNetwork
from facesim.model.trunk_cache import TrunkCache
from facesim.model.trunk_key import TrunkRecipe
from facesim.seeds import derive_seed
from facesim.training.step import precision_of

log = logging.getLogger(__name__)


def make_inputs(
    experiment: Experiment,
    network: SiameseNetwork,
    table: FaceTable,
    transforms: tuple[Transform, ...],
    digests: TableDigests,
) -> Inputs:
    """Cached trunk output where the trunk is frozen and sees the same pixels every time."""
    seed = derive_seed(experiment.seed, "augmentation")
    reason = cache_refusal_reason(experiment, network, transforms)
    if reason is not None:
        log.info("no trunk cache: %s", reason)
        return PixelInputs(
            table,
            Preprocessing.of(experiment.image),
            transforms=transforms,
            seed=seed,
            workers=experiment.data.workers,
        )

    def cache(*, flipped: bool) -> TrunkCache:
        return TrunkCache(
            network.backbone,
            table,
            _cached_recipe(experiment, network, flipped=flipped),
            name=experiment.backbone.name,
            device=network.device,
            workers=experiment.data.workers,
            digests=digests,
            fingerprint=network.trunk_fingerprint,
        )

    return CachedInputs(
        cache(flipped=False),
        mirrored=cache(flipped=True) if transforms else None,
        mirroring=transforms,
        seed=seed,
    )


def embedding_recipe(experiment: Experiment, network: SiameseNetwork) -> TrunkRecipe:
    """How an image that is not augmented becomes the trunk's output that the tail is given."""
    if cache_refusal_reason(experiment, network, ()) is None:
        return _cached_recipe(experiment, network, flipped=False)
    return TrunkRecipe(Preprocessing.of(experiment.image), dtype="float32")


def _cached_recipe(
    experiment: Experiment, network: SiameseNetwork, *, flipped: bool
) -> TrunkRecipe:
    return TrunkRecipe(
        Preprocessing.of(experiment.image),
        flipped=flipped,
        dtype="float32" if experiment.trunk_cache == "float32" else "float16",
        precision=precision_of(experiment.train.precision, network.device),
    )


def cache_refusal_reason(
    experiment: Experiment, network: SiameseNetwork, transforms: tuple[Transform, ...]
) -> str | None:
    """Why the trunk runs anew for each batch, or None if its output is cached."""
    if experiment.trunk_cache == "off":
        return "it is switched off (trunk_cache: off)"
    if not network.backbone.has_trunk:
        return f"nothing of backbone {experiment.backbone.name!r} is frozen"
    if not all(transform.only_mirrors for transform in transforms):
        names = ", ".join(spec.name for spec in experiment.transforms)
        return f"random augmentation ({names}) changes the pixels before the trunk"
    return None
