"""The suites that a plugin's author derives from."""

from typing import Any

import pytest

from facesim.interfaces import REGISTRIES
from facesim.testing import CONTRACTS, suites


class Collected:
    """What pytest is told to make of a test."""

    def __init__(self, *fixturenames: str) -> None:
        self.fixturenames = fixturenames
        self.tests: list[str] = []

    def parametrize(self, name: str, values: list[Any], ids: Any) -> None:
        assert name == "promise"
        self.tests = [ids(value) for value in values]


@pytest.mark.parametrize("kind", [registry.kind for registry in REGISTRIES])
def test_each_promise_of_the_kind_is_a_test_of_its_name(kind: str) -> None:
    suite: Any = getattr(suites, f"{kind.capitalize()}Contract")
    collected = Collected("spec", "promise")
    suite.pytest_generate_tests(collected)
    assert collected.tests == [promise.name for promise in CONTRACTS[kind].promises]
    other = Collected("tmp_path")
    suite.pytest_generate_tests(other)
    assert other.tests == []
