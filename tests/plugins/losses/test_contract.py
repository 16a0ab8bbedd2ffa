"""Every registered loss keeps the promises of losses."""

from typing import Any

import pytest

from facesim import losses
from facesim.registry import Spec
from facesim.testing.suites import LossContract


class TestEveryLoss(LossContract):
    @pytest.fixture(params=losses.names())
    def spec(self, request: pytest.FixtureRequest) -> Spec[Any]:
        return losses.spec(request.param)
