"""The training loop: what it calls, what it logs, and what it leaves at each point."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import ceil, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facesim.experiment.loading import load_experiment
from facesim.interfaces import PairSet
from facesim.model.network import NetworkInput
from facesim.processes import Processes
from facesim.reporters import Advance, PlainReporter, SilentReporter
from facesim.training.build import prepare
from facesim.training.checkpoint import (
    CheckpointFolder,
    Progress,
    read_checkpoint,
    restore_checkpoint,
)
from facesim.training.evaluation_pairs import choose_pairs
from facesim.training.step import NonFiniteLossError
from facesim.training.stop import Stopped
from facesim.training.trainer import OnEpoch, Trainer, ignore_epoch

FROZEN = "backbone={name: small_cnn, width: 4, frozen_stages: 2}"


class MemoryLog:
    """Keeps what the loop logs."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, int, Mapping[str, Any]]] = []

    def flush(self) -> tuple[int, str]:
        return len(self.lines), ""

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        self.lines.append((kind, step, dict(values)))


@pytest.fixture
def trainer_of(tiny_file: Path, tmp_path: Path) -> Callable[..., Trainer]:
    """Makes a trainer of the tiny experiment, with some settings changed."""

    def build(*overrides: str, processes: Processes | None = None) -> Trainer:
        components = prepare(load_experiment(tiny_file, overrides))
        folder = tmp_path / "checkpoints"
        folder.mkdir(exist_ok=True)
        return Trainer(
            components,
            Progress(),
            checkpoints=CheckpointFolder(folder),
            log=MemoryLog(),
            val_pairs=choose_pairs(components.experiment, components.val),
            processes=processes or Processes(),
        )

    return build


@pytest.fixture
def train(trainer_of: Callable[..., Trainer]) -> Callable[..., Trainer]:
    """Trains the tiny experiment, with some settings changed, from its beginning to its end."""

    def run(*overrides: str, on_epoch: OnEpoch = ignore_epoch) -> Trainer:
        trainer = trainer_of(*overrides)
        trainer.train(on_epoch)
        return trainer

    return run


@pytest.mark.parametrize("cached", [False, True])
def test_a_hook_on_the_network_sees_every_step_and_every_validation_batch(
    trainer_of: Callable[..., Trainer], cached: bool
) -> None:
    calls: list[tuple[str, int, bool]] = []

    def note(_module: Any, arguments: tuple[Any, ...], output: Any) -> None:
        inputs: NetworkInput = arguments[0]
        calls.append((inputs.kind, len(inputs), output.loss is not None))

    overrides = [FROZEN, "transforms=[]"] if cached else []
    trainer = trainer_of(*overrides, "evaluate.batch_size=5")
    trainer.components.network.register_forward_hook(note)
    trainer.train()
    batches = [batch for epoch in range(3) for batch in trainer.components.sampler.batches(epoch)]
    kind = "trunk_output" if cached else "pixels"
    assert [call for call in calls if call[2]] == [
        (kind, len(batch.images), True) for batch in batches
    ]
    validated = [size for _, size, trains in calls if not trains]
    images = len(np.unique(trainer.val_pairs.rows))
    assert len(validated) == 3 * ceil(images / 5)
    assert sum(validated) == 3 * images


def steps_of(trainer: Trainer) -> int:
    return len(trainer.components.sampler)


def lines(trainer: Trainer, kind: str) -> list[tuple[int, Mapping[str, Any]]]:
    assert isinstance(trainer.log, MemoryLog)
    return [(step, values) for found, step, values in trainer.log.lines if found == kind]


