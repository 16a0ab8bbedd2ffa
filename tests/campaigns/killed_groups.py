"""A run on two processes of which one is killed, resumed on one and on four: one result."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

from tests.campaigns.campaign import Campaign, Finding, faults_of
from tests.campaigns.command import run_group
from tests.campaigns.undisturbed import (
    age_leftovers,
    compare,
    copy_cache,
    is_complete,
    run_command,
    undisturbed,
    use_cache,
)

SHARDS = 4
EXPERIMENTS = ("augmented", "exhaustive", "curriculum", "hard", "miner", "cached_flips")
"""Contrastive, supervised contrastive, arcface, learned with a sampler that mines, one of
pytorch-metric-learning with its miner, cosface; two with a trunk cache, one with BatchNorm."""


class KilledGroups(Campaign):
    """SIGKILL at a random moment to one of two processes; what is left goes on twice."""

    sample = 1
    long = 10 * len(EXPERIMENTS)

    def attack(self, number: int, random: Random, folder: Path) -> Iterator[Finding]:
        """Run, kill, resume two copies, compare each with the same run on one process."""
        name = EXPERIMENTS[number % len(EXPERIMENTS)]
        expected = undisturbed(self._prepared, name, 0, SHARDS)
        command = run_command(expected.file)
        last, killed = 1.5 + 3.0 * expected.seconds[0], folder / "0"
        while not killed.exists() or is_complete(killed):  # before the moment came
            last, killed = random.uniform(1.0, last), folder / f"{last}"
            killed.mkdir()
            copy_cache(expected, killed / "cache", warm=random.random() < 0.5)
            kill = partial(_kill, random.randrange(2), last)
            prepare = partial(_use, killed)
            group = run_group(2, *command, folder=killed, prepare=prepare, meanwhile=kill)
            for ended in group:
                yield from faults_of(ended, (0, 2, -signal.SIGKILL))
        age_leftovers(killed)
        for size in (1, 4):
            within = folder / f"resumed-{size}"
            # Checkpoints are names of one file, and image files are known by their times.
            subprocess.run(["cp", "-a", str(killed), str(within)], check=True)
            again = (*command, "--resume", "auto")
            for ended in run_group(size, *again, folder=within, prepare=partial(_use, within)):
                yield from faults_of(ended, (0,))
            for found in compare(expected, within):
                yield Finding(found.fault, f"resumed with {size}: {found.detail}")


def _use(folder: Path, _rank: int) -> None:
    use_cache(folder)


def _kill(rank: int, after: float, pids: list[int]) -> None:
    time.sleep(after)
    os.kill(pids[rank], signal.SIGKILL)
