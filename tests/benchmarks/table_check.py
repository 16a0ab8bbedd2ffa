"""``facesim check`` of a large table: cold and warm, against reading each file once.

Run: ``python tests/benchmarks/table_check.py [ROWS]``. The files have just been written, so that
the disk takes no part.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROWS = 100_000
HELD_OUT = 1_000

EXPERIMENT = """
name: large
data:
  train: {name: csv, images: images, table: train.csv}
  val: {name: csv, images: images, table: val.csv}
  test: {name: csv, images: images, table: test.csv}
image: {size: [24, 24]}
backbone: {name: small_cnn, width: 4}
head: {name: mlp, fc_dim: 8, out_dim: 4}
sampler: {name: random_pairs, pairs_per_image: 0.1}
loss: contrastive
optimizer: adam
train: {epochs: 1, batch_size: 64}
"""


def measure(rows: int, folder: Path) -> dict[str, float]:
    """Seconds, and as a multiple of the time in which one process opens and hashes each file."""
    files = _write_images(rows + 2 * HELD_OUT, folder)
    tables = {"train": files[2 * HELD_OUT :], "val": files[:HELD_OUT]}
    tables["test"] = files[HELD_OUT : 2 * HELD_OUT]
    for split, listed in tables.items():
        lines = [f"{file},{split}{number // 20}\n" for number, file in enumerate(listed)]
        (folder / f"{split}.csv").write_text("img,ids\n" + "".join(lines))
    (folder / "large.yaml").write_text(EXPERIMENT)
    begin = time.perf_counter()
    for file in files:
        hashlib.blake2b((folder / "images" / file).read_bytes(), digest_size=16).digest()
    baseline = time.perf_counter() - begin
    cold, _ = _check(folder)
    warm, peak = _check(folder)
    return {
        "rows": rows,
        "cold_s": cold,
        "cold_to_reading_ratio": cold / baseline,
        "warm_s": warm,
        "warm_to_reading_ratio": warm / baseline,
        "peak_mb": peak,
    }


def _write_images(number: int, folder: Path) -> list[str]:
    """Small JPEG files, each with a comment of its own, a thousand to a folder."""
    noise = np.random.default_rng(0).integers(0, 256, (27, 22, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((178, 218)).save(folder / "one.jpg", quality=40)
    content = (folder / "one.jpg").read_bytes()
    files = [f"{each // 1000:04d}/{each:07d}.jpg" for each in range(number)]
    for each, file in enumerate(files):
        path = folder / "images" / file
        if not each % 1000:
            path.parent.mkdir(parents=True)
        path.write_bytes(content[:2] + b"\xff\xfe\x00\x0a" + b"%08d" % each + content[2:])
    return files


def _check(folder: Path) -> tuple[float, float]:
    """Wall time in seconds, and the peak memory of the largest process in megabytes."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "facesim", "check", "large.yaml"]
    environment = {**os.environ, "FACESIM_CACHE": str(folder / "cache")}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit("facesim check failed")
    return time.perf_counter() - begin, usage.ru_maxrss / 1024


def main() -> None:
    """Print the figures as JSON."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as name:
        figures = measure(rows, Path(name))
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}, indent=2))


if __name__ == "__main__":
    main()
