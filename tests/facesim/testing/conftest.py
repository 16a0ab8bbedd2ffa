"""The plugins of a test end with it."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from facesim.interfaces import REGISTRIES


@pytest.fixture(autouse=True)
def _isolated() -> Iterator[None]:
    with ExitStack() as stack:
        for registry in REGISTRIES:
            stack.enter_context(registry.isolated())
        yield
