"""What a trial of a search costs beyond its training steps and its validations.

Run: ``python tests/benchmarks/trial_overhead.py [TRIALS] [IMAGES]``. A frozen EfficientNet-Lite0 on
drawn faces, its output cached, a head searched over 10 epochs a trial. One process makes all
trials, and everything but the steps and the validations of the epochs counts as overhead: building,
linting, files, checkpoints, the storage, the sampler, the pruner. The processor's time is given
beside the clock's, which other work on the machine lengthens.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facesim.experiment.loading import load_with_source
from facesim.training.stop import StopRequest
from facesim.training.trainer import Trainer
from facesim.tuning.study import Plan, silence_optuna
from facesim.tuning.trial import search_queue
from facesim.tuning.trial_loop import work

TRIALS, IMAGES = 12, 3510
EXPERIMENT = """
name: overhead
data:
  train: {{name: synthetic_faces, identities: {people}, images_per_identity: 6, root: {root}/train}}
  val: {{name: synthetic_faces, identities: 60, images_per_identity: 6, first_identity: 100000,
         root: {root}/val}}
  test: {{name: synthetic_faces, identities: 60, images_per_identity: 6, first_identity: 200000,
          root: {root}/test}}
image: {{size: [64, 64]}}
backbone: {{name: efficientnet_lite, weights: none, frozen_stages: 8}}
head: {{name: mlp, fc_dim: 128, out_dim: 16}}
sampler: {{name: identity_balanced, images_per_identity: 4}}
loss: contrastive
optimizer: adam
train: {{epochs: 10, batch_size: 64}}
search:
  space:
    head.fc_dim: {{int: [8, 512], log: true}}
    head.out_dim: {{int: [4, 32], step: 4, at_most: head.fc_dim}}
    loss.margin: {{float: [1, 8]}}
    optimizer.lr: {{float: [1e-5, 1e-2], log: true}}
"""


def measure(trials: int = TRIALS, images: int = IMAGES) -> dict[str, float]:
    """Seconds a trial, in all and beyond its steps and validations; the first fills the cache."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FACESIM_CACHE"] = f"{folder}/cache"
        silence_optuna()
        inside = _Inside()
        _make(Path(folder), 1, images)
        whole, overhead = [], []
        for count in range(2, trials + 2):
            inside.spent = Spent()
            began = now()
            _make(Path(folder), count, images)
            whole.append(now() - began)
            overhead.append(whole[-1] - inside.spent)
    seconds = statistics.median(each.clock for each in whole)
    return {
        "trials": trials,
        "images": images,
        "seconds_per_trial": seconds,
        "overhead_s": statistics.median(each.clock for each in overhead),
        "overhead_processor_s": statistics.median(each.processor for each in overhead),
        "minutes_for_100_trials": 100 * seconds / 60,
    }


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock, and of this process's use of the processor."""

    clock: float = 0.0
    processor: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.clock + other.clock, self.processor + other.processor)

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(self.clock - other.clock, self.processor - other.processor)


def now() -> Spent:
    """To be subtracted from a later one."""
    return Spent(time.perf_counter(), time.process_time())


class _Inside:
    """Adds up the time within the steps and the validations of every trainer."""

    def __init__(self) -> None:
        self.spent = Spent()
        for name in ("_train_epoch", "_validate"):
            setattr(Trainer, name, self._timed(getattr(Trainer, name)))

    def _timed(self, method: Callable[[Trainer], Any]) -> Callable[[Trainer], Any]:
        def timed(trainer: Trainer) -> Any:
            began = now()
            try:
                return method(trainer)
            finally:
                self.spent += now() - began

        return timed


def _make(folder: Path, trials: int, images: int) -> None:
    """Go on with the study until it has so many trials."""
    file = folder / "overhead.yaml"
    file.write_text(EXPERIMENT.format(root=folder / "faces", people=images // 6))
    experiment, root = load_with_source(file, [f"search.trials={trials}"])
    plan = Plan.of(experiment, root, folder / "study", None)
    plan.write()
    work(search_queue(plan), StopRequest())


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:])), indent=2))
