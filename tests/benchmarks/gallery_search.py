"""Seconds of exact searches in galleries of N templates, beside the naive result.

Run: ``python tests/benchmarks/gallery_search.py [N ...]``, by default 100,000 templates of 128
numbers; 1,000,000 take some minutes. Prints JSON. Exits with 1 if a search differs from scoring all
templates.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from facesim.arrays import Float32Array
from facesim.verifier.gallery import EmbeddingKind, Gallery, open_gallery
from facesim.verifier.gallery_writer import GalleryWriter, Template
from facesim.verifier.onnx_network import OnnxScore
from facesim.verifier.search import Comparison, search
from tests.facesim.verifier import tiny_networks

DIMENSION, TOP, CHECKED = 128, 5, 20
PROBES = (1, 16, 64)


class Score:
    """The score of a pack, as a search asks for it."""

    def __init__(self, comparison: Comparison | None) -> None:
        tiny_networks.DIMENSION = DIMENSION
        self.comparison = comparison
        self._score = OnnxScore(tiny_networks.SCORES[comparison](), "score.onnx")

    def scores(self, a: Float32Array, b: Float32Array) -> Float32Array:
        """Float32 [P]."""
        return self._score.run(a, b)


def naive(gallery: Gallery, probe: Float32Array, score: Score) -> list[tuple[str, float]]:
    """Every template is scored, and all are sorted."""
    scores = np.concatenate(
        [
            score.scores(np.tile(probe, (len(part), 1)), np.ascontiguousarray(part.templates))
            for part in gallery.parts
        ]
    )
    ranked = sorted(
        zip(gallery.names, scores.tolist(), strict=True), key=lambda one: (-one[1], one[0])
    )
    return ranked[:TOP]


def measure(folder: Path, number: int, comparison: Comparison | None) -> dict[str, float]:
    """Fill a gallery, search it, compare."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(number, DIMENSION)).astype(np.float32)
    unit = comparison == "cosine"
    if unit:
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    kind = EmbeddingKind(pack="drawn", sha256="0" * 64, dimension=DIMENSION, unit_length=unit)
    began = time.perf_counter()
    with GalleryWriter(folder, kind) as writer:
        for part in np.array_split(np.arange(number), 10):
            writer.put([Template(f"person {row}", vectors[row]) for row in part])
    prefix = f"{number}_{comparison or 'learned'}"
    figures = {f"{prefix}_fill_s": time.perf_counter() - began}
    began = time.perf_counter()
    gallery = open_gallery(folder)
    figures[f"{prefix}_open_s"] = time.perf_counter() - began
    score = Score(comparison)
    noise = random.normal(size=(max(PROBES), DIMENSION)).astype(np.float32)
    probes = vectors[: len(noise)] + noise * np.float32(0.3 * vectors.std())
    probes[::2] = noise[::2]  # people who are not enrolled
    for count in PROBES if comparison else PROBES[:2]:
        seconds = []
        for _ in range(3):
            began = time.perf_counter()
            found = search(gallery, probes[:count], score, TOP)
            seconds.append(time.perf_counter() - began)
        figures[f"{prefix}_{count}_probes_s"] = min(seconds)
    checked = min(CHECKED, len(found))
    figures[f"{prefix}_compared"] = checked
    figures[f"{prefix}_differing"] = sum(
        [(match.name, match.score) for match in matches] != naive(gallery, probe, score)
        for matches, probe in zip(found[:checked], probes, strict=False)
    )
    return figures


def main() -> None:
    """Measure, print, exit."""
    numbers = [int(word) for word in sys.argv[1:]] or [100_000]
    kinds: tuple[Comparison | None, ...] = ("cosine", "euclidean", None)
    figures: dict[str, float] = {}
    for number in numbers:
        for comparison in kinds:
            with tempfile.TemporaryDirectory() as name:
                figures |= measure(Path(name) / "gallery", number, comparison)
    print(json.dumps(figures))
    sys.exit(any(value for name, value in figures.items() if name.endswith("differing")))


if __name__ == "__main__":
    main()
