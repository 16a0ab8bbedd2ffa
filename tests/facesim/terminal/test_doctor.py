"""The state of an installation, as it is printed."""

import io
from pathlib import Path

from facesim.console import Console
from facesim.doctor import CacheFolder, DistributionStatus, EnvironmentStatus, Extra
from facesim.errors import PluginFailure
from facesim.terminal.doctor import print_distributions, print_environment

CACHE = CacheFolder(Path("/cache"), 1_234_000, 5_600_000_000, None)
EXTRAS = (
    Extra("onnx", {"onnx": "1.16", "onnxruntime": "1.18"}),
    Extra("half", {"there": "1.0", "gone": None}),
)


def printed_environment(cache: CacheFolder) -> list[str]:
    status = EnvironmentStatus(
        {"facesim": "0.1.0", "torch": "2.6.0"}, "Linux", ("cpu", "cuda:0"), EXTRAS, cache
    )
    console = Console(file=(file := io.StringIO()), width=40)
    print_environment(console, status)
    return file.getvalue().splitlines()


def test_the_environment_is_a_line_for_each_part() -> None:
    assert printed_environment(CACHE) == [
        "environment: all well",
        "  versions: facesim 0.1.0, torch 2.6.0",
        "  platform: Linux",
        "  devices: cpu, cuda:0",
        "  extra onnx: onnx 1.16, onnxruntime 1.18",
        "  extra half: not installed (gone missing)",
        "  cache: /cache (1.2 MB; 5.6 GB free on its disk)",
    ]


def test_a_cache_that_is_not_writable_says_why_and_what_to_do() -> None:
    problem = "cannot write in /cache: Read-only file system"
    lines = printed_environment(CacheFolder(Path("/cache"), 0, 0, problem))
    assert lines[0] == "environment: the cache folder is not writable"
    assert lines[-1] == f"  {problem}; name another folder in FACESIM_CACHE"


def test_a_distribution_is_a_paragraph() -> None:
    failure = PluginFailure("acme", "acme 1.2", "no such module", traceback="line 3")
    console = Console(file=(file := io.StringIO()), width=80)
    print_distributions(
        console,
        [
            DistributionStatus("good 1.0", 1, {"losses": ("a", "b")}, (), switched_off=False),
            DistributionStatus("acme 1.2", 1, {}, (failure,), switched_off=False),
            DistributionStatus("acme 1.3", 1, {}, (failure,), switched_off=True),
        ],
    )
    assert file.getvalue().splitlines() == [
        "good 1.0 (made for interface 1): all well",
        "  losses: a, b",
        "acme 1.2 (made for interface 1): 1 not usable",
        "  acme (acme 1.2) failed to import: no such module",
        "      line 3",
        "acme 1.3 (made for interface 1): switched off by FACESIM_PLUGINS_DISABLE",
    ]
