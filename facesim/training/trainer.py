"""The training loop: epochs of steps, a validation after each, checkpoints in between."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from facesim.atomic import link_file
from facesim.evaluation.embedding import Embedder, SharedNames
from facesim.interfaces import PairSet
from facesim.model.devices import keeping_freed_memory
from facesim.model.network import NetworkInput
from facesim.processes import Processes
from facesim.training.build import RunComponents
from facesim.training.callbacks import Hooks
from facesim.training.checkpoint import (
    CheckpointFolder,
    Progress,
    save_checkpoint,
)
from facesim.training.mining import mine_epoch
from facesim.training.shards import SharedBatch
from facesim.training.step import require_finite
from facesim.training.steps import Steps
from facesim.training.stop import Stopped, TrainingCancelled
from facesim.training.validation import Validation, validate

Values = Mapping[str, float | None]
"""Metrics and the loss on val by name; None where one is undefined."""

OnEpoch = Callable[[int, Values], None]
"""Called after each epoch, once its checkpoint is written, with the number of epochs done and the
values on val; may raise `TrainingCancelled` to end training early."""


def ignore_epoch(epochs_done: int, values: Values) -> None:
    """No-op epoch callback."""


class LogWriter(Protocol):
    """Receives what the loop measures."""

    def flush(self) -> tuple[int, str]:
        """Put all lines on the disk; returns the number of their bytes, and their SHA-256."""

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Log values by name at a step."""


