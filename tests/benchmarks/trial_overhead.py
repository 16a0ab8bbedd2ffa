"""What a trial of a search costs beyond its training steps and its validations.

Run: ``python tests/benchmarks/trial_overhead.py [TRIALS] [IMAGES]``. A frozen ResNet-18 with random
weights on drawn faces, its trunk cached, a head searched over 10 epochs a trial. One worker makes
all trials, and everything but the steps and the validations of the epochs counts as overhead:
building, linting, files, checkpoints, the storage, the sampler, the pruner.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from facesim.experiment.loading import load_with_source
from facesim.training.stop import StopRequest
from facesim.training.trainer import Trainer
from facesim.tuning.objectives import objectives_named
from facesim.tuning.plan import Plan
from facesim.tuning.reading_space import read_space
from facesim.tuning.study import quieten, search_stage
from facesim.tuning.worker import work

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
backbone: {{name: resnet, depth: 18, weights: none, frozen_stages: 4}}
head: {{name: mlp, fc_dim: 128, out_dim: 16}}
sampler: {{name: identity_balanced, images_per_identity: 4}}
loss: contrastive
optimizer: adam
train: {{epochs: 10, batch_size: 64}}
search:
  pruner: {pruner}
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
        quieten()
        spent = _Spent()
        _make(Path(folder), 1, images, "none")
        took = []
        for count in range(2, trials + 2):
            spent.seconds = 0.0
            began = time.perf_counter()
            _make(Path(folder), count, images, "none")
            took.append((time.perf_counter() - began, spent.seconds))
    overheads = [whole - inside for whole, inside in took]
    seconds = statistics.median(whole for whole, _ in took)
    return {
        "trials": trials,
        "images": images,
        "seconds_per_trial": seconds,
        "overhead_s": statistics.median(overheads),
        "overhead_worst_s": max(overheads),
        "minutes_for_100_trials": 100 * seconds / 60,
    }


class _Spent:
    """Adds up the time within the steps and the validations of every trainer."""

    def __init__(self) -> None:
        self.seconds = 0.0
        for name in ("_train_epoch", "_validate"):
            setattr(Trainer, name, self._timed(getattr(Trainer, name)))

    def _timed(self, method: Callable[[Trainer], Any]) -> Callable[[Trainer], Any]:
        def timed(trainer: Trainer) -> Any:
            began = time.perf_counter()
            try:
                return method(trainer)
            finally:
                self.seconds += time.perf_counter() - began

        return timed


def _make(folder: Path, trials: int, images: int, pruner: str) -> None:
    """Go on with the study until it has so many trials."""
    file = folder / "overhead.yaml"
    file.write_text(EXPERIMENT.format(root=folder / "faces", people=images // 6, pruner=pruner))
    experiment, root = load_with_source(file, [f"search.trials={trials}"])
    assert experiment.search is not None
    objectives = objectives_named(experiment.search.metrics)
    plan = Plan(experiment, read_space(experiment, root), objectives, folder / "study", None)
    plan.write()
    work(search_stage(plan), StopRequest())


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:])), indent=2))
