"""Checkpoints: one file each, with everything that training changes."""

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import JsonValue, NonNegativeInt, TypeAdapter, ValidationError
from pydantic_core import to_json
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from facesim.atomic import require_unchanged, sha256_of
from facesim.errors import DataError, FacesimError
from facesim.interfaces import MiningSampler, Sampler
from facesim.model.network import SiameseNetwork
from facesim.model.tensor_files import load_tensors, save_tensors
from facesim.model.trunk_key import tensors_digest

FORMAT = 2
LAST, BEST = "last", "best"
_SHA256_DIGITS = 64


@dataclass
class HookProgress:
    """What the callbacks of a run have come to.

    Attributes:
        states: what each of them keeps, by its key.
        has_begun: whether the hooks know that the current epoch has begun.
        stopped: why training ends before its epochs are over; empty while it goes on.
    """

    states: dict[str, dict[str, JsonValue]] = field(default_factory=dict)
    has_begun: bool = False
    stopped: str = ""


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        epoch: the current epoch, from 0; the number of epochs once all are done.
        batch: batches of that epoch that are done.
        step: batches done since the beginning.
        best: the best value of the chosen metric on val so far.
        best_epoch: the epoch that reached it.
        unlogged_losses: of the steps since the last logged one.
        log_bytes: length of ``metrics.jsonl`` at this point; what follows is written again.
        log_sha256: digest of these bytes; empty in checkpoints of before.
        hooks: of the callbacks; checkpoints of runs that have none leave it out.
    """

    epoch: NonNegativeInt = 0
    batch: NonNegativeInt = 0
    step: NonNegativeInt = 0
    best: float | None = None
    best_epoch: int | None = None
    unlogged_losses: list[float] = field(default_factory=list)
    log_bytes: NonNegativeInt = 0
    log_sha256: str = ""
    hooks: HookProgress = field(default_factory=HookProgress)

    def is_trained(self, epochs: int) -> bool:
        """Whether no epoch is left of so many, or a callback has ended training."""
        return self.epoch >= epochs or bool(self.hooks.stopped and not self.batch)

    def as_data(self) -> dict[str, Any]:
        """Plain data, as checkpoints hold it."""
        data = asdict(self)
        if self.hooks == HookProgress():
            del data["hooks"]
        return data

    @classmethod
    def of(cls, data: Any) -> "Progress":
        """Of what :meth:`as_data` gave; raises ValidationError."""
        # as JSON, where a number is no text and a dictionary may be a dataclass
        text = to_json(data, inf_nan_mode="constants", fallback=str)
        return TypeAdapter(Progress).validate_json(text, strict=True)


@dataclass(frozen=True)
class CheckpointFolder:
    """The folder of ``last.pt``, ``best.pt`` and the periodic checkpoints."""

    path: Path

    def file(self, name: str) -> Path:
        """The file of a checkpoint: ``last``, ``best`` or a periodic one's name.

        Raises:
            FacesimError: the name would leave the folder.
        """
        if Path(name).name != name:
            raise FacesimError(f"a checkpoint is named by its file name alone, not {name!r}")
        return self.path / f"{name.removesuffix('.pt')}.pt"

    @property
    def last(self) -> Path:
        """The checkpoint from which the run goes on."""
        return self.file(LAST)

    @property
    def best(self) -> Path:
        """The checkpoint with the best validation."""
        return self.file(BEST)

    def keep_newest(self, count: int) -> None:
        """Delete all but the newest ``count`` of the periodic checkpoints."""
        periodic = [path for path in self.path.glob("*.pt") if path.stem not in (LAST, BEST)]
        by_age = sorted(periodic, key=lambda path: (path.stat().st_mtime_ns, path.name))
        for path in by_age[: max(len(by_age) - count, 0)]:
            path.unlink(missing_ok=True)


@dataclass(frozen=True)
class TrainingState:
    """Everything whose state training changes.

    Attributes:
        network: with its loss.
        optimizer: over the network's parameter groups.
        scheduler: of the optimizer's learning rate.
        num_identities: of the training table; needed to rebuild the network.
        sampler: of the training pairs; one that mines has a state.
    """

    network: SiameseNetwork
    optimizer: Optimizer
    scheduler: LRScheduler
    num_identities: int
    sampler: Sampler


def save_checkpoint(path: Path, state: TrainingState, progress: Progress) -> None:
    """Write a checkpoint atomically; of the frozen trunk it holds only a digest.

    Raises:
        FacesimError: the disk is full or the folder cannot be written.
    """
    save_tensors(path, checkpoint_content(state, progress))


def checkpoint_content(state: TrainingState, progress: Progress) -> dict[str, Any]:
    """What a checkpoint holds: tensors and plain data."""
    return {
        "format": FORMAT,
        "num_identities": state.num_identities,
        "network": state.network.trained_state(),
        "trunk": state.network.trunk_digest,
        "normalization": asdict(state.network.backbone.normalization),
        "optimizer": state.optimizer.state_dict(),
        "scheduler": state.scheduler.state_dict(),
        "sampler": state.sampler.state_dict() if isinstance(state.sampler, MiningSampler) else {},
        "progress": progress.as_data(),
    }


def restore_checkpoint(path: Path, state: TrainingState) -> Progress:
    """Load a checkpoint into the components of a run.

    Raises:
        FacesimError: the file cannot be read or belongs to another network.
    """
    return restore_content(path, read_checkpoint(path), state)


def restore_content(source: Path | str, content: dict[str, Any], state: TrainingState) -> Progress:
    """Load what a checkpoint holds into the components of a run.

    Args:
        source: where the content comes from, for messages.
        content: as :func:`checkpoint_content` gave it, or :func:`read_checkpoint`.
        state: of the components.

    Raises:
        FacesimError: it belongs to another network.
    """
    load_network(source, content, state.network)
    for name, part in (("optimizer", state.optimizer), ("scheduler", state.scheduler)):
        expected = part.state_dict()
        expected.pop("state", None)  # of an optimizer that has made no step
        fault = _difference(content[name], expected, name)
        try:
            if not fault:
                part.load_state_dict(content[name])
        except (LookupError, ValueError, TypeError, AttributeError, RuntimeError) as error:
            fault = f"{type(error).__name__}: {error}"
        if fault:
            raise FacesimError(f"{source} does not fit this experiment's {name}: {fault}")
    if isinstance(state.sampler, MiningSampler):
        try:
            state.sampler.load_state_dict(content["sampler"])
        except (LookupError, ValueError, TypeError, AttributeError, RuntimeError) as error:
            raise FacesimError(
                f"{source} does not fit this experiment's sampler: {type(error).__name__}: {error}"
            ) from None
    return Progress.of(content["progress"])


def _difference(found: Any, expected: Any, where: str) -> str:
    """Where plain data lacks a key or has a value of another type; empty if it does not.

    What torch does not look at when it loads a state would fail in the middle of an epoch.
    """
    if expected is None:
        return ""
    kinds: Any = next((kinds for kinds in _ALIKE if isinstance(expected, kinds)), (type(expected),))
    if not isinstance(found, kinds) or isinstance(found, bool) != isinstance(expected, bool):
        return f"{where} is of type {type(found).__name__} instead of {type(expected).__name__}"
    if isinstance(expected, dict):
        missing = [key for key in expected if key not in found]
        if missing:
            return f"{where} has no {missing[0]!r}"
        inner = [(found[key], each, f"{where}.{key}") for key, each in expected.items()]
    elif isinstance(expected, list | tuple):
        pairs = zip(found, expected, strict=False)
        inner = [(*pair, f"{where}.{at}") for at, pair in enumerate(pairs)]
    else:
        inner = []
    return next(filter(None, (_difference(*each) for each in inner)), "")


_ALIKE = ((int, float), (list, tuple))


def load_network(source: Path | str, content: dict[str, Any], network: SiameseNetwork) -> None:
    """Load a checkpoint's weights into a network that has the trunk of the checkpoint's run.

    Raises:
        FacesimError: the weights are those of another network, or were trained on another trunk.
    """
    try:
        network.load_trained_state(content["network"])
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:400]
        raise FacesimError(f"{source} does not fit this experiment's network: {reason}") from None
    if content["trunk"] == network.trunk_digest:
        return
    normalization = asdict(network.backbone.normalization)
    trained = content.get("normalization")
    if trained is None:  # a checkpoint of before, which has one digest for both
        raise FacesimError(
            f"{source} was trained on a trunk with other weights, or with another normalisation of "
            f"pixels than {_in_words(normalization)}; the run's own weights are in trunk.pt"
        )
    if trained != normalization:
        raise FacesimError(
            f"{source} was trained with another normalisation of pixels: {_in_words(trained)}, and "
            f"the backbone has {_in_words(normalization)} now"
        )
    raise FacesimError(
        f"{source} was trained on a trunk with other weights; the run's own are in trunk.pt"
    )


def _in_words(normalization: dict[str, Any]) -> str:
    return ", ".join(f"{name} {list(values)}" for name, values in normalization.items())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's content, tensors on the CPU; nothing in it is executed.

    Raises:
        DataError: the file is not what facesim wrote.
        FacesimError: no such file, or not a checkpoint of facesim.
    """
    known = ", ".join(sorted(found.stem for found in path.parent.glob("*.pt") if found != path))
    remedy = "delete it, copy an earlier checkpoint over last.pt and resume, or start a new run"
    if path.stem == LAST:  # from whatever checkpoint a run resumes, it ends the same
        remedy = f"copy another checkpoint over it ({known or 'there is none'}), or start a new run"
    require_unchanged(path, remedy, or_a_sibling=path.stem == LAST)
    try:
        content = load_tensors(path)
    except FileNotFoundError:
        raise FacesimError(f"there is no checkpoint {path}; known: {known or 'none'}") from None
    except DataError as error:
        raise FacesimError(f"{path} cannot be read as a checkpoint: {error}") from error
    # As a text, because a tensor would be neither equal nor unequal.
    if not isinstance(content, dict) or str(content.get("format")) != str(FORMAT):
        raise FacesimError(f"{path} is not a checkpoint that this version of facesim can read")
    wrong = [key for key, kind in _PARTS.items() if not isinstance(content.get(key), kind)]
    try:
        Progress.of(content.get("progress"))
    except ValidationError as error:
        first = error.errors()[0]
        wrong.append(".".join(map(str, ("progress", *first["loc"]))))
    if wrong:
        raise DataError(
            f"{path} is damaged: {wrong[0]} is missing or is something else; copy another "
            f"checkpoint over it ({known or 'there is none'}), or start a new run"
        )
    return content


_PARTS = {
    "num_identities": int,
    "network": dict,
    "trunk": str,
    "optimizer": dict,
    "scheduler": dict,
}


def trained_digest(path: Path, like: str = "") -> str:
    """Digest of a checkpoint's weights, those of the trunk included: what its scores depend on.

    Args:
        path: the checkpoint.
        like: a digest that it is to be compared with. Before, that was the SHA-256 of the file,
            and is so again where this is one.

    Raises:
        FacesimError: it cannot be read.
    """
    content = read_checkpoint(path)
    if len(like) == _SHA256_DIGITS:
        return sha256_of(path)
    parts = f"{content['trunk']} {tensors_digest(sorted(content['network'].items()))}"
    return hashlib.blake2b(parts.encode(), digest_size=16).hexdigest()