class Trainer:
    """Trains the components of a run from where its progress stands to the last epoch.

    What it does at a step depends on the experiment and on the step's number alone, never on
    what this process did before: that is what makes a resumed run identical.

    Args:
        components: network, optimizer, sampler and splits; their state is that of ``progress``.
        progress: moved on with every step.
        checkpoints: where they are written.
        log: written to after steps and epochs.
        val_pairs: of the validation after each epoch.
        processes: show the progress, and may stop it.
    """

    def __init__(
        self,
        components: RunComponents,
        progress: Progress,
        *,
        checkpoints: CheckpointFolder,
        log: LogWriter,
        val_pairs: PairSet,
        processes: Processes,
    ) -> None:
        self.components = components
        self.progress = progress
        self.checkpoints = checkpoints
        self.log = log
        self.val_pairs = val_pairs
        self.processes = processes
        self.settings = components.experiment.train
        self.steps = Steps(components, processes)
        self.hooks = Hooks(components, progress, checkpoints.path.parent, log.write, processes)
        self._unread: list[Tensor] = []

    def train(self, on_epoch: OnEpoch = ignore_epoch) -> None:
        """Train the remaining epochs.

        Raises:
            Stopped: a stop was requested; the checkpoint ``last`` holds everything up to it.
            NonFiniteLossError: the loss is not a finite number; earlier checkpoints are kept.
            TrainingCancelled: ``on_epoch`` ended the training.
        """
        with keeping_freed_memory():
            self._train(on_epoch)

    def _train(self, on_epoch: OnEpoch) -> None:
        progress, epochs = self.progress, self.settings.epochs
        self._relink()
        try:
            self.hooks.start()
            if not progress.is_trained(epochs) and not progress.hooks.stopped:
                self._warm(range(progress.epoch, epochs))
            while not progress.is_trained(epochs):
                self.hooks.begin_epoch()
                if progress.is_trained(epochs):
                    break
                if not progress.hooks.stopped:
                    self._train_epoch()
                self._end_epoch(self._validate(), on_epoch)
            if not progress.step or progress.hooks.stopped:
                self._save()
            if not progress.step or not self.checkpoints.best.exists():  # it is as it was built
                link_file(self.checkpoints.last, self.checkpoints.best)
            self.hooks.end()
        except Stopped as stopped:
            if not stopped.at_once:  # otherwise perhaps in the middle of a step
                self._save()
            raise

    def _warm(self, epochs: range) -> None:
        """Compute in advance what the frozen trunk makes of the images of some epochs."""
        inputs = self.components.train.inputs
        rows = inputs.rows_of_epochs(self.components.sampler, epochs)
        if len(rows):
            self.processes.request(
                "warm", system="training", split="train", rows=torch.from_numpy(rows), training=True
            )
            inputs.warm(rows, self.processes, training=True)

    def _relink(self) -> None:
        """Recreate the links to ``last`` if the process died between writing and linking it."""
        progress = self.progress
        if progress.batch and self._is_due(self.settings.checkpoint_every):
            self._link_periodic()
        if progress.epoch and progress.batch == 0 and progress.best_epoch == progress.epoch - 1:
            link_file(self.checkpoints.last, self.checkpoints.best)

    def _train_epoch(self) -> None:
        components, progress, settings = self.components, self.progress, self.settings
        total = len(components.sampler)
        if progress.batch == 0:
            mine_epoch(components, progress.epoch, self.processes)
        self.processes.request("epoch", epoch=progress.epoch, batch=progress.batch)
        title = f"epoch {progress.epoch + 1}/{settings.epochs}"
        with self.processes.reporter.task(title, total, progress.batch) as advance:
            watch = _Stopwatch()
            for part, inputs in self.steps.batches(progress.epoch, progress.batch):
                self._step(part, inputs)
                watch.images += len(part.whole.images)
                note = ""
                if self._is_due(settings.log_every) or progress.batch == total:
                    loss = self._log_losses()
                    note = f"loss {loss:.4f}, {watch.images_per_second():.0f} images/s"
                if self._is_due(settings.checkpoint_every):
                    self.hooks.call("on_checkpoint")
                    self._save()
                    self._link_periodic()
                advance(1, note)  # last, because a request to stop leaves the loop here
                if progress.hooks.stopped:
                    break

    def _step(self, part: SharedBatch, inputs: NetworkInput) -> None:
        """One update; its loss is read later, because reading it would wait for the device."""
        progress = self.progress
        self.processes.request("step", step=progress.step)
        loss = self.steps.run(part, inputs, progress)
        progress.batch += 1
        progress.step += 1
        self._unread.append(loss)

    def _is_due(self, every: int | None) -> bool:
        return every is not None and self.progress.step % every == 0

    def _read_losses(self) -> None:
        """Fetch the losses of the latest steps from the device, all at once, and check them."""
        progress = self.progress
        losses = torch.stack(self._unread).tolist() if self._unread else []
        self._unread.clear()
        for back, loss in enumerate(reversed(losses)):
            require_finite(loss, progress.epoch + 1, progress.batch - back, progress.step - back)
        progress.unlogged_losses += losses

    def _log_losses(self) -> float:
        """Log and return the mean loss of the steps since the last time."""
        self._read_losses()
        losses = self.progress.unlogged_losses
        loss = sum(losses) / len(losses)
        losses.clear()
        lr = self.components.state.optimizer.param_groups[0]["lr"]
        values = {"loss": loss, "lr": float(lr), "epoch": self.progress.epoch + 1}
        self.log.write("train", self.progress.step, values)
        return loss

    def _validate(self) -> Validation:
        components = self.components
        embedder = Embedder(
            components.network,
            components.val.inputs,
            components.experiment.evaluate.batch_size,
            self.processes,
            title="validating",
            shared_as=SharedNames("training", "val"),
        )
        return validate(embedder, components.val, self.val_pairs, components.metrics)

    def _end_epoch(self, validation: Validation, on_epoch: OnEpoch) -> None:
        """Log the validation, keep the best, and write the checkpoint that resuming starts from."""
        progress, best = self.progress, self.components.best
        values = validation.result.values()
        warnings = validation.warnings(progress.epoch + 1, self.settings.epochs)
        diagnostics = {**validation.health.values(), "warnings": warnings}
        self.log.write("val", progress.step, {"epoch": progress.epoch + 1, **values, **diagnostics})
        is_best = best.better(values[best.name], progress.best)
        if is_best:
            progress.best, progress.best_epoch = values[best.name], progress.epoch
        self.hooks.end_epoch(values)
        progress.epoch, progress.batch = progress.epoch + 1, 0
        self._save()
        if is_best or not self.checkpoints.best.exists():
            link_file(self.checkpoints.last, self.checkpoints.best)
        self._report(values, warnings, is_best=is_best)
        try:
            on_epoch(progress.epoch, values)
        except TrainingCancelled:
            if not progress.hooks.stopped:  # otherwise a callback has ended it, as if all were done
                raise

    def _report(self, values: Values, warnings: Sequence[str], *, is_best: bool) -> None:
        """Print the headline metrics of an epoch, and its warnings."""
        components, epoch = self.components, self.progress.epoch
        headline = [
            metric.name
            for metric in components.metrics.values()
            if metric.headline and not metric.at_threshold
        ]
        shown = []
        for name in dict.fromkeys((components.best.name, *headline, "loss")):
            value = values[name]
            shown.append(f"{name} {'undefined' if value is None else f'{value:.4f}'}")
        note = " (best so far)" if is_best else ""
        say = self.processes.reporter.say
        say(f"epoch {epoch}/{self.settings.epochs}: val {', '.join(shown)}{note}")
        for warning in warnings:
            say(f"epoch {epoch}: warning: {warning}")

    def _save(self) -> None:
        self._read_losses()
        self.progress.log_bytes, self.progress.log_sha256 = self.log.flush()
        save_checkpoint(self.checkpoints.last, self.components.state, self.progress)

    def _link_periodic(self) -> None:
        name = self.settings.checkpoint_name.format(
            name=self.components.experiment.name,
            epoch=self.progress.epoch + 1,
            step=self.progress.step,
        )
        link_file(self.checkpoints.last, self.checkpoints.file(name))
        self.checkpoints.keep_newest(self.settings.keep_checkpoints)


class _Stopwatch:
    """Images per second since the last reading."""

    def __init__(self) -> None:
        self.images = 0
        self._began = time.monotonic()

    def images_per_second(self) -> float:
        now = time.monotonic()
        rate = self.images / max(now - self._began, 1e-9)
        self.images, self._began = 0, now
        return rate
