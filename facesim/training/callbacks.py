"""Calling the hooks of a run's callbacks, and keeping their states in its checkpoints."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from pydantic import JsonValue, TypeAdapter, ValidationError
from torch import Tensor, nn

from facesim.errors import PluginError
from facesim.evaluation.embedding import Embedder, SharedNames
from facesim.interfaces import Callback, EmbeddedImages, StopTraining, TrainingView
from facesim.interfaces.metric import MeanLoss
from facesim.processes import Processes
from facesim.training.build import RunComponents
from facesim.training.checkpoint import Progress
from facesim.training.determinism import undisturbed
from facesim.training.stop import InterruptibleReporter

FOLDER = "callbacks"
"""In the run directory; each callback has a folder of its own in it."""

Hook = Literal["on_start", "on_epoch_start", "on_validation", "on_epoch_end", "on_checkpoint"]

Write = Callable[[str, int, Mapping[str, Any]], None]
"""Logs values by name: what kind of entry it is, at which step."""

_STATE = TypeAdapter(dict[str, JsonValue])


class Hooks:
    """Calls the hooks of a run's callbacks.

    No hook is interrupted by a request to stop, and none by another's :class:`StopTraining`. So a
    checkpoint is written before or after all of them, and what they did is in it or is done again.

    Args:
        components: the callbacks, and what they are shown.
        progress: where the states of the callbacks are kept, and why training is to end.
        run_dir: where their files go.
        write: into the run's log.
        processes: embed images, and show the progress.
    """

    def __init__(
        self,
        components: RunComponents,
        progress: Progress,
        run_dir: Path,
        write: Write,
        processes: Processes,
    ) -> None:
        self._components = components
        self._callbacks = components.callbacks
        self._progress = progress
        self._run_dir = run_dir
        self._log = write
        reporter = processes.reporter
        plain = reporter.plain if isinstance(reporter, InterruptibleReporter) else reporter
        self._processes = replace(processes, reporter=plain)

    def start(self) -> None:
        """Tell the callbacks that training begins, and give them the state of the checkpoint.

        Raises:
            Exception: whatever a callback raises, here and in the other methods.
        """
        self.call("on_start")
        for key, callback in self._callbacks.items():
            if key in self._progress.hooks.states:
                with undisturbed():
                    callback.load_state(_copy(self._progress.hooks.states[key]))

    def begin_epoch(self) -> None:
        """Tell them that an epoch begins, unless they know."""
        if self._callbacks and not self._progress.hooks.has_begun:
            self.call("on_epoch_start")
            self._progress.hooks.has_begun = True

    def end_epoch(self, metrics: Mapping[str, float | None]) -> None:
        """Tell them what the validation has found, and that the epoch is over."""
        self.call("on_validation", metrics)
        self.call("on_epoch_end", metrics)
        self.call("on_checkpoint", metrics)
        self._progress.hooks.has_begun = False

    def end(self) -> None:
        """Tell them that training is over; a wish to end it has no meaning any more."""
        for key, callback in self._callbacks.items():
            with undisturbed():
                try:
                    callback.on_end(self._view(key, {}))
                except StopTraining:
                    continue

    def call(self, hook: Hook, metrics: Mapping[str, float | None] | None = None) -> None:
        """Call one hook of every callback, and keep their states.

        Args:
            hook: which.
            metrics: of the epoch's validation, where it has been made.
        """
        kept, reason = self._progress.hooks, ""
        for key, callback in self._callbacks.items():
            with undisturbed():
                try:
                    getattr(callback, hook)(self._view(key, metrics or {}, hook))
                except StopTraining as wish:
                    reason = reason or f"{key}: {wish.reason}"
        if hook != "on_start":  # which is followed by the state of before
            kept.states = {
                key: state
                for key, callback in self._callbacks.items()
                if (state := _state_of(key, callback))
            }
        if reason and not kept.stopped:
            kept.stopped = reason
            last = self._progress.epoch + bool(self._progress.batch)
            self._log("stopped", self._progress.step, {"epoch": last, "reason": reason})
            where = f"with epoch {last}" if last else "before its first epoch"
            self._processes.reporter.say(f"training ends {where}: {reason}")

    def _view(
        self, key: str, metrics: Mapping[str, float | None], hook: str = "on_end"
    ) -> TrainingView:
        components, progress = self._components, self._progress
        epoch = progress.epoch + bool(progress.batch or hook == "on_epoch_start")
        groups = components.state.optimizer.param_groups
        rates = {
            str(group.get("name", f"group_{at}")): float(group["lr"])
            for at, group in enumerate(groups)
        }
        return TrainingView(
            name=components.experiment.name,
            epoch=epoch,
            epochs=components.experiment.train.epochs,
            step=progress.step,
            metrics=MappingProxyType(dict(metrics)),
            quantities=MappingProxyType({**components.metrics, MeanLoss.name: MeanLoss()}),
            best=components.best.name,
            best_value=progress.best,
            best_epoch=None if progress.best_epoch is None else progress.best_epoch + 1,
            learning_rates=MappingProxyType(rates),
            network=_Copies(components.network),
            folder=self._run_dir / FOLDER / key,
            stopped=progress.hooks.stopped or None,
            embedder=self._embed,
            logger=_refuse_to_log if hook == "on_start" else partial(self._write, key, epoch),
        )

    def _write(self, key: str, epoch: int, values: Mapping[str, float]) -> None:
        wrong = [name for name, each in values.items() if type(each) not in (int, float)]
        if wrong:
            raise PluginError(
                f"the callback {key!r} logs {wrong[0]!r}, which is no number but "
                f"{type(values[wrong[0]]).__name__}; numbers alone can be logged: float(...)"
            )
        logged = {f"{key}.{name}": each for name, each in values.items()}
        self._log("callback", self._progress.step, {"epoch": epoch, **logged})

    def _embed(self, split: str, at_most: int | None) -> EmbeddedImages:
        if split not in ("train", "val"):
            raise PluginError(
                f"a callback embeds 'train' or 'val', not {split!r}: test is for the final result"
            )
        components = self._components
        images = components.train if split == "train" else components.val
        rows = np.arange(len(images.table))
        if at_most is not None and at_most < len(rows):
            rows = np.linspace(0, len(rows) - 1, at_most).astype(np.int64)
        embedder = Embedder(
            components.network,
            images.inputs,
            components.experiment.evaluate.batch_size,
            self._processes,
            title=f"embedding {split}",
            shared_as=SharedNames("training", split),
        )
        table = images.table
        return EmbeddedImages(
            split,
            table.files[rows].astype(np.str_),
            np.asarray(table.labels)[table.identities[rows]].astype(np.str_),
            embedder.embed(rows).numpy(),
        )


class _Copies(Mapping[str, Tensor]):
    """Parameters and buffers of a network by name, each copied to the CPU when it is asked for."""

    def __init__(self, network: nn.Module) -> None:
        self._state = network.state_dict

    def __getitem__(self, name: str) -> Tensor:
        tensor: Tensor = self._state()[name]
        return tensor.detach().to("cpu", copy=True)

    def __iter__(self) -> Iterator[str]:
        return iter(self._state())

    def __len__(self) -> int:
        return len(self._state())


def _refuse_to_log(values: Mapping[str, float]) -> None:
    raise PluginError(
        f"on_start logs {', '.join(map(str, values))}: it is called whenever the run goes on, and "
        "would log it again; log in on_epoch_start where view.epoch is 1"
    )


def _state_of(key: str, callback: Callback) -> dict[str, JsonValue]:
    """The state of a callback as a checkpoint holds it."""
    with undisturbed():
        state = callback.state()
    try:
        _STATE.validate_python(state, strict=True)
    except ValidationError as error:
        where = ".".join(str(each) for each in error.errors()[0]["loc"] if str(each) in state)
        raise PluginError(
            f"the state of the callback {key!r} is not plain data{where and ', at '}{where}: "
            "numbers, text, lists, dictionaries with keys of text, True, False and None"
        ) from None
    return _copy(state)


def _copy(state: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """A copy of types that JSON has, not of classes that derive from them."""
    copied: dict[str, JsonValue] = json.loads(json.dumps(state))
    return copied
