"""Loading images with load_batches, against bare loops of Pillow and simplejpeg.

Run: ``python tests/benchmarks/image_loading.py``. Faces as they are and with random mirroring, from
``FACESIM_CELEBA`` or drawn at CelebA's size; and photographs of 1600 x 1200, drawn, which are
resized. What is compared takes turns. ``_ratio`` is images per second against the baseline,
``_processor_ratio`` images per second of processor time, of all processes: other work on the
machine changes the first more than the second. Higher is better.
"""

import io
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
import simplejpeg
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg

from facesim.data.augmentation import Augmentation
from facesim.data.loader import load_batches
from facesim.data.preprocessing import Preprocessing
from facesim.interfaces import FaceTable, PairBatch
from facesim_plugins.transforms.horizontal_flip import HorizontalFlip

FACES = 1024
PHOTOGRAPHS = 64
BATCH = 128
ROUNDS = 5
WORKERS = (0, 1, 2)

FACE, PHOTOGRAPH = (218, 178), (1200, 1600)
"""Heights and widths."""

Pixels = npt.NDArray[np.uint8]
Loop = Callable[[], object]


def measure() -> dict[str, float]:
    """Medians of ratios, over rounds in turn, of each group of loops to its first."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        faces = _faces(Path(folder) / "faces")
        photographs = _drawn(Path(folder) / "photographs", PHOTOGRAPHS, PHOTOGRAPH)
        for name, table, batch in (("faces", faces, BATCH), ("photographs", photographs, 16)):
            bare: dict[str, Loop] = {
                "pillow": partial(_bare_pillow, table),
                "simplejpeg": partial(_bare_simplejpeg, table),
            }
            ours = _by_workers(lambda workers: partial(_load, table, batch, workers))  # noqa: B023
            figures |= _compared(name, bare | ours, len(table))
        mirrored = partial(_load, faces, BATCH, augmented=True)
        loops = _by_workers(lambda workers: partial(mirrored, workers=workers))
        figures |= _compared("mirrored_faces", loops, len(faces))
        figures |= _overlapped(faces)
        data = [faces.path(row).read_bytes() for row in range(len(faces))]
    decoders: dict[str, Loop] = {
        name: partial(_each, decode, data) for name, decode in DECODERS.items()
    }
    figures |= _compared("decoders", decoders, len(data))
    for name, decode in DECODERS.items():
        figures[f"decoders_{name}_same_pixels"] = _same_pixels(decode, data)
    figures["peak_mb_of_a_worker_process"] = _usage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return figures


def _by_workers(loop: Callable[[int], Loop]) -> dict[str, Loop]:
    return {f"{workers}_workers": loop(workers) for workers in WORKERS}


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


def _faces(folder: Path) -> FaceTable:
    celeba = os.environ.get("FACESIM_CELEBA")
    if not celeba:
        return _drawn(folder, FACES, FACE)
    root = Path(celeba) / "img_align_celeba"
    return _table(root, sorted(path.name for path in root.glob("*.jpg"))[:FACES])


def _drawn(folder: Path, count: int, size: tuple[int, int]) -> FaceTable:
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(count):
        coarse = generator.integers(0, 256, (size[0] // 8, size[1] // 8, 3), np.uint8)
        image = Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)
        image.save(folder / f"{number:06d}.jpg", quality=90)
    return _table(folder, [f"{number:06d}.jpg" for number in range(count)])


def _table(root: Path, files: list[str]) -> FaceTable:
    names = np.array(files)
    return FaceTable(root, names, np.arange(len(names)), names)


def _bare_pillow(table: FaceTable) -> None:
    for row in range(len(table)):
        with Image.open(table.path(row)) as image:
            np.asarray(_resized(image.convert("RGB")))


def _bare_simplejpeg(table: FaceTable) -> None:
    for row in range(len(table)):
        pixels = _simplejpeg(table.path(row).read_bytes())
        if pixels.shape[:2] != FACE:
            np.asarray(_resized(Image.fromarray(pixels)))


def _resized(image: Image.Image) -> Image.Image:
    size = FACE[::-1]
    return image if image.size == size else image.resize(size, Image.Resampling.BILINEAR)


def _load(table: FaceTable, batch: int, workers: int, *, augmented: bool = False) -> None:
    augmentation = Augmentation((HorizontalFlip(),), seed=0, epoch=0) if augmented else None
    for _ in load_batches(
        table,
        _batches(table, batch),
        Preprocessing(FACE),
        augmentation=augmentation,
        workers=workers,
    ):
        pass


def _batches(table: FaceTable, images: int) -> Iterator[PairBatch]:
    rows = np.arange(len(table) // 2 * 2).reshape(-1, 2)
    for start in range(0, len(rows), images // 2):
        yield PairBatch.of_pairs(rows[start : start + images // 2], table.identities)


def _overlapped(table: FaceTable) -> dict[str, float]:
    """Loading while the main process computes, against one after the other: 2 at best."""
    matrix = torch.randn(512, 512)
    repeats = 1

    def compute() -> None:
        with torch.inference_mode():
            for _ in range(repeats):
                torch.mm(matrix, matrix)

    def load(workers: int) -> None:
        batches = _batches(table, BATCH)
        for _ in load_batches(table, batches, Preprocessing(FACE), workers=workers):
            compute()

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        compute()
        # As long as decoding takes, so that the two could overlap completely.
        decoding = _spent(lambda: _load(table, BATCH, 0)).wall
        computing = median(_spent(compute).wall for _ in range(20))
        repeats = max(1, round(decoding / (len(table) / BATCH) / computing))
        loops = _by_workers(lambda workers: partial(load, workers))
        return _compared("while_computing", loops, len(table))
    finally:
        torch.set_num_threads(threads)


def _each(decode: Callable[[bytes], Pixels], data: Iterable[bytes]) -> None:
    for encoded in data:
        decode(encoded)


def _same_pixels(decode: Callable[[bytes], Pixels], data: list[bytes]) -> float:
    same = [np.array_equal(decode(encoded), _pillow(encoded)) for encoded in data]
    return sum(same) / len(same)


@dataclass(frozen=True)
class Spent:
    """Seconds of a loop: on the clock, and of processors."""

    wall: float
    processor: float


def _compared(group: str, loops: dict[str, Loop], images: int) -> dict[str, float]:
    rounds = [{name: _spent(loop) for name, loop in loops.items()} for _ in range(ROUNDS)]
    first = next(iter(loops))
    figures = {}
    for name in loops:
        wall = median(each[name].wall for each in rounds)
        figures[f"{group}_{name}_images_per_s"] = images / wall
    for name in loops:
        if name != first:
            ratios = [each[first].wall / each[name].wall for each in rounds]
            processor = [each[first].processor / each[name].processor for each in rounds]
            figures[f"{group}_{name}_ratio"] = median(ratios)
            figures[f"{group}_{name}_processor_ratio"] = median(processor)
    return figures


def _spent(loop: Loop) -> Spent:
    wall, processor = time.perf_counter(), _processor_s()
    loop()
    return Spent(time.perf_counter() - wall, _processor_s() - processor)


def _processor_s() -> float:
    both = _usage(resource.RUSAGE_SELF), _usage(resource.RUSAGE_CHILDREN)
    return sum(each.ru_utime + each.ru_stime for each in both)


def _usage(who: int) -> resource.struct_rusage:
    return resource.getrusage(who)


def main() -> None:
    """Print the figures as JSON."""
    print(json.dumps({name: round(value, 3) for name, value in measure().items()}, indent=2))


if __name__ == "__main__":
    main()
