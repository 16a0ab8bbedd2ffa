"""The training loop: epochs of steps, a validation after each, checkpoints in between."""

import time
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Protocol

import torch
from torch import Tensor

from facesim.evaluation.embedding import Embedder
from facesim.interfaces import PairBatch, PairSet
from facesim.model.network import NetworkInput
from facesim.processes import Processes
from facesim.training.build import RunComponents
from facesim.training.checkpoint import (
    CheckpointFolder,
    Progress,
    link_checkpoint,
    save_checkpoint,
)
from facesim.training.mining import mine_epoch
from facesim.training.step import precision_of, require_finite, seed_step, training_loss, update
from facesim.training.stop import Stopped
from facesim.training.validation import Validation, validate

OnEpoch = Callable[[int, Mapping[str, float | None]], None]
"""Called after each epoch, once its checkpoint is written, with the number of epochs done and val's
metrics by name; may raise `TrainingCancelled` to give the run up."""


def ignore_epoch(epochs_done: int, values: Mapping[str, float | None]) -> None:
    """Let every epoch pass."""


class LogWriter(Protocol):
    """Receives what the loop measures."""

    @property
    def length(self) -> int:
        """Bytes written so far, where a resumed run goes on."""

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Log values by name at a step."""


class Trainer:
    """Trains the parts of a run from where its progress stands to the last epoch.

    What it does at a step depends on the experiment and on the step's number alone, never on
    what this process did before: that is what makes a resumed run identical.
    """

    def __init__(
        self,
        prepared: RunComponents,
        progress: Progress,
        *,
        checkpoints: CheckpointFolder,
        log: LogWriter,
        val_pairs: PairSet,
        processes: Processes,
        on_epoch: OnEpoch = ignore_epoch,
    ) -> None:
        self.prepared = prepared
        self.progress = progress
        self.checkpoints = checkpoints
        self.log = log
        self.val_pairs = val_pairs
        self.processes = processes
        self.on_epoch = on_epoch
        self.settings = prepared.experiment.train
        self.device = prepared.network.device
        self._unread: list[Tensor] = []
        self.precision = precision_of(self.settings.precision, self.device)

    def train(self) -> None:
        """Run the remaining epochs.

        Raises:
            Stopped: a stop was requested; the checkpoint ``last`` holds everything up to it.
            NonFiniteLossError: the loss is no number; earlier checkpoints are kept.
            TrainingCancelled: the hook gave the run up.
        """
        self._relink_best()
        try:
            self._train()
        except Stopped:
            self._save()
            raise

    def _train(self) -> None:
        if not self.settings.epochs:
            self._save_untrained()
        epochs = range(self.progress.epoch, self.settings.epochs)
        self.prepared.train.inputs.warm_epochs(self.prepared.sampler, epochs, self.processes)
        while self.progress.epoch < self.settings.epochs:
            self._train_epoch()
            self._end_epoch(self._validate())

    def _save_untrained(self) -> None:
        """Without an epoch the network as it was built is what is measured."""
        self._save()
        link_checkpoint(self.checkpoints.last, self.checkpoints.best)

    def _relink_best(self) -> None:
        """Renew ``best`` if a kill came between writing ``last`` and linking it."""
        progress = self.progress
        if progress.epoch and progress.batch == 0 and progress.best_epoch == progress.epoch - 1:
            link_checkpoint(self.checkpoints.last, self.checkpoints.best)

    def _train_epoch(self) -> None:
        progress, sampler = self.progress, self.prepared.sampler
        if progress.batch == 0:
            mine_epoch(self.prepared, progress.epoch, self.processes)
        self.prepared.network.train()
        batches = islice(sampler.batches(progress.epoch), progress.batch, None)
        title = f"epoch {progress.epoch + 1}/{self.settings.epochs}"
        with self.processes.reporter.task(title, len(sampler), progress.batch) as advance:
            watch = _Stopwatch()
            for batch, inputs in self.prepared.train.inputs.batches(batches, progress.epoch):
                self._unread.append(self._step(batch, inputs))
                watch.images += len(inputs)
                note = ""
                if self._is_due(self.settings.log_every) or progress.batch == len(sampler):
                    note = (
                        f"loss {self._log_losses():.4f}, {watch.images_per_second():.0f} images/s"
                    )
                if self._is_due(self.settings.checkpoint_every):
                    self._save_periodic()
                advance(1, note)  # last, because a stop leaves the loop here

    def _step(self, batch: PairBatch, inputs: NetworkInput) -> Tensor:
        """One update; returns the loss, which stays on the device unless that is the CPU."""
        progress, trained = self.progress, self.prepared.trained
        seed_step(self.prepared.experiment.seed, progress.step, self.device)
        loss = training_loss(
            trained.network, inputs.to(self.device), batch.to(self.device), self.precision
        )
        if self.device.type == "cpu":
            require_finite(loss.item(), progress.epoch + 1, progress.batch + 1, progress.step + 1)
        update(trained, loss)
        progress.batch += 1
        progress.step += 1
        return loss.detach()

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
        lr = self.prepared.trained.optimizer.param_groups[0]["lr"]
        values = {"loss": loss, "lr": float(lr), "epoch": self.progress.epoch + 1}
        self.log.write("train", self.progress.step, values)
        return loss

    def _validate(self) -> Validation:
        prepared = self.prepared
        embedder = Embedder(
            prepared.network,
            prepared.val.inputs,
            prepared.experiment.evaluate.batch_size,
            self.processes,
            title="validating",
        )
        return validate(embedder, prepared.val, self.val_pairs, prepared.metrics)

    def _end_epoch(self, validation: Validation) -> None:
        """Log the validation, keep the best, and write the checkpoint that resuming starts from."""
        progress, metric = self.progress, self.prepared.best
        values = validation.result.values()
        value = values[metric.name]
        warnings = validation.warnings(progress.epoch + 1, self.settings.epochs)
        self.log.write(
            "val",
            progress.step,
            {
                "epoch": progress.epoch + 1,
                **values,
                **validation.health.values(),
                "warnings": warnings,
            },
        )
        is_best = metric.better(value, progress.best)
        if is_best:
            progress.best, progress.best_epoch = value, progress.epoch
        progress.epoch, progress.batch = progress.epoch + 1, 0
        self._save()
        if is_best or not self.checkpoints.best.exists():
            link_checkpoint(self.checkpoints.last, self.checkpoints.best)
        headline = [
            each.name
            for each in self.prepared.metrics.values()
            if each.headline and not each.at_threshold
        ]
        shown = dict.fromkeys((metric.name, *headline, "loss"))
        figures = ", ".join(f"{name} {_shown(values[name])}" for name in shown)
        self.processes.reporter.say(
            f"epoch {progress.epoch}/{self.settings.epochs}: val {figures}"
            f"{' (best so far)' if is_best else ''}"
        )
        for warning in warnings:
            self.processes.reporter.say(f"epoch {progress.epoch}: warning: {warning}")
        self.on_epoch(progress.epoch, values)

    def _save(self) -> None:
        self._read_losses()
        self.progress.log_bytes = self.log.length
        save_checkpoint(self.checkpoints.last, self.prepared.trained, self.progress)

    def _save_periodic(self) -> None:
        self._save()
        name = self.settings.checkpoint_name.format(
            name=self.prepared.experiment.name,
            epoch=self.progress.epoch + 1,
            step=self.progress.step,
        )
        link_checkpoint(self.checkpoints.last, self.checkpoints.file(name))
        self.checkpoints.keep_newest(self.settings.keep_checkpoints)


class _Stopwatch:
    """Images a second since the last reading."""

    def __init__(self) -> None:
        self.images = 0
        self._began = time.monotonic()

    def images_per_second(self) -> float:
        now = time.monotonic()
        rate = self.images / max(now - self._began, 1e-9)
        self.images, self._began = 0, now
        return rate


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
