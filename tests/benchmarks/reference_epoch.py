"""A step of the reference experiment from a warm cache, against the reference's own manner.

Run: ``python tests/benchmarks/reference_epoch.py``. ResNet-50 at 178 x 218, the last stage's first
bottleneck and an MLP trained, 64 pairs a step of 3,510 images. The reference's manner puts both
images of every pair through trunk and tail at every step, in the memory format in which torchvision
gives the network; the same in channels-last, which is faster, is given besides. The engine reads
the trunk's output and puts each image of a batch through the tail once. All make the same steps in
turn, the decoding left out; an epoch of 3,510 pairs is 55 of them.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from facesim.data.loader import load_images
from facesim.data.preprocessing import Preprocessing
from facesim.experiment.loading import load_experiment
from facesim.interfaces import PairBatch
from facesim.processes import Processes
from facesim.training.build import RunComponents, prepare
from facesim.training.step import training_loss, update

FORMATS = {"reference": torch.contiguous_format, "channels_last": torch.channels_last}
"""The last is the one in which the engine's own steps are made."""

ROUNDS, STEPS, PAIRS, EPOCH_PAIRS = 3, 2, 64, 3510

EXPERIMENT = """
name: reference
data:
  train: {{name: synthetic_faces, identities: 351, images_per_identity: 10, root: {root}}}
  val: {{name: synthetic_faces, identities: 4, images_per_identity: 4, first_identity: 5000,
         root: {root}}}
  test: {{name: synthetic_faces, identities: 4, images_per_identity: 4, first_identity: 6000,
          root: {root}}}
  workers: 0
image: {{size: [218, 178]}}
backbone: {{name: resnet, depth: 50, weights: none, frozen_stages: 3, last_stage_blocks: 1}}
head: {{name: mlp, fc_dim: 128, out_dim: 16}}
sampler: {{name: random_pairs, pairs_per_image: 1.0}}
loss: {{name: contrastive, margin: 2.0}}
optimizer: {{name: adam, lr: 5e-4}}
train: {{epochs: 1, batch_size: {pairs}}}
"""


def measure() -> dict[str, float]:
    """Medians over rounds in turn; the images are in memory for the reference's manner."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FACESIM_CACHE"] = f"{folder}/cache"
        file = Path(folder) / "reference.yaml"
        file.write_text(EXPERIMENT.format(root=f"{folder}/faces", pairs=PAIRS))
        prepared = prepare(load_experiment(file))
        prepared.network.train()
        batches = list(islice(prepared.sampler.batches(0), STEPS))
        rows = np.unique(np.concatenate([batch.images.numpy() for batch in batches]))
        prepared.train.inputs.warm(rows, Processes(), training=True)
        pixels = [_pixels(prepared, batch) for batch in batches]
        _cached(prepared, batches)
        epochs: dict[str, list[float]] = {name: [] for name in ("cached", *FORMATS)}
        for _ in range(ROUNDS):
            epochs["cached"].append(_epoch_seconds(lambda: _cached(prepared, batches)))
            for name, memory_format in FORMATS.items():
                prepared.network.to(memory_format=memory_format)
                images = [each.contiguous(memory_format=memory_format) for each in pixels]
                epochs[name].append(_epoch_seconds(lambda: _pairwise(prepared, batches, images)))  # noqa: B023
    return {
        "cached_epoch_s": statistics.median(epochs["cached"]),
        "reference_epoch_s": statistics.median(epochs["reference"]),
        "reference_to_cached_ratio": _ratio(epochs["reference"], epochs["cached"]),
        "reference_in_channels_last_to_cached_ratio": _ratio(
            epochs["channels_last"], epochs["cached"]
        ),
    }


def _pixels(prepared: RunComponents, batch: PairBatch) -> torch.Tensor:
    """Uint8 pixels of the batch's images."""
    preprocessing = Preprocessing.of(prepared.experiment.image)
    rows = batch.images.numpy()
    return torch.cat(
        list(load_images(prepared.train.table, rows, preprocessing, batch_size=len(rows)))
    )


def _cached(prepared: RunComponents, batches: list[PairBatch]) -> None:
    for batch, inputs in prepared.train.inputs.batches(batches, 0):
        update(prepared.state, training_loss(prepared.network, inputs, batch, "float32"))


def _pairwise(
    prepared: RunComponents, batches: list[PairBatch], pixels: list[torch.Tensor]
) -> None:
    """Two embeddings a pair, each from the pixels, and the contrastive loss of their distance."""
    network = prepared.network
    for batch, images in zip(batches, pixels, strict=True):
        first, second = (
            network.head(network.backbone(images[side])) for side in batch.pairs.unbind(1)
        )
        distance = functional.pairwise_distance(first, second)
        genuine = batch.same * distance.square()
        impostor = ~batch.same * (2.0 - distance).clamp(min=0).square()
        update(prepared.state, (genuine + impostor).mean())


def _epoch_seconds(steps: Callable[[], None]) -> float:
    """What an epoch takes at the rate of these steps."""
    begin = time.perf_counter()
    steps()
    return (time.perf_counter() - begin) / STEPS * EPOCH_PAIRS / PAIRS


def _ratio(slow: list[float], fast: list[float]) -> float:
    """The median of those of each round."""
    return statistics.median(one / other for one, other in zip(slow, fast, strict=True))


def main() -> None:
    """Print the figures as JSON."""
    print(json.dumps({name: round(value, 4) for name, value in measure().items()}, indent=2))


if __name__ == "__main__":
    main()
