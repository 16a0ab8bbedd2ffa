"""A step of the reference experiment from a warm cache, against how else it is trained.

Run: ``python tests/benchmarks/reference_epoch.py``. ResNet-50 at 178 x 218, the last stage's first
bottleneck and an MLP trained, 64 pairs a step, of the 3,510 training images of ``FACESIM_CELEBA``
or as many drawn ones. The experiment leaves to the machine, as a run does, what runs the trunk,
and reads the trunk's output from the cache. It is trained in float32, and where the processor has
it in bfloat16, compiled if that pays within ten epochs. In turn with it, in float32, each in the
memory format in which torchvision gives the network, and in channels-last, which is faster:

- the reference's manner: both images of every pair through trunk and tail at every step. The
  decoding is left out. An epoch of 3,510 pairs is 55 steps;
- a loop of pytorch-metric-learning, if that is installed, as its documentation writes it: decoded
  images from a DataLoader, through the whole network, whose frozen layers need no gradient. It is
  compared by images per second.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import models, transforms

from facesim.data.loader import load_images
from facesim.data.preprocessing import Preprocessing
from facesim.experiment.loading import load_experiment
from facesim.interfaces import FaceTable
from facesim.model.devices import keeping_freed_memory
from facesim.processes import Processes
from facesim.training.build import RunComponents, Tables, decide, prepare
from facesim.training.checkpoint import Progress
from facesim.training.step import why_slow
from facesim.training.steps import Steps

ROUNDS = 5
STEPS = 6
PAIRS, EPOCH_PAIRS = 64, 3510
PER_CLASS, BATCH = 4, 120
"""Of pytorch-metric-learning: about as many images as 64 pairs have."""

FORMATS = {"": torch.contiguous_format, "_in_channels_last": torch.channels_last}

EXPERIMENT = """
name: reference
data:
  train: {{name: csv, images: {images}, table: {folder}/train.csv}}
  val: {{name: csv, images: {images}, table: {folder}/val.csv}}
  test: {{name: csv, images: {images}, table: {folder}/test.csv}}
image: {{size: [218, 178]}}
backbone: {{name: resnet, depth: 50, weights: none, frozen_stages: 3, last_stage_blocks: 1}}
head: {{name: mlp, fc_dim: 128, out_dim: 16}}
sampler: {{name: random_pairs, pairs_per_image: 1.0}}
loss: {{name: contrastive, margin: 2.0}}
optimizer: {{name: adam, lr: 5e-4}}
train: {{epochs: 10, batch_size: {pairs}}}
"""


def measure() -> dict[str, float]:
    """Medians over rounds in turn."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FACESIM_CACHE"] = f"{folder}/cache"
        tables = Tables()
        prepared = prepare(load_experiment(_experiment_file(Path(folder))), tables=tables)
        others: dict[str, Callable[[], None]] = {}
        for suffix, memory_format in FORMATS.items():
            others[f"reference{suffix}"] = _reference_step(prepared, memory_format)
        if find_spec("pytorch_metric_learning"):
            for suffix, memory_format in FORMATS.items():
                step = _metric_learning_step(prepared.train.table, memory_format)
                others[f"metric_learning{suffix}"] = step
        else:
            print(
                "pytorch-metric-learning is not installed: its loop is not measured",
                file=sys.stderr,
            )
        cached = {"cached": CachedSteps(_decided(prepared, tables))}
        if slow := why_slow("bfloat16", torch.device("cpu")):
            print(f"bfloat16 is not measured: {slow}", file=sys.stderr)
        else:
            changes = ["train.precision=bfloat16", "train.compile=auto"]
            narrow = prepare(load_experiment(_experiment_file(Path(folder)), changes))
            cached["cached_bfloat16"] = CachedSteps(_decided(narrow, Tables()))
        for each in cached.values():
            each.run()  # of the others a slow first step is no median
        steps = {name: each.run for name, each in cached.items()} | others
        seconds: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(ROUNDS):
            for name, step in steps.items():
                seconds[name].append(_seconds(step))
    return _figures(seconds, cached["cached"].images)


def _decided(prepared: RunComponents, tables: Tables) -> RunComponents:
    prepared = decide(prepared, tables)
    for key, decision in prepared.decisions.items():
        print(f"{key}: {decision}", file=sys.stderr)
    return prepared


def _figures(seconds: dict[str, list[float]], images: int) -> dict[str, float]:
    """From the seconds of all cached steps, of so many images, and of one step of the others."""
    steps_per_epoch = EPOCH_PAIRS / PAIRS
    figures: dict[str, float] = {}
    all_cached = {name: each for name, each in seconds.items() if name.startswith("cached")}
    for named, times in all_cached.items():
        figures[f"{named}_epoch_s"] = statistics.median(times) / STEPS * steps_per_epoch
        figures[f"{named}_images_per_s"] = images / statistics.median(times)
    for name, times in seconds.items():
        if name.startswith("reference"):
            figures[f"{name}_epoch_s"] = statistics.median(times) * steps_per_epoch
            equal_steps: float = STEPS
        elif name.startswith("metric_learning"):
            figures[f"{name}_images_per_s"] = BATCH / statistics.median(times)
            equal_steps = images / BATCH
        else:
            continue
        for named, cached in all_cached.items():
            ratios = np.array(times) * equal_steps / np.array(cached)
            figures[f"{name}_to_{named}_ratio"] = statistics.median(ratios)
    return figures


