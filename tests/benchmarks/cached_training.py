"""Training from a warm cache, against a bare loop over the same steps on tensors in memory.

Run: ``python tests/benchmarks/cached_training.py``. Two networks behind trunks that cost next to
nothing, since what is timed never runs them: the reference's tail and head (the first bottleneck of
ResNet-50's fourth stage, an MLP) on 1024 x 14 x 12 features, and an MLP alone on the 2,048 numbers
that a wholly frozen ResNet-50 gives. The second computes so little that the difference between the
engine's epoch and the bare one is what the engine costs: drawing, reading, checking, logging.

The tail is also trained in bfloat16, where the processor has it, and compiled, each in a process of
its own whose compiler has an empty cache. Ten epochs of the reference (55 steps each) take what
compiling took, if it pays, and 550 steps at the measured rate; the bare loop is eager, in float32,
and compiles nothing.
"""

import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn

from facesim import IMAGENET, Backbone, PairBatch, backbones
from facesim.experiment.loading import load_experiment
from facesim.model.devices import keeping_freed_memory
from facesim.model.inputs import CachedInputs
from facesim.processes import Processes
from facesim.runs.directory import RunDirectory
from facesim.runs.log import RunLog
from facesim.training.build import RunComponents, prepare
from facesim.training.checkpoint import Progress
from facesim.training.evaluation_pairs import choose_pairs
from facesim.training.step import update, why_slow
from facesim.training.trainer import Trainer
from facesim_plugins.backbones.resnet import resnet

ROUNDS = 5
STEPS = 4
EPOCHS = 9
STEPS_OF_A_RUN = 10 * 55

EXPERIMENT = """
name: benchmark
data:
  train: {{name: synthetic_faces, identities: {identities}, images_per_identity: 12, size: 32}}
  val: {{name: synthetic_faces, identities: 8, images_per_identity: 4, first_identity: 5000,
         size: 32}}
  test: {{name: synthetic_faces, identities: 8, images_per_identity: 4, first_identity: 6000,
          size: 32}}
  workers: 0
image: {{size: {size}}}
backbone: {backbone}
head: {{name: mlp, fc_dim: 128, out_dim: 16}}
sampler: {{name: random_pairs, pairs_per_image: 1.0}}
loss: {{name: contrastive, margin: 2.0}}
optimizer: {{name: adam, lr: 5e-4}}
train: {{epochs: 1000, batch_size: 64}}
"""


@backbones("benchmark_resnet_tail")
def benchmark_resnet_tail() -> Backbone:
    """The reference's tail behind a trunk that costs next to nothing."""
    whole = resnet(depth=50, weights="none", frozen_stages=3, last_stage_blocks=1)
    trunk = nn.Conv2d(3, 1024, kernel_size=16, stride=16, padding=8)
    return Backbone(trunk, whole.tail, whole.features, IMAGENET)


@backbones("benchmark_all_frozen")
def benchmark_all_frozen() -> Backbone:
    """2,048 pooled features an image, as a ResNet-50 with everything frozen gives them."""
    trunk = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(48, 2048), nn.ReLU())
    return Backbone(trunk, nn.Identity(), 2048, IMAGENET)


