"""Contract of callbacks."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from facesim.interfaces import Callback, EmbeddedImages, StopTraining, TrainingView
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.interfaces.metric import MeanLoss
from facesim.registry import Spec
from facesim.testing.contract import Contract, promises_of_every_kind, require
from facesim.testing.modules import through_a_file

EPOCHS = 6
STEPS = 4
"""Of an epoch."""

HOOKS = ("on_epoch_start", "on_validation", "on_epoch_end", "on_checkpoint")

CALLBACK: Contract[Callback] = Contract("callback", promises_of_every_kind())


@CALLBACK.promise(hint="return numbers, text, lists and dictionaries with keys of text, no tensors")
def state_is_plain_data(spec: Spec[Callback]) -> None:
    """Its state is plain data, before the first hook and after each."""
    with _folder() as folder:
        told = _Training(folder)
        callback = told.begun(spec)
        for epoch in range(EPOCHS + 1):
            state: Any = callback.state()
            try:
                same = json.loads(json.dumps(state)) == state or "NaN" in json.dumps(state)
            except (TypeError, ValueError) as error:
                same, state = False, f"{type(error).__name__}: {error}"
            require(same, f"the state after epoch {epoch} is {state}")
            if epoch < EPOCHS:
                told.epoch(callback, epoch + 1)


@CALLBACK.promise(hint="keep in state() whatever a hook reads and changes, and take it back")
def resuming_is_identical(spec: Spec[Callback]) -> None:
    """Resumed from any checkpoint it logs, writes, keeps and stops as it would have otherwise."""
    with _folder() as folder:
        whole = _Training(folder / "whole")
        whole.run(spec)
        for interrupted in range(1, EPOCHS):
            parts = _Training(folder / f"parts_{interrupted}")
            parts.run(spec, interrupted)
            require(
                parts.states == whole.states,
                f"resumed after epoch {interrupted} its states are {parts.states}, "
                f"otherwise {whole.states}",
            )
            require(
                parts.logged == whole.logged,
                f"resumed after epoch {interrupted} it logged {parts.logged}, "
                f"otherwise {whole.logged}",
            )
            require(
                parts.stopped == whole.stopped,
                f"resumed after epoch {interrupted} it stops {parts.stopped}, "
                f"otherwise {whole.stopped}",
            )
            require(
                parts.files() == whole.files(),
                f"resumed after epoch {interrupted} it writes other files",
            )


@CALLBACK.promise(hint="overwrite a file of the same name, and count nothing outside of state()")
def hooks_may_be_called_again(spec: Spec[Callback]) -> None:
    """A run that was killed before its checkpoint calls the hooks of an epoch again."""
    with _folder() as folder:
        told = _Training(folder)
        callback = told.begun(spec)
        before = through_a_file(callback.state())
        told.epoch(callback, 1)
        first = told.logged, told.files(), callback.state()
        told.logged = []
        again = told.begun(spec)
        again.load_state(before)
        told.epoch(again, 1)
        second = told.logged, told.files(), again.state()
        require(second == first, f"the first time it came to {first}, then to {second}")


@CALLBACK.promise(hint="test a metric for None before comparing it")
def undefined_metrics_are_accepted(spec: Spec[Callback]) -> None:
    """A validation in which no metric exists is accepted; it may end training."""
    with _folder() as folder:
        told = _Training(folder, undefined=True)
        callback = told.begun(spec)
        for epoch in range(1, EPOCHS + 1):
            told.epoch(callback, epoch)
        told.call(callback, "on_end", EPOCHS)


@CALLBACK.promise(hint="let on_end depend on nothing that only an epoch makes")
def untrained_run_may_end(spec: Spec[Callback]) -> None:
    """A run of no epochs begins and ends."""
    with _folder() as folder:
        told = _Training(folder)
        told.call(told.begun(spec), "on_end", 0)


@CALLBACK.promise(hint="write with view.save(name, content) alone, which writes into view.folder")
def nothing_is_written_elsewhere(spec: Spec[Callback]) -> None:
    """It writes nothing outside of its own folder in the run directory."""
    with _folder() as folder:
        run_dir = folder / "run"
        run_dir.mkdir()
        told = _Training(run_dir)
        told.run(spec)
        others = sorted(
            str(path.relative_to(folder))
            for path in folder.rglob("*")
            if path.is_file() and told.folder not in path.parents
        )
        require(not others, f"beside its folder it wrote {', '.join(others)}")


@dataclass
class _Training:
    """A training that does not take place, but is told to a callback.

    Attributes:
        run_dir: where the callback's folder is.
        undefined: whether no metric exists.
        logged: what was logged.
        states: of the callback after each epoch.
        stopped: in which epoch, and why.
    """

    run_dir: Path
    undefined: bool = False
    logged: list[dict[str, float]] = field(default_factory=list)
    states: list[Any] = field(default_factory=list)
    stopped: list[tuple[int, str]] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.run_dir / "callbacks" / "tried"

    def begun(self, spec: Spec[Callback]) -> Callback:
        callback = spec.build()
        self.call(callback, "on_start", 0)
        return callback

    def run(self, spec: Spec[Callback], interrupted: int = 0) -> None:
        """All epochs; after one of them another process goes on."""
        callback = self.begun(spec)
        for epoch in range(1, EPOCHS + 1):
            self.epoch(callback, epoch)
            self.states.append(through_a_file(callback.state()))
            if epoch == interrupted and not self.stopped:
                callback = self.begun(spec)
                callback.load_state(self.states[-1])
            if self.stopped:
                break
        self.call(callback, "on_end", len(self.states))

    def epoch(self, callback: Callback, epoch: int) -> None:
        for hook in HOOKS:
            self.call(callback, hook, epoch)

    def call(self, callback: Callback, hook: str, epoch: int) -> None:
        try:
            getattr(callback, hook)(self._view(hook, epoch))
        except StopTraining as wish:
            require(hook != "on_end", "it raises StopTraining in on_end, where nothing is left")
            self.stopped.append((epoch, wish.reason))

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.glob("*")}

    def _view(self, hook: str, epoch: int) -> TrainingView:
        metrics = built_metrics(standard_metrics())
        # Rising, then falling, so that what waits for an improvement waits in vain.
        level = 0.5 + 0.1 * min(epoch, 4 - epoch)
        values: dict[str, float | None] = dict.fromkeys(metrics, level)
        values[MeanLoss.name] = 1.0 - level
        if self.undefined:
            values = dict.fromkeys(values)
        validated = hook in HOOKS[1:]
        step = STEPS * (epoch - (hook == "on_epoch_start"))

        def log(logged: Mapping[str, float]) -> None:
            wrong = {name: each for name, each in logged.items() if type(each) not in (int, float)}
            require(not wrong, f"it logs what is no number: {wrong}")
            require(hook != "on_start", "it logs in on_start, which a resumed run calls again")
            self.logged.append({"epoch": epoch, **logged})

        return TrainingView(
            name="tried",
            epoch=epoch,
            epochs=EPOCHS,
            step=step,
            metrics=MappingProxyType(values if validated else {}),
            quantities=MappingProxyType({**metrics, MeanLoss.name: MeanLoss()}),
            best=next(iter(metrics)),
            best_value=None,
            best_epoch=None,
            learning_rates=MappingProxyType({"head": 0.1 / (1 + step)}),
            network=MappingProxyType({"head.weight": torch.full((4, 8), float(step))}),
            folder=self.folder,
            embedder=_embedded,
            logger=log,
        )


def _embedded(split: str, at_most: int | None) -> EmbeddedImages:
    require(split in ("train", "val"), f"it embeds {split!r}; test is for the final result alone")
    count = 12 if at_most is None else min(12, at_most)
    drawn = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)
    files = np.array([f"{row}.png" for row in range(count)])
    return EmbeddedImages(
        split, files, np.array([f"person {row // 3}" for row in range(count)]), drawn
    )


@contextmanager
def _folder() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(folder)
