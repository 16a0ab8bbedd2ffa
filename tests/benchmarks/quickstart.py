"""The quickstart from nothing to its report, against a bare script that only trains its network.

Run: ``python tests/benchmarks/quickstart.py``. Each is a fresh process; the cache of the quickstart
is an empty folder, so that faces are drawn, images linted, and everything is embedded. The bare
script imports torch and makes the same number of steps of the same network on random pixels in
memory: no data set, no validation, no intervals, no report. Both use one thread.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROUNDS = 5

BARE = """
import torch
from torch import nn

widths = (3, 16, 32, 64, 128)
stages = []
for inputs, outputs in zip(widths, widths[1:]):
    stages += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
network = nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 32))
network.to(memory_format=torch.channels_last)
optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=300)
pixels = torch.rand(48, 3, 48, 48).to(memory_format=torch.channels_last)
first, second = torch.triu_indices(48, 48, 1)
same = first // 3 == second // 3
for _ in range(300):
    embeddings = network(pixels)
    distance = (embeddings[first] - embeddings[second]).norm(dim=1)
    loss = torch.where(same, distance**2, (1 - distance).clamp_min(0) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
"""


def measure() -> dict[str, float]:
    """Medians over rounds in turn, of seconds that pass and of those of the processor."""
    passed: dict[str, list[float]] = {"quickstart": [], "bare": []}
    worked: dict[str, list[float]] = {"quickstart": [], "bare": []}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            command = ("-m", "facesim", "run", "quickstart", "--out", folder, "--quiet")
            programs: dict[str, Sequence[str]] = {"quickstart": command, "bare": ("-c", BARE)}
            for name, arguments in programs.items():
                begin, before = time.perf_counter(), _processor_seconds()
                _run(arguments, Path(folder) / "cache")
                passed[name].append(time.perf_counter() - begin)
                worked[name].append(_processor_seconds() - before)
    wall = {name: statistics.median(seconds) for name, seconds in passed.items()}
    processor = {name: statistics.median(seconds) for name, seconds in worked.items()}
    return {
        "quickstart_s": wall["quickstart"],
        "quickstart_processor_s": processor["quickstart"],
        "bare_training_s": wall["bare"],
        "quickstart_to_bare_training_ratio": wall["quickstart"] / wall["bare"],
        "quickstart_to_bare_training_processor_ratio": processor["quickstart"] / processor["bare"],
    }


def _run(arguments: Sequence[str], cache: Path) -> None:
    environment = {**os.environ, "FACESIM_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        capture_output=True,
        check=True,
        cwd=cache.parent,
    )


def _processor_seconds() -> float:
    """Of all processes that were started and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Print the figures as JSON."""
    print(json.dumps({name: round(value, 4) for name, value in measure().items()}, indent=2))


if __name__ == "__main__":
    main()
