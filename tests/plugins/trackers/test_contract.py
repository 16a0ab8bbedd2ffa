"""Every registered tracker keeps the promises of trackers."""

from typing import Any

import pytest

from facesim import trackers
from facesim.registry import Spec
from facesim.testing.suites import TrackerContract

PARAMETERS: dict[str, dict[str, Any]] = {"wandb": {"mode": "offline"}}


class TestEveryTracker(TrackerContract):
    @pytest.fixture(params=trackers.names())
    def spec(self, request: pytest.FixtureRequest) -> Spec[Any]:
        return trackers.spec(request.param, **PARAMETERS.get(request.param, {}))
