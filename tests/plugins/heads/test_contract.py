"""Every registered head keeps the promises of heads."""

from typing import Any

import pytest

from facesim import heads
from facesim.registry import Spec
from facesim.testing.suites import HeadContract


class TestEveryHead(HeadContract):
    @pytest.fixture(params=heads.names())
    def spec(self, request: pytest.FixtureRequest) -> Spec[Any]:
        return heads.spec(request.param)
