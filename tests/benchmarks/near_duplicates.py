"""The search for near-duplicates among thumbnails, and how long one candidate is looked at.

Run: ``python tests/benchmarks/near_duplicates.py``. The images are mixtures of 400 random ones,
which is harder than photographs, because each has relatives: of photographs three candidates in a
hundred are looked at closely, of these half.
"""

import json
import time

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from facesim.data.near_duplicates import Candidates, find_candidates, verify_candidates
from facesim.reporters import ignore_progress

IMAGES = 20_000
BASIC, VERIFIED = 400, 4_000


def measure() -> dict[str, float]:
    """Seconds; those of the search grow with the square of the images, the others with them."""
    thumbnails = _drawn(IMAGES)
    begin = time.perf_counter()
    candidates = find_candidates(thumbnails, ignore_progress)
    seconds = time.perf_counter() - begin

    def pixels(rows: npt.NDArray[np.int64]) -> Tensor:
        large = torch.from_numpy(thumbnails[rows]).float()[:, None]
        return torch.nn.functional.interpolate(large, scale_factor=2, mode="bilinear")[:, 0]

    some = Candidates(candidates.rows[:VERIFIED], candidates.mirrored[:VERIFIED])
    begin = time.perf_counter()
    verify_candidates(some, thumbnails, pixels, ignore_progress)
    each = (time.perf_counter() - begin) / len(some.rows)
    return {
        "search_s": seconds,
        "candidates_per_image": len(candidates.rows) / IMAGES,
        "verify_ms_per_candidate": 1e3 * each,
    }


def _drawn(images: int) -> npt.NDArray[np.uint8]:
    generator = np.random.default_rng(0)
    basic = np.stack(
        [
            np.asarray(
                Image.fromarray(generator.integers(0, 256, (9, 9)).astype(np.uint8)).resize(
                    (32, 32), Image.Resampling.BICUBIC
                )
            )
            for _ in range(BASIC)
        ]
    ).astype(np.float32)
    found = np.empty((images, 32, 32), np.uint8)
    for row in range(images):
        first, second = generator.integers(0, BASIC, 2)
        share, moved = generator.uniform(0.3, 0.5), int(generator.integers(-4, 5))
        mixed = (1 - share) * basic[first] + share * np.roll(basic[second], moved, axis=1)
        found[row] = (mixed + generator.normal(0, 3, (32, 32))).clip(0, 255)
    return found


def main() -> None:
    """Print the figures as JSON."""
    print(json.dumps({name: round(value, 3) for name, value in measure().items()}, indent=2))


if __name__ == "__main__":
    main()
