"""The suites that a plugin's author derives from."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from facesim.interfaces import REGISTRIES
from facesim.testing import CONTRACTS, suites


def test_the_plugin_is_found_without_being_imported_by_the_test(tmp_path: Path) -> None:
    suite = "class TestContrastive(LossContract):\n    name = 'contrastive'\n"
    file = tmp_path / "test_contrastive.py"
    file.write_text(f"from facesim.testing.suites import LossContract\n\n\n{suite}")
    asked = ["-q", "-p", "no:cacheprovider", "-k", "explains_itself", file.name]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *asked],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    assert "1 passed" in ended.stdout


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
    name = "".join(word.capitalize() for word in kind.split("_"))
    suite: Any = getattr(suites, f"{name}Contract")
    collected = Collected("spec", "promise")
    suite.pytest_generate_tests(collected)
    assert collected.tests == [promise.name for promise in CONTRACTS[kind].promises]
    other = Collected("tmp_path")
    suite.pytest_generate_tests(other)
    assert other.tests == []
