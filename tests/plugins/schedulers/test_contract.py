"""Every registered scheduler keeps the promises of schedulers."""

from typing import Any

import pytest

from facesim import schedulers
from facesim.registry import Spec
from facesim.testing.suites import SchedulerContract

PARAMETERS: dict[str, dict[str, Any]] = {
    "torch.CosineAnnealingWarmRestarts": {"T_0": 7},
    # The rates are absolute: one of each group of the optimizer.
    "torch.CyclicLR": {"base_lr": [0.1, 0.01], "max_lr": [1.0, 0.1], "step_size_up": 5},
    "torch.ExponentialLR": {"gamma": 0.9},
    "torch.MultiStepLR": {"milestones": [3, 9]},
    "torch.StepLR": {"step_size": 4},
}


class TestEveryScheduler(SchedulerContract):
    @pytest.fixture(params=schedulers.names())
    def spec(self, request: pytest.FixtureRequest) -> Spec[Any]:
        return schedulers.spec(request.param, **PARAMETERS.get(request.param, {}))
