import math

import numpy as np
import pytest

from facesim.arrays import FloatArray
from facesim.evaluation.embedding_spread import effective_rank, embedding_spread


def draw(images: int = 200, dimensions: int = 16, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(size=(images, dimensions))


def naive_rank(rows: FloatArray) -> float:
    singular = np.linalg.svd(rows, compute_uv=False).tolist()
    entropy = 0.0
    for value in singular:
        if value > 0:
            entropy -= value / sum(singular) * math.log(value / sum(singular))
    return math.exp(entropy)


@pytest.mark.parametrize("shape", [(200, 16), (5, 16), (16, 5), (2, 1)])
def test_effective_rank_is_that_of_the_definition(shape: tuple[int, int]) -> None:
    rows = draw(*shape) * np.arange(1, shape[1] + 1)
    assert effective_rank(rows) == pytest.approx(naive_rank(rows), rel=1e-6)


@pytest.mark.parametrize("directions", [1, 2, 7])
def test_equally_strong_directions_are_counted(directions: int) -> None:
    assert effective_rank(np.eye(7)[:directions]) == pytest.approx(directions)


def test_variance_is_the_mean_squared_distance_from_the_mean() -> None:
    embeddings = draw() + 3.0
    mean = embeddings.mean(axis=0)
    naive = sum(math.dist(row, mean) ** 2 for row in embeddings) / len(embeddings)
    length = sum(math.hypot(*row) ** 2 for row in embeddings) / len(embeddings)
    spread = embedding_spread(embeddings)
    assert spread.variance == pytest.approx(naive)
    assert spread.relative_variance == pytest.approx(naive / length)
    assert spread.dimensions == 16


@pytest.mark.parametrize("value", [0.0, 0.1, 1e4])
def test_equal_embeddings_are_a_point_in_spite_of_rounding(value: float) -> None:
    spread = embedding_spread(np.full((100, 16), value, np.float32))
    assert spread.relative_variance == pytest.approx(0, abs=1e-12)
    assert spread.effective_rank == 1


def test_embeddings_on_a_line_have_rank_one_wherever_the_line_lies() -> None:
    line = np.linspace(-1, 1, 100)[:, None] * draw(1) + draw(1, seed=1)
    spread = embedding_spread(line.astype(np.float32))
    assert spread.effective_rank == pytest.approx(1, abs=1e-3)
    assert spread.relative_variance > 0.01


def test_isotropic_embeddings_have_nearly_full_rank() -> None:
    assert embedding_spread(draw(2000)).effective_rank > 15.9


def test_many_embeddings_are_measured_by_evenly_spaced_ones() -> None:
    embeddings = draw(20_000)
    spread, exact = embedding_spread(embeddings), embeddings.var(axis=0).sum()
    assert spread.variance == pytest.approx(exact, rel=0.02)
    assert spread.effective_rank == pytest.approx(16, rel=0.01)


def test_one_image_spreads_nowhere() -> None:
    assert embedding_spread(draw(1)).effective_rank == 1
