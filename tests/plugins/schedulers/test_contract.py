"""Every registered scheduler keeps the promises of schedulers."""

from typing import Any

import pytest

from facesim import schedulers
from facesim.registry import Spec
from facesim.testing.suites import SchedulerContract


class TestEveryScheduler(SchedulerContract):
    @pytest.fixture(params=schedulers.names())
    def spec(self, request: pytest.FixtureRequest) -> Spec[Any]:
        return schedulers.spec(request.param)
