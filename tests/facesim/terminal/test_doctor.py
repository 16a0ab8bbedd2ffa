"""The state of an installation, as it is printed."""

import io
from pathlib import Path

from facesim.console import Console
from facesim.doctor import CacheFolder, DistributionStatus, EnvironmentStatus, Extra
from facesim.errors import PluginFailure
from facesim.host import HostStatus, Interface
from facesim.terminal.doctor import print_distributions, print_environment

CACHE = CacheFolder(Path("/cache"), 1_234_000, 5_600_000_000, None)
EXTRAS = (
    Extra("onnx", {"onnx": "1.16", "onnxruntime": "1.18"}),
    Extra("half", {"there": "1.0", "gone": None}),
)
HOST = HostStatus(
    cores=8,
    threads=None,
    backends=("gloo", "nccl"),
    name="node-1",
    addresses=("192.0.2.2", "192.0.2.3"),
    gloo=(Interface("eth0", "192.0.2.2"),),
    nccl=(Interface("eth0", "192.0.2.2"), Interface("ib0")),
    torchrun={},
    problems=(),
)


def printed_environment(cache: CacheFolder, host: HostStatus = HOST) -> list[str]:
    versions = {"facesim": "0.1.0", "torch": "2.6.0"}
    engines = {"eager": None, "onnxruntime": "the extra is missing"}
    status = EnvironmentStatus(versions, "Linux", ("cpu", "cuda:0"), engines, host, EXTRAS, cache)
    console = Console(file=(file := io.StringIO()), width=40)
    print_environment(console, status)
    return file.getvalue().splitlines()


def test_the_environment_is_a_line_for_each_part() -> None:
    assert printed_environment(CACHE) == [
        "environment: all well",
        "  versions: facesim 0.1.0, torch 2.6.0",
        "  platform: Linux",
        "  devices: cpu, cuda:0",
        "  engine eager: available",
        "  engine onnxruntime: the extra is missing",
        "  processes: 8 CPU cores; 1 thread each under torchrun (OMP_NUM_THREADS is not set)",
        "  backends: gloo, nccl",
        "  host: node-1 (192.0.2.2, 192.0.2.3)",
        "  gloo binds to: 192.0.2.2 (eth0)",
        "  nccl chooses from: 192.0.2.2 (eth0), ib0",
        "  torchrun: has not started this process",
        "  extra onnx: onnx 1.16, onnxruntime 1.18",
        "  extra half: not installed (gone missing)",
        "  cache: /cache (1.2 MB; 5.6 GB free on its disk)",
    ]


def test_a_process_of_torchrun_s_on_a_host_that_others_cannot_reach() -> None:
    host = HostStatus(
        2, "4", (), "node-1", (), (), (), {"RANK": "1", "WORLD_SIZE": "2"}, ("set it", "and that")
    )
    lines = printed_environment(CACHE, host)
    assert lines[6:10] == [
        "  processes: 2 CPU cores; 4 threads each (OMP_NUM_THREADS)",
        "  backends: none, as this torch is without torch.distributed",
        "  host: node-1 (no address)",
        "  torchrun: RANK=1, WORLD_SIZE=2",
    ]
    assert lines[-2:] == ["  set it", "  and that"]


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
