"""Death of a process that decodes images, in every phase of a run; then ``--resume auto``."""

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from threading import Timer
from typing import Any

from facesim.data import loader
from tests.campaigns.campaign import Campaign, Fault, Finding, faults_of
from tests.campaigns.command import run_facesim
from tests.campaigns.tiny_experiments import NAMES
from tests.campaigns.undisturbed import (
    age_leftovers,
    compare,
    copy_cache,
    run_command,
    undisturbed,
    use_cache,
)

_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGBUS, signal.SIGSEGV, signal.SIGTERM)


class KilledWorkers(Campaign):
    """One worker of one of a run's loaders dies up to a tenth of a second after its start."""

    sample = 2
    long = 300

    def attack(self, number: int, random: Random, folder: Path) -> Iterator[Finding]:
        """Kill a worker, resume, compare."""
        name = "augmented" if number < self.sample else random.choice(NAMES)
        expected = undisturbed(self._prepared, name, 2)
        copy_cache(expected, folder / "cache", warm=random.random() < 0.3)
        doom = partial(
            _doom, random.randint(1, 10), random.choice((0.0, 0.1)) * random.random(), random
        )

        def prepare() -> None:
            use_cache(folder)
            doom()

        ended = run_facesim(*run_command(expected.file), folder=folder, prepare=prepare)
        yield from faults_of(ended, (0, 2))
        if ended.status == 2 and "a process that decodes images " not in ended.output:
            yield Finding(Fault.MESSAGE, ended.output[-1000:])
        if ended.seconds > 30:
            yield Finding(Fault.HANG, f"{ended.seconds:.0f} s")
        age_leftovers(folder)
        if ended.status:
            again = run_command(expected.file, "--resume", "auto")
            ended = run_facesim(*again, folder=folder, prepare=partial(use_cache, folder))
            yield from faults_of(ended, (0,))
        yield from compare(expected, folder)


def _doom(number: int, delay: float, random: Random) -> None:
    """Let a worker of the loader with this number, from 1, die some time after its start."""
    started, begin = loader._started, loader._begin_worker
    loaders, end = 0, random.choice(_SIGNALS)

    def counted(made: Any) -> Iterator[Any]:
        nonlocal loaders
        loaders += 1
        return started(made)

    def begin_doomed(worker: int) -> None:
        begin(worker)
        if loaders == number and worker == 0:
            timer = Timer(delay, os.kill, (os.getpid(), end))
            timer.daemon = True
            timer.start()

    loader.__dict__.update(_started=counted, _begin_worker=begin_doomed)
