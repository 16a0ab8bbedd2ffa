"""Every registered optimizer keeps the promises of optimizers."""

from typing import Any

import pytest

from facesim import optimizers
from facesim.registry import Spec
from facesim.testing.suites import OptimizerContract

PARAMETERS: dict[str, dict[str, Any]] = {"sgd": {"lr": 0.01}}


class TestEveryOptimizer(OptimizerContract):
    @pytest.fixture(params=optimizers.names())
    def spec(self, request: pytest.FixtureRequest) -> Spec[Any]:
        return optimizers.spec(request.param, **PARAMETERS.get(request.param, {}))
