"""Search against naive loops: the same identities, scores and order, on every kind of score."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from facesim.arrays import Float32Array, FloatArray, Int64Array
from facesim.verifier.gallery import EmbeddingKind, open_gallery
from facesim.verifier.gallery_writer import GalleryWriter, Template
from facesim.verifier.search import Comparison, Match, search


class NaiveScore:
    """A score that counts the comparisons that it is asked for."""

    def __init__(
        self,
        comparison: Comparison | None,
        of: Callable[[Float32Array, Float32Array], Float32Array],
    ) -> None:
        self.comparison = comparison
        self._of = of
        self.compared = 0

    def scores(self, a: Float32Array, b: Float32Array) -> Float32Array:
        self.compared += len(a)
        return self._of(a, b)


def cosine(a: Float32Array, b: Float32Array) -> Float32Array:
    dots = (a * b).sum(1)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray(dots / np.maximum(lengths, 1e-12), dtype=np.float32)


def minus_distance(a: Float32Array, b: Float32Array) -> Float32Array:
    return np.asarray(-np.linalg.norm(a - b, axis=1), dtype=np.float32)


def saturated_cosine(a: Float32Array, b: Float32Array) -> Float32Array:
    return np.minimum(cosine(a, b), np.float32(0.25))


def weighted(a: Float32Array, b: Float32Array) -> Float32Array:
    weights = np.arange(a.shape[1], dtype=np.float32)
    return np.asarray((a * b * weights).sum(1), dtype=np.float32)


SCORES = {
    "cosine": ("cosine", cosine),
    "saturated": ("cosine", saturated_cosine),
    "euclidean": ("euclidean", minus_distance),
    "learned": (None, weighted),
}


def filled(folder: Path, vectors: Float32Array, *, unit: bool, batches: int = 3) -> Path:
    kind = EmbeddingKind(pack="test", sha256="0" * 64, dimension=vectors.shape[1], unit_length=unit)
    templates = [
        Template(f"p{(row * 7919) % len(vectors):06d}", vector, row % 3 + 1)
        for row, vector in enumerate(vectors)
    ]
    with GalleryWriter(folder, kind) as writer:
        for part in np.array_split(np.arange(len(templates)), batches):
            writer.put([templates[row] for row in part])
    return folder


def naive(folder: Path, probe: Float32Array, score: NaiveScore, top: int) -> list[Match]:
    gallery = open_gallery(folder)
    matches = []
    row = 0
    for part in gallery.parts:
        for template in part.templates:
            value = float(score.scores(probe[None], template[None])[0])
            matches.append(Match(gallery.names[row], value, int(gallery.images[row])))
            row += 1
    return sorted(matches, key=lambda match: (-match.score, match.name))[:top]


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("kind", ["spread", "duplicates", "far from zero", "tiny", "few"])
@pytest.mark.parametrize("top", [1, 5])
def test_search_is_the_naive_result(tmp_path: Path, name: str, kind: str, top: int) -> None:
    comparison, of = SCORES[name]
    score = NaiveScore(comparison, of)  # type: ignore[arg-type]
    random = np.random.default_rng(3)
    vectors = random.normal(size=(3 if kind == "few" else 300, 16))
    if kind == "duplicates":
        vectors = vectors[random.integers(0, 20, len(vectors))]
    elif kind == "far from zero":
        vectors = 1000 + vectors / 100
    elif kind == "tiny":
        vectors *= 1e-20
    unit = comparison == "cosine"
    if unit:
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    enrolled = vectors.astype(np.float32)
    folder = filled(tmp_path / "gallery", enrolled, unit=unit)
    others = vectors[-3:] + random.normal(size=(3, 16)) * vectors.std()
    probes = np.concatenate((vectors[:3], others, np.zeros((1, 16)))).astype(np.float32)
    found = search(open_gallery(folder), probes, score, top)
    assert len(found) == len(probes)
    for probe, matches in zip(probes, found, strict=True):
        assert list(matches) == naive(folder, probe, score, top)


@pytest.mark.parametrize("name", ["cosine", "euclidean"])
def test_only_candidates_are_scored(tmp_path: Path, name: str) -> None:
    comparison, of = SCORES[name]
    score = NaiveScore(comparison, of)  # type: ignore[arg-type]
    vectors = np.random.default_rng(0).normal(size=(20_000, 32)).astype(np.float32)
    if name == "cosine":
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    folder = filled(tmp_path / "gallery", vectors, unit=name == "cosine", batches=1)
    search(open_gallery(folder), vectors[:10], score, 5)
    assert score.compared <= 10 * 64


def test_a_probe_that_is_too_long_for_squares_is_searched_all_the_same(tmp_path: Path) -> None:
    score = NaiveScore("euclidean", minus_distance)
    vectors = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    folder = filled(tmp_path / "gallery", vectors, unit=False)
    probe = np.full(4, 1e17, dtype=np.float32)
    [found] = search(open_gallery(folder), probe[None], score, 3)
    assert list(found) == naive(folder, probe, score, 3)


def test_another_index_is_held_to_the_same_result(tmp_path: Path) -> None:
    """Whatever finds the candidates: a poor one costs time, not results."""
    score = NaiveScore("cosine", cosine)
    vectors = np.random.default_rng(0).normal(size=(2000, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    folder = filled(tmp_path / "gallery", vectors, unit=True)
    gallery = open_gallery(folder)
    everything = np.concatenate([part.templates for part in gallery.parts])

    def nearest(probes: Float32Array, count: int) -> tuple[FloatArray, Int64Array]:
        products = probes @ everything.T
        rows = np.argsort(-products, axis=1)[:, :count]
        return np.take_along_axis(products, rows, 1).astype(np.float64), rows

    [found] = search(gallery, vectors[:1], score, 5, nearest=nearest)
    assert list(found) == naive(folder, vectors[0], score, 5)


def test_an_empty_gallery_has_no_matches(tmp_path: Path) -> None:
    kind = EmbeddingKind(pack="test", sha256="0" * 64, dimension=4, unit_length=True)
    with GalleryWriter(tmp_path / "gallery", kind):
        pass
    score = NaiveScore("cosine", cosine)
    probes = np.ones((2, 4), dtype=np.float32)
    assert search(open_gallery(tmp_path / "gallery"), probes, score, 5) == [(), ()]
