"""Plugins declare the optional packages that their results depend on."""

import re
import tomllib
from pathlib import Path

from facesim.interfaces import REGISTRIES

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
WITHOUT_RESULTS = (
    *("celeba", "excel", "faiss", "parquet", "postgres", "zstd"),
    *("test", "test-engine", "dev"),
)
"""Extras that change no number of a run."""


def test_each_extra_has_a_plugin_that_declares_one_of_its_packages() -> None:
    extras = {
        extra: {re.split(r"[\[>=<]", requirement)[0] for requirement in requirements}
        for extra, requirements in PROJECT["project"]["optional-dependencies"].items()
        if extra not in WITHOUT_RESULTS
    }
    declared = {name for registry in REGISTRIES for plugin in registry for name in plugin.packages}
    assert {extra for extra, packages in extras.items() if not packages & declared} == set()
    assert declared <= set().union(*extras.values())
