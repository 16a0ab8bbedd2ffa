"""Measurements of trunk engines: speed and deviation from eager, and a file that keeps them."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import torch
from pydantic import Field, FiniteFloat
from torch import Tensor

from facesim.console import warn_once
from facesim.errors import DataError, FacesimError
from facesim.folders import make_folder
from facesim.json_files import JsonModel, read_json, write_json
from facesim.locks import ProcessLock
from facesim.model.cache_admin import EngineName
from facesim.model.folded_engines import FoldedEngine, Precision
from facesim.model.network import SiameseNetwork, evaluating
from facesim.model.trunk_engine import EagerEngine, TrunkEngine

log = logging.getLogger(__name__)

Positive = Annotated[FiniteFloat, Field(gt=0)]

_ALIKE = 0.01
"""Of the median score: the least that two scores are taken to differ by. Those of an untrained
network may be equal but for their rounding."""

_ROUNDS = 3
_SLOW_SECONDS = 5.0
"""A block that takes longer is not measured a second time."""


class Deviation(JsonModel):
    """How far an engine is from eager on some images, through the whole network.

    Attributes:
        embedding: largest distance of two embeddings of an image, relative to the median norm of
            the eager ones.
        score: largest difference of two scores of a pair, relative to the standard deviation of
            the eager scores of all pairs, or to a hundredth of their median where that is more.
    """

    embedding: FiniteFloat
    score: FiniteFloat

    @classmethod
    def between(cls, network: SiameseNetwork, eager: Tensor, other: Tensor) -> "Deviation":
        """That of another output of the trunk from eager's, both [N, ...] of the same N images.

        Raises:
            FacesimError: they differ in shape or type, or a number is not finite.
        """
        if (eager.shape, eager.dtype) != (other.shape, other.dtype):
            shapes = " instead of ".join(f"{o.dtype} {list(o.shape)}" for o in (other, eager))
            raise FacesimError(f"its output is {shapes}")
        left, right = torch.triu_indices(len(eager), len(eager), 1, device=eager.device)
        with torch.no_grad(), evaluating(network):
            a, b = (network.head(network.backbone.tail(o.float())).float() for o in (eager, other))
            scores, others = (network.loss.score(e[left], e[right]).float() for e in (a, b))
        distance = (a - b).norm(dim=1).max() / _positive(a.norm(dim=1).median())
        spread = torch.maximum(scores.std(), _ALIKE * scores.abs().median())
        difference = (scores - others).abs().max() / _positive(spread)
        if not (distance.isfinite() and difference.isfinite()):
            raise FacesimError("an embedding or a score is not finite")
        return cls(embedding=distance.item(), score=difference.item())

    def objection(self, precision: Precision) -> str:
        """Why an engine of a precision that deviates by so much is refused; empty if it is not."""
        bound = _BOUNDS[precision]
        if self.embedding <= bound.embedding and self.score <= bound.score:
            return ""
        return (
            f"embeddings deviate from those of eager by {self.embedding:.2g} of their norm and "
            f"scores by {self.score:.2g} standard deviations; {bound.embedding:g} and "
            f"{bound.score:g} are allowed"
        )


def _positive(scale: Tensor) -> Tensor:
    """1 where embeddings or scores are all the same: the difference is then an absolute one."""
    return torch.where(scale > 0, scale, torch.ones_like(scale))


_BOUNDS: dict[Precision, Deviation] = {
    "float32": Deviation(embedding=1e-3, score=1e-3),
    "bfloat16": Deviation(embedding=0.05, score=0.5),
}
"""Features that are kept as float16 are rounded by 5e-4, and eager's own in bfloat16 by 1e-2."""


class EngineMeasurement(JsonModel):
    """What is known of an engine.

    Attributes:
        versions: of the engine then.
        speedup: its images per second over those of eager, measured in turn.
        seconds: it took to make.
        deviations: by the digest of the code of head and loss; those that are refused, too.
        failure: why it cannot run the trunk; empty if it can.
    """

    versions: str
    speedup: Positive = 1.0
    seconds: Annotated[FiniteFloat, Field(ge=0)] = 0.0
    deviations: dict[str, Deviation] = Field(default={})
    failure: str = ""


class TrunkMeasurements(JsonModel):
    """What is known of a trunk on a machine."""

    eager_images_per_s: Positive
    engines: dict[EngineName, EngineMeasurement] = Field(default={})


@dataclass
class KeptMeasurements:
    """A file of measurements; damaged, it is as if there were none."""

    path: Path
    found: TrunkMeasurements | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Read it, let no other process measure meanwhile, and write what was found."""
        lock, before = ProcessLock(self.path.with_suffix(".lock")), None
        try:
            make_folder(self.path.parent)
            if not lock.acquire(wait=False):
                warn_once(f"{self.path.parent}: waiting for a process that measures engines")
                lock.acquire()
        except OSError as error:  # what was measured before can be read
            log.debug("%s: what is measured is not kept: %s", self.path, error)
        try:
            before = self.found = read_json(self.path, TrunkMeasurements, remedy="measured again")
        except DataError as error:
            log.debug("%s", error)
        try:
            yield
        finally:
            try:
                if self.found is not None and self.found != before:
                    write_json(self.path, self.found)
            except OSError as error:
                log.debug("%s cannot be written: %s", self.path, error)
            lock.release()


def images_per_second(engine: TrunkEngine, images: Tensor) -> float:
    """Of an engine, after a first block that is slower than any other."""
    first = _seconds(engine, images)
    seconds = first if first > _SLOW_SECONDS else _seconds(engine, images)
    return engine.block / seconds


def measured(
    engine: FoldedEngine, eager: EagerEngine, images: Tensor, precision: Precision
) -> tuple[EngineMeasurement, Tensor, Tensor]:
    """Make an engine and measure it in turn with eager, so that a busy machine slows both.

    Args:
        engine: not made yet.
        eager: of the same backbone.
        images: of a block at most, uint8 [N, 3, H, W].
        precision: in which both compute.

    Returns:
        The measurement without deviations, and the outputs of eager and of the engine.

    Raises:
        FacesimError: it cannot run the trunk, or an image's output depends on its place in a block.
    """
    begin = time.perf_counter()
    engine.prepare()
    seconds = time.perf_counter() - begin
    ratios = []
    with torch.inference_mode(), autocast(images, precision):
        expected, output = eager.run(images), engine.run(images)
        for shift in (1, len(images) // 2):
            again = engine.run(images.roll(shift, 0))
            if again.shape == output.shape and not torch.equal(again, output.roll(shift, 0)):
                raise FacesimError(
                    f"{engine.name} rounds an image's output differently at another place of a "
                    "block, so that no cache could hold it"
                )
        for _ in range(_ROUNDS):
            slow = _seconds(eager, images)
            ratios.append(slow / _seconds(engine, images))
            if slow > _SLOW_SECONDS:
                break
    speed = EngineMeasurement(versions=engine.versions, speedup=median(ratios), seconds=seconds)
    return speed, expected, output


def autocast(images: Tensor, precision: Precision) -> torch.autocast:
    """The block in which an eager trunk computes in a precision."""
    return torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bfloat16")


def _seconds(engine: TrunkEngine, images: Tensor) -> float:
    begin = time.perf_counter()
    engine.run(images)
    if images.device.type == "cuda":
        torch.cuda.synchronize(images.device)
    return time.perf_counter() - begin
