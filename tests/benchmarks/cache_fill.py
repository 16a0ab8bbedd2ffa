"""Filling the trunk cache, against the bare trunk on images that are in memory already.

Run: ``python tests/benchmarks/cache_fill.py [IMAGES]``. ResNet-50 up to its third stage, random
weights, 178 x 218 pixels, from the faces of ``FACESIM_CELEBA`` or pictures drawn for the purpose.
The two take turns, part by part, so that a machine that is busy with other things slows both.
"""

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from facesim.arrays import Int64Array
from facesim.data.image_digests import TableDigests
from facesim.data.loader import load_images
from facesim.data.preprocessing import Preprocessing
from facesim.interfaces import Backbone, FaceTable
from facesim.model.trunk_cache import TrunkCache
from facesim.model.trunk_engine import TRUNK_BLOCK, EagerEngine
from facesim.model.trunk_key import TrunkRecipe
from facesim_plugins.backbones.resnet import resnet

IMAGES = 768
PARTS = 4
WORKERS = 2
PREPROCESSING = Preprocessing((218, 178))


def measure(images: int = IMAGES) -> dict[str, float]:
    """Images per second of both, their ratio, and what the fill adds to the peak memory."""
    torch.manual_seed(0)
    backbone = resnet(depth=50, weights="none", frozen_stages=3, last_stage_blocks=1)
    backbone = backbone.eval().to(memory_format=torch.channels_last)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FACESIM_CACHE"] = f"{folder}/cache"
        table = _table(Path(folder), images)
        cache = TrunkCache(
            EagerEngine(backbone),
            TableDigests(table),
            TrunkRecipe(PREPROCESSING),
            name="resnet",
            workers=WORKERS,
        )
        before_mb = _peak_mb()
        bare_s, fill_s = _take_turns(backbone, table, cache)
        size_mb = cache.store.size_bytes() / 1e6
    return {
        "images": len(table),
        "bare_images_per_s": len(table) / bare_s,
        "fill_images_per_s": len(table) / fill_s,
        "ratio": bare_s / fill_s,
        "store_mb": size_mb,
        "fill_peak_mb": _peak_mb() - before_mb,
    }


def _take_turns(backbone: Backbone, table: FaceTable, cache: TrunkCache) -> tuple[float, float]:
    bare_s = fill_s = 0.0
    _bare_trunk(backbone, table, np.arange(TRUNK_BLOCK))  # the first pass is slower than any other
    for rows in np.array_split(np.arange(len(table)), PARTS):
        bare_s += _bare_trunk(backbone, table, rows)
        fill_s += _seconds(lambda: cache.fill(rows))  # noqa: B023
    return bare_s, fill_s


def _bare_trunk(backbone: Backbone, table: FaceTable, rows: Int64Array) -> float:
    images = list(load_images(table, rows, PREPROCESSING, batch_size=TRUNK_BLOCK, workers=WORKERS))

    def run() -> None:
        with torch.inference_mode():
            for batch in images:
                backbone.run_trunk(batch)

    return _seconds(run)


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
    figures = measure(int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}, indent=2))


if __name__ == "__main__":
    main()