@contextmanager
def prepared_trainer(
    backbone: str, size: str, identities: int, changes: Sequence[str] = ()
) -> Iterator[Trainer]:
    """A trainer whose cache is warm."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "benchmark.yaml"
        file.write_text(EXPERIMENT.format(backbone=backbone, size=size, identities=identities))
        experiment = load_experiment(file, changes)
        prepared = prepare(experiment)
        run = RunDirectory.create(Path(folder), experiment)
        log = RunLog(run.path / "metrics.jsonl")
        pairs = choose_pairs(experiment, prepared.val)
        trainer = Trainer(
            prepared,
            Progress(),
            checkpoints=run.checkpoints,
            log=log,
            val_pairs=pairs,
            processes=Processes(),
        )
        inputs = prepared.train.inputs
        rows = inputs.rows_of_epochs(prepared.sampler, range(1))
        inputs.warm(rows, trainer.processes, training=True)
        yield trainer


def measure() -> dict[str, float]:
    """Medians over rounds in turn."""
    with prepared_trainer("benchmark_resnet_tail", "[218, 178]", 64) as trainer:
        figures = _tail_steps(trainer)
    for precision in ("float32", "bfloat16"):
        if slow := why_slow(precision, torch.device("cpu")):
            print(f"{precision} is not measured: {slow}", file=sys.stderr)
            continue
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as process:
            figures |= process.submit(measure_run, precision).result()
    with prepared_trainer("benchmark_all_frozen", "[32, 32]", 293) as trainer:
        return {**figures, **_frozen_epochs(trainer)}


def _tail_steps(trainer: Trainer) -> dict[str, float]:
    """Engine and bare steps on the same batches, a few steps at a time."""
    in_memory = list(islice(_batches(trainer.components), STEPS))
    images = sum(len(features) for _, features in in_memory)
    _bare(trainer.components, in_memory)
    bare, engine = [], []
    for _ in range(ROUNDS):
        bare.append(_seconds_of(lambda: _bare(trainer.components, in_memory)))
        engine.append(_seconds_of(lambda: _engine(trainer)))
    ratios = [one / other for one, other in zip(bare, engine, strict=True)]
    return {
        "tail_images_a_step": images / STEPS,
        "tail_bare_images_per_s": images / statistics.median(bare),
        "tail_engine_images_per_s": images / statistics.median(engine),
        "tail_engine_to_bare_ratio": statistics.median(ratios),
    }


def measure_run(precision: str) -> dict[str, float]:
    """Ten epochs of the tail, as the machine trains them fastest, against the bare float32 loop."""
    named = f"tail_{precision}"
    changes = [f"train.precision={precision}"]
    with (
        tempfile.TemporaryDirectory() as folder,
        prepared_trainer("benchmark_resnet_tail", "[218, 178]", 64) as plain,
        prepared_trainer("benchmark_resnet_tail", "[218, 178]", 64, changes) as eager,
        prepared_trainer(
            "benchmark_resnet_tail", "[218, 178]", 64, [*changes, "train.compile=true"]
        ) as compiled,
    ):
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        in_memory = list(islice(_batches(plain.components), STEPS))
        _bare(plain.components, in_memory)
        _engine(eager)
        first = _seconds_of(lambda: _engine(compiled))
        seconds: dict[str, list[float]] = {"bare": [], "eager": [], "compiled": []}
        for _ in range(ROUNDS):
            seconds["bare"].append(_seconds_of(lambda: _bare(plain.components, in_memory)))
            seconds["eager"].append(_seconds_of(lambda: _engine(eager)))
            seconds["compiled"].append(_seconds_of(lambda: _engine(compiled)))
    compiling = first - statistics.median(seconds["compiled"])
    rounds = STEPS_OF_A_RUN / STEPS
    figures = {f"{named}_compile_s": compiling}
    ratios: dict[str, float] = {}
    for name, extra in (("eager", 0.0), ("compiled", compiling)):
        ratios[name] = statistics.median(
            bare * rounds / (engine * rounds + extra)
            for bare, engine in zip(seconds["bare"], seconds[name], strict=True)
        )
        figures[f"{named}_{name}_ten_epochs_to_bare_ratio"] = ratios[name]
    return {**figures, f"{named}_ten_epochs_to_bare_ratio": max(ratios.values())}


def _frozen_epochs(trainer: Trainer) -> dict[str, float]:
    """Whole epochs of the engine's and bare ones."""
    in_memory = list(_batches(trainer.components))
    trainer._train_epoch()
    bare, engine = [], []
    for _ in range(EPOCHS):
        trainer.progress.batch = 0
        bare.append(_seconds_of(lambda: _bare(trainer.components, in_memory)))
        engine.append(_seconds_of(trainer._train_epoch))
    overhead = statistics.median(engine) - statistics.median(bare)
    return {
        "frozen_epoch_images": len(trainer.components.train.table),
        "frozen_epoch_steps": len(in_memory),
        "frozen_epoch_s": statistics.median(engine),
        "engine_ms_a_step_reading_included": overhead / len(in_memory) * 1000,
    }


def _batches(prepared: RunComponents) -> Iterator[tuple[PairBatch, Tensor]]:
    inputs = prepared.train.inputs
    assert isinstance(inputs, CachedInputs)
    for batch, read in inputs.batches(prepared.sampler.batches(0), 0):
        yield batch, read.values.float()


def _bare(prepared: RunComponents, in_memory: list[tuple[PairBatch, Tensor]]) -> None:
    prepared.network.train()
    for batch, features in in_memory:
        network = prepared.network
        embeddings = network.head(network.backbone.tail(features))
        update(prepared.state, network.loss(embeddings, batch))


def _engine(trainer: Trainer) -> None:
    """The engine's own loop over the same first batches of the epoch, to its end."""
    progress = trainer.progress
    progress.batch = progress.step = 0
    with keeping_freed_memory():  # as in Trainer.train
        for batch, inputs in trainer.steps.batches(0, 0, STEPS):
            trainer._step(batch, inputs)
        trainer._read_losses()


def _seconds_of(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main() -> None:
    """Print the figures as JSON."""
    print(json.dumps({name: round(value, 4) for name, value in measure().items()}, indent=2))


if __name__ == "__main__":
    main()
