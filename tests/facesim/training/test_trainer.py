"""The training loop: what it calls, what it logs, and what it leaves at each point."""

from collections.abc import Callable, Mapping
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesim.experiment.loading import load_experiment
from facesim.model.network import NetworkInput
from facesim.processes import Processes
from facesim.training.build import RunComponents, prepare
from facesim.training.checkpoint import CheckpointFolder, Progress
from facesim.training.evaluation_pairs import choose_pairs
from facesim.training.trainer import Trainer

FROZEN = "backbone={name: small_cnn, width: 4, frozen_stages: 2}"


class MemoryLog:
    """Keeps what the loop logs."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, int, Mapping[str, Any]]] = []

    @property
    def length(self) -> int:
        return len(self.lines)

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        self.lines.append((kind, step, dict(values)))


@pytest.fixture
def train(tiny_file: Path, tmp_path: Path) -> Callable[..., Trainer]:
    """Trains the tiny experiment, with some settings changed, from the beginning."""

    def build(*overrides: str, watch: Callable[[RunComponents], None] | None = None) -> Trainer:
        prepared = prepare(load_experiment(tiny_file, overrides))
        if watch is not None:
            watch(prepared)
        folder = tmp_path / "checkpoints"
        folder.mkdir(exist_ok=True)
        trainer = Trainer(
            prepared,
            Progress(),
            checkpoints=CheckpointFolder(folder),
            log=MemoryLog(),
            val_pairs=choose_pairs(prepared.experiment, prepared.val),
            processes=Processes(),
        )
        trainer.train()
        return trainer

    return build


@pytest.mark.parametrize("cached", [False, True])
def test_a_hook_on_the_network_sees_every_step_and_every_validation_batch(
    train: Callable[..., Trainer], cached: bool
) -> None:
    calls: list[tuple[str, int, bool]] = []

    def note(_module: Any, arguments: tuple[Any, ...], output: Any) -> None:
        inputs: NetworkInput = arguments[0]
        calls.append((inputs.kind, len(inputs), output.loss is not None))

    def watch(prepared: RunComponents) -> None:
        prepared.network.register_forward_hook(note)

    overrides = [FROZEN, "transforms=[]"] if cached else []
    trainer = train(*overrides, "evaluate.batch_size=5", watch=watch)
    batches = [batch for epoch in range(3) for batch in trainer.components.sampler.batches(epoch)]
    kind = "trunk_output" if cached else "pixels"
    assert [call for call in calls if call[2]] == [
        (kind, len(batch.images), True) for batch in batches
    ]
    validated = [size for _, size, trains in calls if not trains]
    images = len(np.unique(trainer.val_pairs.rows))
    assert len(validated) == 3 * ceil(images / 5)
    assert sum(validated) == 3 * images
