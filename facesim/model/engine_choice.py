"""Choosing the engine that runs a frozen trunk: measured once per trunk and machine, remembered."""

import hashlib
import logging
import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from facesim.errors import FacesimError
from facesim.interfaces import Backbone
from facesim.machine_errors import machine_error
from facesim.model.cache_admin import EngineName
from facesim.model.devices import describe_device
from facesim.model.engine_measurements import (
    Deviation,
    EngineMeasurement,
    KeptMeasurements,
    TrunkMeasurements,
    autocast,
    images_per_second,
    measured,
)
from facesim.model.folded_engines import ENGINES, FoldedEngine, Precision, why_unavailable
from facesim.model.network import SiameseNetwork
from facesim.model.trunk_engine import EagerEngine, TrunkEngine, block_on
from facesim.model.trunk_key import code_digest
from facesim.paths import cache_dir

log = logging.getLogger(__name__)

_SMALL_SECONDS = 20.0
"""Of the eager trunk, below which nothing else is tried: an export alone takes some seconds."""

_LARGE_SECONDS = 90.0
"""Of the best engine so far, above which compiling, which takes up to a minute, is tried."""

_GAIN = 0.95
"""The part of the best engine's time that another one may take to be preferred."""


def make_engine(
    name: EngineName, backbone: Backbone, image_size: tuple[int, int], precision: Precision
) -> TrunkEngine:
    """An engine by name. Nothing is exported or compiled before it is run.

    Args:
        name: of the engine.
        backbone: on the device where the trunk runs.
        image_size: H and W.
        precision: in which the trunk computes; eager computes in that of the caller's autocast.

    Raises:
        FacesimError: it cannot run here, or the backbone has no trunk.
    """
    if name == "eager":
        return EagerEngine(backbone, block_on(backbone.mean.device))
    return _folded_engine(name, backbone, image_size, precision)


def _folded_engine(
    name: EngineName, backbone: Backbone, image_size: tuple[int, int], precision: Precision
) -> FoldedEngine:
    reason = why_unavailable(name, backbone.mean.device, precision)
    if reason is None and not backbone.has_trunk:
        reason = "nothing of the backbone is frozen"
    if reason is not None:
        raise FacesimError(
            f"backbone_engine: {name} is not available: {reason}. Or write `backbone_engine: eager`"
        )
    return ENGINES[name](backbone, image_size, precision)


@dataclass(frozen=True)
class TrunkWork:
    """What a trunk is to be run on.

    Attributes:
        image_size: H and W.
        precision: in which it computes.
        images: how many there are to run it on.
        sample: gives at most so many of them, uint8 [N, 3, H, W]; called only where something is
            measured. None, or fewer than two images: noise is measured on.
        say: is told before an engine is made, which takes up to a minute.
    """

    image_size: tuple[int, int]
    precision: Precision
    images: int
    sample: Callable[[int], Tensor] | None = None
    say: Callable[[str], object] = log.debug


@dataclass(frozen=True)
class EngineChoice:
    """The engine that runs a trunk, and why.

    Attributes:
        engine: not made yet where its measurements were remembered.
        why: one sentence.
        images_per_s: of the engines that were measured, on this machine.
        embedding_deviation: largest distance of an embedding from the eager one, relative to the
            median norm of the eager ones; None for eager.
        score_deviation: largest difference of a score from the eager one, relative to the eager
            scores' standard deviation; None for eager.
        refused: why other engines were not considered.
    """

    engine: TrunkEngine
    why: str
    images_per_s: dict[str, float]
    embedding_deviation: float | None
    score_deviation: float | None
    refused: dict[str, str]

    @property
    def name(self) -> EngineName:
        """The engine's name in the experiment file."""
        return self.engine.name

    @property
    def versions(self) -> str:
        """The engine's part of the cache's key; empty for eager."""
        return self.engine.versions


def choose_engine(
    network: SiameseNetwork, asked: EngineName | Literal["auto"], work: TrunkWork
) -> EngineChoice:
    """Choose the engine that is through with some images first, the time to make it included.

    The measurements are kept in the cache folder, and the choice follows from them and from the
    number of images alone, so equal experiments choose alike on a machine. Where the eager trunk
    needs little time, nothing else is tried. An engine that deviates from eager, or whose output
    for an image depends on its place in a block, is refused.

    Args:
        network: its backbone's trunk is run, on its device.
        asked: an engine by name, which may be refused, or ``auto``.
        work: the images.

    Raises:
        FacesimError: the engine that was asked for cannot run the trunk, or deviates.
    """
    if asked == "eager":
        return _unmeasured(network, "the experiment says so")
    if asked == "auto" and not network.backbone.has_trunk:
        return _unmeasured(network, "nothing of the backbone is frozen")
    if asked == "auto" and work.images <= block_on(network.device):
        return _unmeasured(
            network, f"no more than a block is to be computed ({work.images} images)"
        )
    chooser = _Chooser(network, work)
    with chooser.kept.held(), torch.random.fork_rng(devices=[]):
        return chooser.automatic() if asked == "auto" else chooser.named(asked)


def _unmeasured(network: SiameseNetwork, why: str) -> EngineChoice:
    engine = EagerEngine(network.backbone, block_on(network.device))
    return EngineChoice(engine, why, {}, None, None, {})


