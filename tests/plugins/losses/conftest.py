"""Batches of random embeddings, for comparing a loss with another way to compute it."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from facesim import PairBatch
from facesim.testing.pair_batches import batch_of

Draw = Callable[[Sequence[int], int], tuple[Tensor, PairBatch]]

WIDTH = 8


def _draw(identities: Sequence[int], seed: int) -> tuple[Tensor, PairBatch]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(identities), WIDTH, generator=generator), batch_of(list(identities))


@pytest.fixture(scope="session")
def draw() -> Draw:
    """From identities and a seed: an embedding of 8 numbers each, and a batch with every pair."""
    return _draw


@pytest.fixture(params=range(8))
def drawn(request: pytest.FixtureRequest) -> tuple[Tensor, PairBatch]:
    """Eight batches of 40 images of 10 identities, some of which may have one image only."""
    seed = request.param
    generator = torch.Generator().manual_seed(100 + seed)
    return _draw(torch.randint(0, 10, (40,), generator=generator).tolist(), seed)
