"""Every registered loss keeps the promises of losses, whatever form its parameters give it."""

from typing import Any

import pytest
import torch
from torch import Tensor

from facesim import PairBatch, losses
from facesim.registry import Spec
from facesim.testing.suites import LossContract

# Of a loss that is not here, the defaults are tested.
PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "arcface": [{}, {"margin": 1.5, "scale": 16.0}],
    "bce_distance": [{}, {"scale": 20.0, "bias": -3.0}],
    "circle": [{}, {"margin": 0.4, "scale": 80.0}],
    "cosface": [{}, {"margin": 0.1, "scale": 16.0}],
    "learned": [{}, {"hidden": (8,)}],
    "multi_similarity": [{}, {"epsilon": 0.0, "base": 1.0}],
    "pml": [
        {"loss": "MultiSimilarityLoss"},
        {"loss": {"name": "TripletMarginLoss", "margin": 0.2}, "miner": "BatchHardMiner"},
        {"loss": "ContrastiveLoss", "distance": {"name": "LpDistance", "p": 1}},
        {"loss": "ContrastiveLoss", "distance": {"name": "LpDistance", "power": 2}},
        {"loss": "ProxyAnchorLoss"},
        {"loss": "AngularLoss", "reducer": "AvgNonZeroReducer"},
    ],
    "supcon": [{}, {"temperature": 0.01}],
    "triplet": [
        {"mining": mining, "margin": margin}
        for mining in ("batch_hard", "semi_hard")
        for margin in (0.2, None)
    ],
}
CASES = [(name, given) for name in losses.names() for given in PARAMETERS.get(name, [{}])]


class TestEveryLoss(LossContract):
    @pytest.fixture(params=CASES, ids=str)
    def spec(self, request: pytest.FixtureRequest) -> Spec[Any]:
        name, parameters = request.param
        return losses.spec(name, **parameters)


def batch_of(identities: Tensor, pairs: Tensor) -> PairBatch:
    same = identities[pairs[:, 0]] == identities[pairs[:, 1]]
    return PairBatch(torch.arange(len(identities)), identities, pairs, same)


@pytest.mark.parametrize("name", ["contrastive", "bce_distance", "learned"])
def test_the_loss_of_pairs_is_the_mean_of_theirs(name: str) -> None:
    torch.manual_seed(0)
    loss, embeddings = losses.spec(name).build(8, 4), torch.randn(5, 8)
    identities, pairs = torch.tensor([0, 0, 1, 1, 2]), torch.combinations(torch.arange(5))
    alone = [loss(embeddings, batch_of(identities, pair[None])) for pair in pairs]
    whole = loss(embeddings, batch_of(identities, pairs))
    torch.testing.assert_close(whole, torch.stack(alone).mean())
    assert loss(embeddings, batch_of(identities, pairs[:0])).item() == 0


@pytest.mark.parametrize("name", ["arcface", "cosface"])
def test_the_loss_of_images_is_the_mean_of_theirs(name: str) -> None:
    torch.manual_seed(0)
    loss, embeddings = losses.spec(name).build(8, 4), torch.randn(5, 8)
    identities, none = torch.tensor([0, 0, 1, 3, 2]), torch.empty((0, 2), dtype=torch.int64)
    alone = [
        loss(image[None], batch_of(identity[None], none))
        for image, identity in zip(embeddings, identities, strict=True)
    ]
    torch.testing.assert_close(
        loss(embeddings, batch_of(identities, none)), torch.stack(alone).mean()
    )
    assert loss(embeddings[:0], batch_of(identities[:0], none)).item() == 0
