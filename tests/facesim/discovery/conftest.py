"""Distributions of the tests' own, in a world without other plugins."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent

import pytest

from facesim import interfaces
from facesim.discovery import installed
from facesim.discovery.installed import plugin_entry_points


@pytest.fixture(autouse=True)
def _nothing_registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No plugins, no failures, no modules that stay, and no distributions but the tests' own."""
    monkeypatch.setattr(
        installed,
        "plugin_entry_points",
        lambda: [it for it in plugin_entry_points() if it.distribution.startswith("acme")],
    )
    modules = set(sys.modules)
    with ExitStack() as stack:
        for registry in interfaces.REGISTRIES:
            stack.enter_context(registry.isolated())
            registry._plugins, registry._failures = {}, {}
        yield
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Installs a distribution: metadata with an entry point, and files."""

    def install_distribution(
        files: dict[str, str],
        entry: str = "acme",
        distribution: str = "acme-losses",
        groups: tuple[str, ...] = ("facesim.plugins",),
    ) -> Path:
        folder = tmp_path / distribution
        info = folder / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n"
        )
        offered = "".join(f"[{group}]\nit = {entry}\n" for group in groups)
        (info / "entry_points.txt").write_text(offered)
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(dedent(text))
        monkeypatch.syspath_prepend(str(folder))
        return folder

    return install_distribution
