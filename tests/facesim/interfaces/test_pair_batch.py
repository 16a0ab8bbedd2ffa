import numpy as np
import torch

from facesim import PairBatch


def test_a_batch_of_pairs_holds_each_image_once() -> None:
    rows = np.array([[7, 2], [2, 9], [7, 9]])
    identities = np.array([0, 0, 1, 0, 0, 0, 0, 1, 0, 5])
    batch = PairBatch.of_pairs(rows, identities)
    assert batch.images.tolist() == [2, 7, 9]
    assert batch.identities.tolist() == [1, 1, 5]
    assert batch.images[batch.pairs].tolist() == rows.tolist()
    assert batch.same.tolist() == [True, False, False]


def test_gather_gives_the_embeddings_of_either_side() -> None:
    batch = PairBatch.of_pairs(np.array([[7, 2], [2, 9]]), np.zeros(10, dtype=np.int64))
    embeddings = torch.randn(3, 4)
    first, second = batch.gather(embeddings)
    assert torch.equal(first, embeddings[[1, 0]])
    assert torch.equal(second, embeddings[[0, 2]])


def test_the_gradient_of_gather_repeats_bit_for_bit() -> None:
    pairs = torch.combinations(torch.arange(64))
    batch = PairBatch(torch.arange(64), torch.arange(64), pairs, torch.ones(len(pairs)).bool())
    embeddings, weights = torch.randn(64, 32), torch.randn(len(pairs), 32)

    def gradient() -> torch.Tensor:
        leaf = embeddings.clone().requires_grad_()
        first, second = batch.gather(leaf)
        return torch.autograd.grad(((first + 2 * second) * weights).sum(), leaf)[0]

    expected = gradient()
    assert all(torch.equal(gradient(), expected) for _ in range(10))
