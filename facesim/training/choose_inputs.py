"""Whether a split's images go through the trunk each time, or its cached output is read."""

import logging

from facesim.data.framing import Framing
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
) -> Inputs:
    """Cached trunk output where the trunk is frozen and sees the same pixels every time."""
    framing = Framing(experiment.image.size, experiment.image.crop)
    seed = derive_seed(experiment.seed, "augmentation")
    reason = why_not_cached(experiment, network, transforms)
    if reason is not None:
        log.info("no trunk cache: %s", reason)
        return PixelInputs(
            table, framing, transforms=transforms, seed=seed, workers=experiment.data.workers
        )

    def cache(*, flipped: bool) -> TrunkCache:
        device = next(network.parameters()).device
        recipe = TrunkRecipe(
            framing,
            flipped=flipped,
            dtype="float32" if experiment.trunk_cache == "float32" else "float16",
            precision=precision_of(experiment.train.precision, device),
        )
        return TrunkCache(
            network.backbone,
            table,
            recipe,
            name=experiment.backbone.name,
            device=device,
            workers=experiment.data.workers,
        )

    return CachedInputs(
        cache(flipped=False),
        mirrored=cache(flipped=True) if transforms else None,
        mirroring=transforms,
        seed=seed,
    )


def why_not_cached(
    experiment: Experiment, network: SiameseNetwork, transforms: tuple[Transform, ...]
) -> str | None:
    """Why the trunk runs anew for each batch, or None if its output is cached."""
    if experiment.trunk_cache == "off":
        return "it is switched off (trunk_cache: off)"
    if not network.backbone.has_trunk:
        return f"nothing of backbone {experiment.backbone.name!r} is frozen"
    if not all(getattr(transform, "only_mirrors", False) for transform in transforms):
        names = ", ".join(spec.name for spec in experiment.transforms)
        return f"random augmentation ({names}) changes the pixels before the trunk"
    return None
