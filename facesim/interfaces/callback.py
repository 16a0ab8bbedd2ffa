"""Callbacks: hooks of a training, with a read-only view of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from facesim.arrays import Float32Array
from facesim.atomic import replacing
from facesim.console import printable
from facesim.errors import FacesimError, PluginError
from facesim.folders import make_folder
from facesim.interfaces.metric import Quantity
from facesim.machine_errors import in_words

MOST_BYTES = 256 * 2**20
"""A callback's file is no larger."""

_LONGEST_NAME = 200


class StopTraining(Exception):  # noqa: N818  an event, not an error
    """Raised by a hook of a callback to end training.

    The run is then finished as if its epochs were over: the best checkpoint so far is evaluated,
    and the report says why training ended early. Raised within an epoch, the batches that are left
    of it are not trained on, and what it made of the network is validated as after any epoch.

    Example:
        >>> raise StopTraining("the learning rate has reached 1e-6")
        Traceback (most recent call last):
        facesim.interfaces.callback.StopTraining: the learning rate has reached 1e-6
    """

    @property
    def reason(self) -> str:
        """Why, on one line."""
        return " ".join(printable(str(self)).split()) or "no reason was given"


@dataclass(frozen=True)
class EmbeddedImages:
    """Images of a split with their embeddings.

    Attributes:
        split: ``train`` or ``val``.
        files: str [N], the images' paths in their table.
        labels: str [N], the dataset's own names of their identities.
        embeddings: float32 [N, D].
    """

    split: str
    files: npt.NDArray[np.str_]
    labels: npt.NDArray[np.str_]
    embeddings: Float32Array


def _nothing_to_embed(split: str, at_most: int | None) -> EmbeddedImages:  # noqa: ARG001
    raise FacesimError(f"there is no {split} to embed here")


def _not_logged(values: Mapping[str, float]) -> None:
    """Drops them."""


@dataclass(frozen=True, kw_only=True)
class TrainingView:
    """What a hook sees of a training. Nothing that is done to it changes the training.

    Attributes:
        name: of the experiment.
        epoch: the current epoch, from 1; 0 before the first.
        epochs: that the experiment asks for.
        step: batches trained on since the beginning.
        metrics: the validation of this epoch by name, ``loss`` among them, None where one does not
            exist; empty where the hook does not follow a validation.
        quantities: what knows the direction, the label and the unit of each metric, by name.
        best: the name of the metric that decides the best checkpoint.
        best_value: its best value so far; None if there is none.
        best_epoch: the epoch that reached it; None if there is none.
        learning_rates: of each group of parameters (``tail``, ``head``, ``loss``).
        network: a copy of any parameter or buffer by its name, made when it is asked for.
        folder: for the callback's own files, in the run directory; made by :meth:`save`.
        stopped: why training ends early; None while it goes on.
    """

    name: str
    epoch: int
    epochs: int
    step: int
    metrics: Mapping[str, float | None]
    quantities: Mapping[str, Quantity]
    best: str
    best_value: float | None
    best_epoch: int | None
    learning_rates: Mapping[str, float]
    network: Mapping[str, Tensor]
    folder: Path
    stopped: str | None = None
    embedder: Callable[[str, int | None], EmbeddedImages] = field(
        default=_nothing_to_embed, repr=False
    )
    logger: Callable[[Mapping[str, float]], None] = field(default=_not_logged, repr=False)

    def embed(self, split: str, at_most: int | None = None) -> EmbeddedImages:
        """Embed the images of a split with the network as it is, without augmentation.

        Args:
            split: ``train`` or ``val``; ``test`` is for the final result alone.
            at_most: that many images, evenly spaced over the table; None embeds all.

        Raises:
            PluginError: there is no such split to embed.
            FacesimError: an image cannot be used.
        """
        return self.embedder(split, at_most)

    def log(self, values: Mapping[str, float]) -> None:
        """Log numbers by name: into ``metrics.jsonl`` and to the trackers.

        Raises:
            PluginError: one is no number, or the hook is `Callback.on_start`, which a resumed run
                calls again.
        """
        self.logger(values)

    def save(self, name: str, content: bytes) -> Path:
        """Write a file of the callback, whole or not at all; one of that name is replaced.

        Args:
            name: of the file in `folder`.
            content: at most 256 MiB.

        Returns:
            Its path.

        Raises:
            PluginError: it is no plain file name, or the content is too large.
            FacesimError: it cannot be written.
        """
        if Path(name).name != name or name.startswith(".") or len(name) > _LONGEST_NAME:
            raise PluginError(f"a callback's file is named by its file name alone, not {name!r}")
        if len(content) > MOST_BYTES:
            raise PluginError(
                f"{name} would have {len(content):,} bytes, and {MOST_BYTES:,} are the most that a "
                "callback writes into one file; save fewer images, or several files"
            )
        path = self.folder / name
        try:
            make_folder(self.folder)
            with replacing(path) as file:
                file.write(content)
        except OSError as error:
            raise FacesimError(f"{path}: cannot be written: {in_words(error)}") from None
        return path


class Callback:
    """Hooks of a run's training, each with a view of it; by default none does anything.

    Hooks run on the main process alone. They can only watch, write files, log numbers, and end
    training by raising :class:`StopTraining`: random numbers that they draw, and settings of torch
    that they change, are put back. Every other exception ends the run as a failure of the plugin.

    A hook is called again where the run was killed before the next checkpoint, with the `state` of
    the last one. So a callback whose behaviour depends on its state and the view alone ends a
    resumed run with the same bytes as one that was not interrupted.
    """

    def on_start(self, view: TrainingView) -> None:
        """Training begins, or goes on after a resume: then `load_state` follows."""

    def on_epoch_start(self, view: TrainingView) -> None:
        """An epoch begins; not again where a run is resumed in its middle."""

    def on_validation(self, view: TrainingView) -> None:
        """The network was validated after an epoch; ``view.metrics`` has the result."""

    def on_epoch_end(self, view: TrainingView) -> None:
        """An epoch is over; called after `on_validation` of all callbacks."""

    def on_checkpoint(self, view: TrainingView) -> None:
        """A checkpoint is about to be written, after an epoch or ``train.checkpoint_every``.

        What a callback does here is still part of the `state` that the checkpoint keeps.
        """

    def on_end(self, view: TrainingView) -> None:
        """Training is over: its epochs are, or a callback has ended it.

        Not where the run is interrupted, pruned or fails; again where it is resumed after its last
        checkpoint.
        """

    def state(self) -> dict[str, Any]:
        """What a resumed run needs of the callback: numbers, text, lists and dictionaries."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take what :meth:`state` gave; of a run that is resumed, after `on_start`."""
