"""The built-in metrics keep the promises of their kind."""

from typing import Any, ClassVar

import pytest

from facesim.discovery import load_installed_plugins
from facesim.interfaces import metrics
from facesim.registry import Spec
from facesim.testing.suites import MetricContract

load_installed_plugins()
PARAMETERS: dict[str, dict[str, Any]] = {"tar_at_far": {"far": 5e-3}, "fnmr_at_fmr": {"fmr": 5e-3}}


class TestMetric(MetricContract):
    name: ClassVar[str] = "accuracy"

    @pytest.fixture(params=metrics.names())
    def spec(self, request: pytest.FixtureRequest) -> Spec[Any]:
        return metrics.spec(request.param, **PARAMETERS.get(request.param, {}))
