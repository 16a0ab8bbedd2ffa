"""Every registered report section keeps the promises of report sections."""

from typing import Any

import pytest

from facesim import report_sections
from facesim.registry import Spec
from facesim.testing.suites import ReportSectionContract


class TestEveryReportSection(ReportSectionContract):
    @pytest.fixture(params=report_sections.names())
    def spec(self, request: pytest.FixtureRequest) -> Spec[Any]:
        return report_sections.spec(request.param)
