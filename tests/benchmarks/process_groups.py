"""Two processes of one thread each against one of one thread: training and embedding.

Run: ``python tests/benchmarks/process_groups.py``. The tail and head of the reference on cached
features, batches cut into two shards; the same bits on both. Of two processes, also the share of a
step that gathering embeddings and adding up gradients in order takes, waiting for the other
process included.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch

from facesim.evaluation.embedding import Embedder, SharedNames
from facesim.process_group import joined
from facesim.processes import Processes
from facesim.reporters import SilentReporter
from facesim.runs.follower import follow
from facesim.training.steps import Steps
from tests.benchmarks.cached_training import prepared_trainer

ROUNDS = 5
STEPS = 4


def measure() -> dict[str, float]:
    """Rounds of one process and of two in turn; their medians."""
    found: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    for _ in range(ROUNDS):
        for size, figures in found.items():
            figures.append(_of_processes(size))
    one, two = (
        {name: statistics.median(each[name] for each in figures) for name in figures[0]}
        for figures in found.values()
    )
    pairs = list(zip(found[1], found[2], strict=True))
    return {
        "one_training_images_per_s": one["training"],
        "two_training_images_per_s": two["training"],
        "two_to_one_training_ratio": _ratio(pairs, "training"),
        "one_embedding_images_per_s": one["embedding"],
        "two_embedding_images_per_s": two["embedding"],
        "two_to_one_embedding_ratio": _ratio(pairs, "embedding"),
        "gathering_share_of_a_step": two["gathering"],
    }


def _ratio(pairs: list[tuple[dict[str, float], dict[str, float]]], name: str) -> float:
    return statistics.median(two[name] / one[name] for one, two in pairs)


def _of_processes(size: int) -> dict[str, float]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    threads = {"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "--process"],
            env={**os.environ, **threads, "RANK": str(rank), "WORLD_SIZE": str(size)},
            stdout=subprocess.PIPE,
        )
        for rank in range(size)
    ]
    printed = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit("a process failed")
    figures: dict[str, float] = json.loads(printed[0])
    return figures


def _take_part() -> None:
    torch.set_num_threads(1)
    alone = os.environ["WORLD_SIZE"] == "1"
    changes = ["train.shards=2"]
    with (
        nullcontext(Processes()) if alone else joined(SilentReporter()) as group,
        prepared_trainer("benchmark_resnet_tail", "[218, 178]", 64, changes) as trainer,
    ):
        if not group.is_main:
            follow(trainer.components.experiment, group)
            return
        trainer.processes, gathering = _timed(group)
        trainer.steps = Steps(trainer.components, trainer.processes)
        _steps(trainer)  # the first are slower
        gathering.clear()
        seconds, images = _seconds_of(lambda: _steps(trainer))
        share = sum(gathering) / seconds
        components = trainer.components
        embedder = Embedder(
            components.network,
            components.train.inputs,
            64,
            trainer.processes,
            shared_as=SharedNames("training", "train"),
        )
        rows = np.arange(len(components.train.table))
        embedder.embed(rows)
        embedding, _ = _seconds_of(lambda: embedder.embed(rows))
        group.request("end")
    figures = {
        "training": images / seconds,
        "embedding": len(rows) / embedding,
        "gathering": share,
    }
    print(json.dumps(figures))


def _steps(trainer: Any) -> int:
    trainer.progress.batch = trainer.progress.step = images = 0
    trainer.processes.request("epoch", epoch=0, batch=0)
    for part, inputs in trainer.steps.batches(0, 0, STEPS):
        trainer._step(part, inputs)
        images += len(part.whole.images)
    return images


def _timed(group: Processes) -> tuple[Processes, list[float]]:
    """The same processes, and a list of the seconds that each gathering took."""
    seconds: list[float] = []

    class Timed(type(group)):  # type: ignore[misc]
        def gather(self, tensor: torch.Tensor) -> list[torch.Tensor]:
            began = time.perf_counter()
            gathered: list[torch.Tensor] = super().gather(tensor)
            seconds.append(time.perf_counter() - began)
            return gathered

    return Timed(**vars(group)), seconds


def _seconds_of(work: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


if __name__ == "__main__":
    if sys.argv[1:] == ["--process"]:
        _take_part()
    else:
        print(json.dumps({name: round(value, 4) for name, value in measure().items()}, indent=2))
