"""Images per second of load_batches against a bare Pillow loop, and of decoders against Pillow.

Run: ``python tests/benchmarks/image_loading.py``. Takes the faces of ``FACESIM_CELEBA``, or draws
pictures of CelebA's size.
"""

import io
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
import simplejpeg
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg

from facesim.data.loader import load_batches
from facesim.data.preprocessing import Preprocessing
from facesim.interfaces import FaceTable, PairBatch

IMAGES = 1024
BATCH = 128
ROUNDS = 5

Pixels = npt.NDArray[np.uint8]


def measure() -> dict[str, float]:
    """Medians of interleaved rounds; ratios are to the first named, higher is faster."""
    with tempfile.TemporaryDirectory() as folder:
        table = _table(Path(folder))
        loops: dict[str, Callable[[], int]] = {"bare_pillow": partial(_bare_loop, table)}
        for workers in (0, 1, 2):
            loops[f"load_batches_{workers}_workers"] = partial(_load, table, workers)
        data = [table.path(row).read_bytes() for row in range(len(table))]
        for name, decode in DECODERS.items():
            loops[f"decode_{name}"] = partial(_decode_all, decode, data)
        rates = _rates(loops)
        same = {name: _same_pixels(decode, data) for name, decode in DECODERS.items()}
    figures = {f"{name}_images_per_s": rate for name, rate in rates.items()}
    for name in rates:
        baseline = "decode_pillow" if name.startswith("decode_") else "bare_pillow"
        figures[f"{name}_ratio"] = rates[name] / rates[baseline]
    figures |= {f"decode_{name}_same_pixels": share for name, share in same.items()}
    figures["peak_mb_of_a_worker"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return figures


def _pillow(data: bytes) -> Pixels:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def _simplejpeg(data: bytes) -> Pixels:
    pixels: Pixels = simplejpeg.decode_jpeg(data)
    return pixels


def _torchvision(data: bytes) -> Pixels:
    encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    pixels: Pixels = decode_jpeg(encoded, mode=ImageReadMode.RGB).permute(1, 2, 0).numpy()
    return pixels


DECODERS = {"pillow": _pillow, "simplejpeg": _simplejpeg, "torchvision": _torchvision}


def _table(folder: Path) -> FaceTable:
    celeba = os.environ.get("FACESIM_CELEBA")
    root = Path(celeba) / "img_align_celeba" if celeba else folder
    if not celeba:
        _draw(folder)
    files = sorted(path.name for path in root.glob("*.jpg"))[:IMAGES]
    rows = np.arange(len(files))
    return FaceTable(root, np.array(files), rows, np.array(files))


def _draw(folder: Path) -> None:
    generator = np.random.default_rng(0)
    for number in range(IMAGES):
        coarse = generator.integers(0, 256, (28, 23, 3), np.uint8)
        image = Image.fromarray(coarse).resize((178, 218), Image.Resampling.BICUBIC)
        image.save(folder / f"{number:06d}.jpg", quality=90)


def _bare_loop(table: FaceTable) -> int:
    for row in range(len(table)):
        with Image.open(table.path(row)) as image:
            np.asarray(image.convert("RGB"))
    return len(table)


def _load(table: FaceTable, workers: int) -> int:
    batches = load_batches(table, _batches(table), Preprocessing(), workers=workers)
    return sum(len(pixels) for _, pixels in batches)


def _batches(table: FaceTable) -> Iterator[PairBatch]:
    rows = np.arange(len(table) // 2 * 2).reshape(-1, 2)
    for start in range(0, len(rows), BATCH // 2):
        yield PairBatch.of_pairs(rows[start : start + BATCH // 2], table.identities)


def _decode_all(decode: Callable[[bytes], Pixels], data: list[bytes]) -> int:
    for encoded in data:
        decode(encoded)
    return len(data)


def _same_pixels(decode: Callable[[bytes], Pixels], data: list[bytes]) -> float:
    same = [np.array_equal(decode(encoded), _pillow(encoded)) for encoded in data]
    return sum(same) / len(same)


def _rates(loops: dict[str, Callable[[], int]]) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    images: dict[str, int] = {}
    for _ in range(ROUNDS):
        for name, loop in loops.items():
            begin = time.perf_counter()
            images[name] = loop()
            seconds[name].append(time.perf_counter() - begin)
    return {name: images[name] / median(times) for name, times in seconds.items()}


def main() -> None:
    """Print the figures as JSON."""
    print(json.dumps({name: round(value, 3) for name, value in measure().items()}, indent=2))


if __name__ == "__main__":
    main()
