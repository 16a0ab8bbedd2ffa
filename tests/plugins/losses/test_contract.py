"""Every registered loss keeps the promises of losses, whatever form its parameters give it."""

from typing import Any

import pytest

from facesim import losses
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
