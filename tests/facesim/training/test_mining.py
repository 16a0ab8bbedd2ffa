"""A sampler that mines is shown the training images when it should be, and only then."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from facesim import MiningSampler, PairBatch, Sampler, TableSampler
from facesim.arrays import Int64Array
from facesim.evaluation.embedding import Embedder
from facesim.experiment.schema import Experiment
from facesim.interfaces import FaceTable, samplers
from facesim.model.network import NetworkInput
from facesim.processes import Processes
from facesim.runs.run import Run
from facesim.training import trainer
from facesim.training.build import RunComponents, prepare
from facesim.training.checkpoint import (
    LAST,
    Progress,
    read_checkpoint,
    restore_checkpoint,
    save_checkpoint,
)
from facesim.training.shards import SharedBatch
from facesim.training.stop import Stopped

SHOWN: list[tuple[int, Tensor]] = []


class Recording(MiningSampler, TableSampler):
    """Pairs neighbouring rows, and notes what it is shown."""

    def __init__(self, identities: Int64Array, batch_size: int, seed: int) -> None:
        self.identities, self.batch_size = identities, batch_size
        self.shown = torch.zeros(1)
        self.files = 0

    def read_table(self, table: FaceTable) -> None:
        self.files = len(table.files)

    def mine(self, embeddings: Tensor, epoch: int) -> None:
        SHOWN.append((epoch, embeddings))
        self.shown = torch.tensor([float(epoch)])

    def state_dict(self) -> dict[str, Tensor]:
        return {"shown": self.shown}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.shown = state["shown"]

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        rows = np.arange(len(self.identities))
        pairs = np.stack([rows, np.roll(rows, 1)], axis=1)
        for start in range(0, len(pairs), self.batch_size):
            yield PairBatch.of_pairs(pairs[start : start + self.batch_size], self.identities)

    def __len__(self) -> int:
        return math.ceil(len(self.identities) / self.batch_size)


@pytest.fixture
def mining(tiny: Experiment) -> Iterator[Experiment]:
    SHOWN.clear()
    with samplers.isolated():
        samplers("recording")(Recording)
        yield tiny.model_copy(update={"sampler": samplers.spec("recording")})


def embedded(prepared: RunComponents) -> Tensor:
    embedder = Embedder(prepared.network, prepared.train.inputs, 64, Processes())
    return embedder.embed(np.arange(len(prepared.train.table)))


def test_it_is_shown_every_image_before_each_epoch_but_the_first(
    mining: Experiment, tmp_path: Path
) -> None:
    run = Run.begin(mining, tmp_path)
    after: list[Tensor] = []
    run.train(lambda *_: after.append(embedded(run.components)))
    assert [epoch for epoch, _ in SHOWN] == [1, 2]
    for (_, shown), as_it_was in zip(SHOWN, after, strict=False):
        assert torch.equal(shown, as_it_was)
    assert read_checkpoint(run.checkpoints.file(LAST))["sampler"] == {"shown": torch.tensor([2.0])}


def test_in_the_middle_of_an_epoch_it_goes_on_with_what_was_mined(
    mining: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.begin(mining, tmp_path)
    steps = len(run.components.sampler)
    step = trainer.Trainer._step

    def stopping(self: trainer.Trainer, batch: SharedBatch, inputs: NetworkInput) -> None:
        step(self, batch, inputs)
        if self.progress.step == steps + 2:
            raise Stopped(2)

    with monkeypatch.context() as interrupted:
        interrupted.setattr(trainer.Trainer, "_step", stopping)
        with pytest.raises(Stopped):
            run.train()
    assert [epoch for epoch, _ in SHOWN] == [1]
    Run.open(run.path).complete()
    assert [epoch for epoch, _ in SHOWN] == [1, 2]


def test_a_checkpoint_brings_back_what_was_mined(mining: Experiment, tmp_path: Path) -> None:
    mined, resumed = prepare(mining).state, prepare(mining).state
    assert isinstance(mined.sampler, Recording)
    assert isinstance(resumed.sampler, Recording)
    mined.sampler.mine(torch.zeros(1), 2)
    save_checkpoint(tmp_path / "last.pt", mined, Progress())
    restore_checkpoint(tmp_path / "last.pt", resumed)
    assert resumed.sampler.shown.tolist() == [2.0]


def test_a_sampler_that_asks_for_the_table_gets_it(mining: Experiment) -> None:
    prepared = prepare(mining)
    assert isinstance(prepared.sampler, Recording)
    assert prepared.sampler.files == len(prepared.train.table)


def test_others_neither_mine_nor_ask_for_the_table(tiny: Experiment) -> None:
    sampler = prepare(tiny).sampler
    assert isinstance(sampler, Sampler)
    assert not isinstance(sampler, MiningSampler | TableSampler)
