"""Choosing how a split's images enter the network: as pixels, or as the cached trunk output."""

import logging

from facesim.data.image_digests import TableDigests
from facesim.data.preprocessing import Preprocessing
from facesim.experiment.schema import Experiment
from facesim.interfaces import Transform
from facesim.model.cache_admin import StoreDescription, stores_root
from facesim.model.feature_store import FeatureStore
from facesim.model.inputs import CachedInputs, Inputs, PixelInputs
from facesim.model.network import SiameseNetwork
from facesim.model.trunk_cache import TrunkCache
from facesim.model.trunk_engine import EagerEngine, TrunkEngine, block_on
from facesim.model.trunk_key import TrunkRecipe
from facesim.seeds import derive_seed
from facesim.training.step import precision_of

log = logging.getLogger(__name__)


def make_inputs(
    experiment: Experiment,
    network: SiameseNetwork,
    images: TableDigests,
    transforms: tuple[Transform, ...] = (),
) -> Inputs:
    """The trunk's cached output where the trunk is frozen and always sees the same pixels."""
    seed = derive_seed(experiment.seed, "augmentation")
    workers = experiment.data.workers
    reason = cache_refusal_reason(experiment, network, transforms)
    if reason is not None:
        log.info("no trunk cache: %s", reason)
        preprocessing = Preprocessing.of(experiment.image)
        return PixelInputs(
            images.table, preprocessing, transforms=transforms, seed=seed, workers=workers
        )

    def cache(*, flipped: bool) -> TrunkCache:
        return TrunkCache(
            caching_engine(network),
            images,
            _cached_recipe(experiment, network, flipped=flipped),
            name=experiment.backbone.name,
            workers=workers,
            fingerprint=network.trunk_fingerprint,
        )

    return CachedInputs(
        cache(flipped=False),
        mirrored=cache(flipped=True) if transforms else None,
        mirroring=transforms,
        seed=seed,
    )


def caching_engine(network: SiameseNetwork) -> TrunkEngine:
    """The network's engine, in passes of the size in which the cache is filled."""
    if network.engine.name != "eager":
        return network.engine
    return EagerEngine(network.backbone, block_on(network.device))


def missing_of_eager(experiment: Experiment, network: SiameseNetwork, images: TableDigests) -> int:
    """Of how many images the features that eager computes are not on disk.

    Raises:
        DataError: an image file cannot be read.
    """
    recipe = _cached_recipe(experiment, network, flipped=False)
    folder = stores_root() / network.trunk_fingerprint.key(recipe)
    about = StoreDescription.read(folder) if StoreDescription.is_in(folder) else None
    if about is None:
        return len(images.table)
    return len(FeatureStore(folder, about.row_shape, about.dtype).missing(images.keys()))


def embedding_recipe(experiment: Experiment, network: SiameseNetwork) -> TrunkRecipe:
    """How an image becomes the trunk's output, in evaluation: part of its embedding's cache key."""
    if cache_refusal_reason(experiment, network, ()) is None:
        return _cached_recipe(experiment, network, flipped=False)
    return TrunkRecipe(Preprocessing.of(experiment.image), dtype="float32")


def cache_refusal_reason(
    experiment: Experiment, network: SiameseNetwork, transforms: tuple[Transform, ...]
) -> str | None:
    """Why the trunk's output is not cached; None if it is."""
    if experiment.trunk_cache == "off":
        return "it is switched off (trunk_cache: off)"
    if not network.backbone.has_trunk:
        return f"nothing of backbone {experiment.backbone.name!r} is frozen"
    if not all(transform.only_mirrors for transform in transforms):
        names = ", ".join(spec.name for spec in experiment.transforms)
        return f"random augmentation ({names}) changes the pixels before the trunk"
    return None


def _cached_recipe(
    experiment: Experiment, network: SiameseNetwork, *, flipped: bool
) -> TrunkRecipe:
    return TrunkRecipe(
        Preprocessing.of(experiment.image),
        flipped=flipped,
        dtype="float32" if experiment.trunk_cache == "float32" else "float16",
        compressed=experiment.trunk_cache == "float16_compressed",
        precision=precision_of(experiment.train.precision, network.device),
    )
