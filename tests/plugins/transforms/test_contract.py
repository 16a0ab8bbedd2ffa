"""Every registered transform keeps the promises of transforms."""

from typing import Any

import pytest

from facesim import transforms
from facesim.registry import Spec
from facesim.testing.suites import TransformContract


class TestEveryTransform(TransformContract):
    @pytest.fixture(params=transforms.names())
    def spec(self, request: pytest.FixtureRequest) -> Spec[Any]:
        return transforms.spec(request.param)