def test_what_a_step_draws_is_seeded_by_its_number_since_the_beginning(
    train: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded: list[tuple[int, int]] = []
    monkeypatch.setattr(
        "facesim.training.steps.seed_step", lambda seed, step, _: seeded.append((seed, step))
    )
    trainer = train("seed=3")
    assert seeded == [(3, step) for step in range(3 * steps_of(trainer))]


def test_losses_are_logged_every_so_many_steps_and_at_the_end_of_each_epoch(
    train: Callable[..., Trainer],
) -> None:
    trainer = train("train.log_every=4")
    steps = steps_of(trainer)
    assert steps % 4
    expected = [step for step in range(1, 3 * steps + 1) if step % 4 == 0 or step % steps == 0]
    assert [step for step, _ in lines(trainer, "train")] == expected
    assert [values["epoch"] for step, values in lines(trainer, "train") if step % steps == 0] == [
        1, 2, 3
    ]  # fmt: skip


def test_a_logged_loss_is_the_mean_over_the_steps_since_the_last_one(
    train: Callable[..., Trainer],
) -> None:
    each = [values["loss"] for _, values in lines(train("train.log_every=1"), "train")]
    trainer = train("train.log_every=2")
    steps = steps_of(trainer)
    begin = 0
    for step, values in lines(trainer, "train"):
        assert values["loss"] == pytest.approx(np.mean(each[begin:step]))
        begin = step
    assert begin == 3 * steps


def test_after_each_epoch_val_is_logged_and_the_callback_called_with_the_checkpoint_written(
    train: Callable[..., Trainer], tmp_path: Path
) -> None:
    heard: list[tuple[int, int, Mapping[str, float | None]]] = []

    def note(epochs_done: int, values: Mapping[str, float | None]) -> None:
        progress = read_checkpoint(tmp_path / "checkpoints" / "last.pt")["progress"]
        heard.append((epochs_done, progress["epoch"], values))

    trainer = train(on_epoch=note)
    assert [each[:2] for each in heard] == [(1, 1), (2, 2), (3, 3)]
    logged = lines(trainer, "val")
    assert [step for step, _ in logged] == [steps_of(trainer) * epoch for epoch in (1, 2, 3)]
    for (_, _, values), (_, line) in zip(heard, logged, strict=True):
        assert values.items() <= line.items()


def test_best_is_the_checkpoint_of_the_best_epoch(train: Callable[..., Trainer]) -> None:
    trainer = train("train.best=roc_auc")
    values = [line["roc_auc"] for _, line in lines(trainer, "val")]
    best = read_checkpoint(trainer.checkpoints.best)["progress"]
    assert best["best"] == max(values)
    assert best["epoch"] == values.index(max(values)) + 1


def test_periodic_checkpoints_are_named_and_only_the_newest_kept(
    train: Callable[..., Trainer],
) -> None:
    trainer = train(
        "train.checkpoint_every=2",
        "train.keep_checkpoints=2",
        "train.checkpoint_name='{name}-{step}'",
    )
    last = 3 * steps_of(trainer) // 2 * 2
    names = {path.stem for path in trainer.checkpoints.path.glob("*.pt")}
    assert names == {"last", "best", f"tiny-{last - 2}", f"tiny-{last}"}


def test_a_periodic_checkpoint_is_named_by_the_epoch_that_it_is_in(
    train: Callable[..., Trainer],
) -> None:
    trainer = train(
        "train.checkpoint_every=1",
        "train.keep_checkpoints=100",
        "train.checkpoint_name='{epoch}-{step}'",
    )
    names = {path.stem for path in trainer.checkpoints.path.glob("*-*.pt")}
    steps = steps_of(trainer)
    assert names == {f"{1 + step // steps}-{step + 1}" for step in range(3 * steps)}


def test_without_epochs_the_network_is_kept_as_it_was_built(train: Callable[..., Trainer]) -> None:
    trainer = train("train.epochs=0")
    saved = read_checkpoint(trainer.checkpoints.best)
    for name, tensor in trainer.components.network.trained_state().items():
        assert torch.equal(saved["network"][name], tensor)
    assert lines(trainer, "train") == lines(trainer, "val") == []


class StopAt(SilentReporter):
    """Stops the first task of a title at its n-th advance."""

    def __init__(self, title: str, advances: int) -> None:
        self.title = title
        self.left = advances

    @contextmanager
    def task(self, title: str, total: int, done: int = 0) -> Iterator[Advance]:
        def advance(count: int = 1, note: str = "") -> None:
            if title == self.title:
                self.left -= 1
                if not self.left:
                    raise Stopped(15)

        yield advance


@pytest.mark.parametrize(
    ("title", "advances"), [("epoch 2/3", 1), ("epoch 2/3", 3), ("validating", 1)]
)
def test_stopped_anywhere_and_resumed_it_ends_with_the_same_bits(
    train: Callable[..., Trainer], trainer_of: Callable[..., Trainer], title: str, advances: int
) -> None:
    whole = train()
    expected = whole.components.network.state_dict()
    stopped = trainer_of(processes=Processes(StopAt(title, advances)))
    with pytest.raises(Stopped):
        stopped.train()
    resumed = trainer_of()
    resumed.progress = restore_checkpoint(resumed.checkpoints.last, resumed.components.state)
    assert resumed.progress.step == stopped.progress.step
    assert not stopped._unread, "what was not logged yet is in the checkpoint"
    resumed.train()
    assert [*lines(stopped, "train"), *lines(resumed, "train")] == lines(whole, "train")
    for name, tensor in resumed.components.network.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_a_checkpoint_due_at_the_step_of_a_stop_is_written(
    trainer_of: Callable[..., Trainer],
) -> None:
    trainer = trainer_of("train.checkpoint_every=2", processes=Processes(StopAt("epoch 1/3", 2)))
    with pytest.raises(Stopped):
        trainer.train()
    assert trainer.checkpoints.file("step-00000002").exists()


@pytest.mark.parametrize("moment", ["link_file", "CheckpointFolder.keep_newest"])
def test_a_periodic_checkpoint_is_linked_again_if_a_kill_came_before_it(
    trainer_of: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    settings = ("train.epochs=1", "train.checkpoint_every=2", "train.keep_checkpoints=1")
    killed = trainer_of(*settings)
    steps = steps_of(killed)
    last = steps - steps % 2
    calls = []

    def kill(*_: object) -> None:
        calls.append(moment)
        if killed.progress.step == last:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"facesim.training.trainer.{moment}", kill)
        with pytest.raises(KeyboardInterrupt):
            killed.train()
    assert calls
    resumed = trainer_of(*settings)
    resumed.progress = restore_checkpoint(resumed.checkpoints.last, resumed.components.state)
    resumed.train()
    periodic = sorted(path.stem for path in resumed.checkpoints.path.glob("step-*.pt"))
    assert periodic == [f"step-{last:08d}"]


def test_best_is_linked_again_if_a_kill_came_before_it(
    train: Callable[..., Trainer], trainer_of: Callable[..., Trainer]
) -> None:
    trained = train("train.epochs=1")
    trained.checkpoints.best.unlink()
    trained.checkpoints.best.write_bytes(b"that of an earlier epoch")
    resumed = trainer_of("train.epochs=1")
    resumed.progress = restore_checkpoint(resumed.checkpoints.last, resumed.components.state)
    resumed.train()
    assert resumed.checkpoints.best.samefile(resumed.checkpoints.last)


def test_where_no_epoch_has_the_metric_the_first_is_the_best(
    trainer_of: Callable[..., Trainer],
) -> None:
    trainer = trainer_of("train.best=roc_auc")
    pairs = trainer.val_pairs
    trainer.val_pairs = PairSet(pairs.rows[pairs.same], pairs.same[pairs.same])
    trainer.train()
    assert [line["roc_auc"] for _, line in lines(trainer, "val")] == [None] * 3
    assert read_checkpoint(trainer.checkpoints.best)["progress"]["epoch"] == 1


def test_a_loss_that_is_not_finite_ends_training_before_the_update(
    trainer_of: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trainer_of()
    parameters = list(trainer.components.network.parameters())
    before = [parameter.detach().clone() for parameter in parameters]
    loss = type(trainer.components.network.loss)
    monkeypatch.setattr(loss, "forward", lambda _self, embeddings, _batch: embeddings.sum() * nan)
    with pytest.raises(NonFiniteLossError, match=r"nan at epoch 1, batch 1 \(step 1\)"):
        trainer.train()
    assert all(torch.equal(*both) for both in zip(parameters, before, strict=True))
    assert not trainer.checkpoints.last.exists()


def test_an_epoch_is_reported_with_its_headline_metrics(
    trainer_of: Callable[..., Trainer], capsys: pytest.CaptureFixture[str]
) -> None:
    trainer_of("train.epochs=1", processes=Processes(PlainReporter())).train()
    (line,) = [each for each in capsys.readouterr().out.splitlines() if "val " in each]
    assert re.match(r"epoch 1/1: val accuracy \d\.\d{4}, .*loss \d\.\d{4} \(best so far\)", line)
    shown = [each.split()[0] for each in line.removeprefix("epoch 1/1: val ").split(", ")]
    assert shown == ["accuracy", "eer", "roc_auc", "loss"]