class _Chooser:
    """Measures what is not known yet, and chooses."""

    def __init__(self, network: SiameseNetwork, work: TrunkWork) -> None:
        self._network = network
        self._work = work
        self._eager = EagerEngine(network.backbone, block_on(network.device))
        self._made: dict[EngineName, FoldedEngine] = {}
        self._comparison = " ".join(_code(part) for part in (network.head, network.loss))
        trunk = f"{network.trunk_digest} {_code(network.backbone.trunk)}"
        machine = (_processor(), describe_device(network.device), torch.get_num_threads())
        parts = (trunk, work.image_size, work.precision, *machine, torch.__version__)
        key = hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()
        self.kept = KeptMeasurements(cache_dir() / "engines" / f"{key}.json")

    def named(self, name: EngineName) -> EngineChoice:
        """An engine that was asked for."""
        objection = self._objection(self._measurement(name, again=True))
        if objection:
            raise FacesimError(
                f"backbone_engine: {name} is refused: {objection}; write `backbone_engine: "
                "eager`, or auto"
            )
        return self._chosen(name, "the experiment says so", {})

    def automatic(self) -> EngineChoice:
        """The one that is through first."""
        images = f"{self._work.images:,} images"
        eager_s = self._work.images / self._known().eager_images_per_s
        if eager_s < _SMALL_SECONDS:
            return self._chosen("eager", f"{images} take {eager_s:.0f} s, too few to gain", {})
        best: EngineName = "eager"
        best_s, refused = eager_s, dict[str, str]()
        for name in ENGINES:
            reason = why_unavailable(name, self._network.device, self._work.precision)
            if reason is None and name == "compiled" and best_s < _LARGE_SECONDS:
                reason = f"compiling does not pay where {best} takes {best_s:.0f} s"
            if reason is not None:
                refused[name] = reason
                continue
            found = self._measurement(name)
            if objection := self._objection(found):
                refused[name] = objection
                continue
            seconds = found.seconds + eager_s / found.speedup
            if seconds < _GAIN * best_s:
                best, best_s = name, seconds
        why = f"{images} take {best_s:.0f} s"
        why += f" instead of {eager_s:.0f} s" if best != "eager" else ", and no other gains"
        return self._chosen(best, why, refused)

    def _chosen(self, name: EngineName, why: str, refused: dict[str, str]) -> EngineChoice:
        known = self._known()
        speeds = {"eager": known.eager_images_per_s} | {
            other: known.eager_images_per_s * each.speedup
            for other, each in known.engines.items()
            if other in self._made and not self._objection(each)
        }
        deviation = None if name == "eager" else known.engines[name].deviations[self._comparison]
        return EngineChoice(
            engine=self._eager if name == "eager" else self._made[name],
            why=why,
            images_per_s=speeds,
            embedding_deviation=None if deviation is None else deviation.embedding,
            score_deviation=None if deviation is None else deviation.score,
            refused=refused,
        )

    def _known(self) -> TrunkMeasurements:
        """With the speed of eager."""
        if self.kept.found is None:
            with torch.inference_mode(), autocast(self._sample, self._work.precision):
                speed = images_per_second(self._eager, self._sample)
            self.kept.found = TrunkMeasurements(eager_images_per_s=speed)
        return self.kept.found

    def _objection(self, found: EngineMeasurement) -> str:
        """Why an engine is refused for this head and loss; empty if it is not."""
        known = found.deviations.get(self._comparison)
        return found.failure or (known.objection(self._work.precision) if known else "")

    def _measurement(self, name: EngineName, *, again: bool = False) -> EngineMeasurement:
        """What is known of an engine, with its deviation; measured if it is not known.

        Args:
            name: of the engine.
            again: try it again where it has failed before: the cause may be gone.
        """
        known, work, backbone = self._known(), self._work, self._network.backbone
        engine = _folded_engine(name, backbone, work.image_size, work.precision)
        self._made[name] = engine
        found = known.engines.get(name)
        if found is None or found.versions != engine.versions or (again and found.failure):
            found = EngineMeasurement(versions=engine.versions)
        if found.failure or self._comparison in found.deviations:
            return found
        work.say(f"backbone_engine: {name} is made and timed, which is kept for later runs")
        try:
            found = self._measured(engine, found)
        except FacesimError as error:
            found = found.model_copy(update={"failure": str(error)})
            if machine_error(error) is not None:  # no space, no memory: nothing of the engine
                return found
        engines = {**known.engines, name: found}
        self.kept.found = known.model_copy(update={"engines": engines})
        return found

    def _measured(self, engine: FoldedEngine, before: EngineMeasurement) -> EngineMeasurement:
        found, eager, other = measured(engine, self._eager, self._sample, self._work.precision)
        deviation = Deviation.between(self._network, eager, other)
        if before.deviations:  # only the deviation is new
            found = before
        deviations = {**before.deviations, self._comparison: deviation}
        return found.model_copy(update={"deviations": deviations})

    @cached_property
    def _sample(self) -> Tensor:
        """Images of a block."""
        block, work = self._eager.block, self._work
        images = torch.empty(0) if work.sample is None else work.sample(block)[:block]
        if len(images) < 2:
            noise = torch.Generator().manual_seed(0)
            images = torch.randint(
                0, 256, (block, 3, *work.image_size), dtype=torch.uint8, generator=noise
            )
        return images.to(self._network.device)


def _code(module: nn.Module) -> str:
    try:
        return code_digest(module)
    except FacesimError:  # a class without a source file
        return repr(module)


def _processor() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    named = ("model name", "model", "flags", "Features")  # a virtual one's name may say little
    found = dict(line.partition("\t")[::2] for line in reversed(lines))
    return f"{platform.machine()} " + " ".join(found.get(name, "") for name in named)
