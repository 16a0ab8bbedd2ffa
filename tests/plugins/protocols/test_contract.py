"""The built-in protocols keep the promises of their kind."""

from typing import Any, ClassVar

import pytest

from facesim.discovery import load_installed_plugins
from facesim.interfaces import protocols
from facesim.registry import Spec
from facesim.testing.suites import ProtocolContract

load_installed_plugins()


class TestProtocol(ProtocolContract):
    name: ClassVar[str] = "pairs"

    @pytest.fixture(params=protocols.names())
    def spec(self, request: pytest.FixtureRequest) -> Spec[Any]:
        return protocols.spec(request.param)