class CachedSteps:
    """The first steps of the experiment, as a run makes them, from a warm cache.

    Args:
        prepared: of the run.

    Attributes:
        images: of all these steps.
    """

    def __init__(self, prepared: RunComponents) -> None:
        self._steps = Steps(prepared, Processes())
        drawn = [batch.images.numpy() for batch in islice(prepared.sampler.batches(0), STEPS)]
        self.images = sum(map(len, drawn))
        rows = np.unique(np.concatenate(drawn))
        prepared.train.inputs.warm(rows, Processes(), training=True)

    def run(self) -> None:
        """Make them."""
        with keeping_freed_memory():  # as in a run, there from its first step to its last
            for part, inputs in self._steps.batches(0, 0, STEPS):
                self._steps.run(part, inputs, Progress())


def _reference_step(
    prepared: RunComponents, memory_format: torch.memory_format
) -> Callable[[], None]:
    """Two embeddings a pair, each from the pixels, and the contrastive loss of their distance."""
    network = nn.Sequential(deepcopy(prepared.network.backbone), deepcopy(prepared.network.head))
    network.to(memory_format=memory_format).train()
    batch = next(iter(prepared.sampler.batches(0)))
    rows, preprocessing = batch.images.numpy(), Preprocessing.of(prepared.experiment.image)
    [images] = load_images(prepared.train.table, rows, preprocessing, batch_size=len(rows))
    images = images.contiguous(memory_format=memory_format)
    optimizer = torch.optim.Adam([each for each in network.parameters() if each.requires_grad])

    def step() -> None:
        first, second = (network(images[side]) for side in batch.pairs.unbind(1))
        distance = functional.pairwise_distance(first, second)
        genuine = batch.same * distance.square()
        impostor = ~batch.same * (2.0 - distance).clamp(min=0).square()
        optimizer.zero_grad()
        torch.autograd.backward((genuine + impostor).mean())
        optimizer.step()

    return step


class _Faces(Dataset[tuple[Tensor, int]]):
    def __init__(self, table: FaceTable) -> None:
        self._table = table
        normalize = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        self._transform = transforms.Compose([transforms.ToTensor(), normalize])

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        image = Image.open(self._table.path(row)).convert("RGB")
        return self._transform(image), int(self._table.identities[row])


def _metric_learning_step(
    table: FaceTable, memory_format: torch.memory_format
) -> Callable[[], None]:
    """A step on the next batch, which two processes have decoded meanwhile."""
    from pytorch_metric_learning import losses, miners, samplers

    resnet = models.resnet50()
    frozen = nn.Sequential(
        *(resnet.conv1, resnet.bn1, resnet.relu, resnet.maxpool),
        *(resnet.layer1, resnet.layer2, resnet.layer3),
    )
    trained = nn.Sequential(resnet.layer4[0], resnet.avgpool, nn.Flatten())
    embedder = nn.Sequential(nn.Linear(2048, 128), nn.ReLU(), nn.Linear(128, 16))
    frozen.requires_grad_(False)
    model = nn.Sequential(frozen, trained, embedder).to(memory_format=memory_format).train()
    frozen.eval()
    sampler = samplers.MPerClassSampler(
        table.identities, PER_CLASS, batch_size=BATCH, length_before_new_iter=len(table)
    )
    loader = DataLoader(_Faces(table), BATCH, sampler=sampler, num_workers=2, drop_last=True)
    miner, loss_function = miners.MultiSimilarityMiner(), losses.TripletMarginLoss()
    optimizer = torch.optim.Adam([each for each in model.parameters() if each.requires_grad])
    batches: Iterator[tuple[Tensor, Tensor]] = iter(loader)

    def step() -> None:
        images, labels = next(batches)
        images = images.contiguous(memory_format=memory_format)
        optimizer.zero_grad()
        embeddings = model(images)
        loss_function(embeddings, labels, miner(embeddings, labels)).backward()
        optimizer.step()

    return step


def _experiment_file(folder: Path) -> Path:
    celeba = os.environ.get("FACESIM_CELEBA")
    root = Path(celeba) if celeba else folder
    images = root / "img_align_celeba" if celeba else folder
    if not celeba:
        _draw(folder)
    file = folder / "reference.yaml"
    file.write_text(EXPERIMENT.format(images=images, folder=root, pairs=PAIRS))
    return file


def _draw(folder: Path) -> None:
    """Images of CelebA's size, ten of each identity."""
    generator = np.random.default_rng(0)
    for split, count in {"train": EPOCH_PAIRS, "val": 40, "test": 40}.items():
        lines = ["img,ids"]
        for number in range(count):
            coarse = generator.integers(0, 256, (28, 23, 3), np.uint8)
            image = Image.fromarray(coarse).resize((178, 218), Image.Resampling.BICUBIC)
            name = f"{split}_{number:06d}.jpg"
            image.save(folder / name, quality=90)
            lines.append(f"{name},{split}{number // 10}")
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")


def _seconds(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main() -> None:
    """Print the figures as JSON."""
    print(json.dumps({name: round(value, 4) for name, value in measure().items()}, indent=2))


if __name__ == "__main__":
    main()
