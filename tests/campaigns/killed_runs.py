"""SIGKILL of ``facesim run`` at random moments, then ``--resume auto``: nothing differs."""

import os
import signal
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from random import Random

from facesim.discovery import load_installed_plugins
from facesim.plugin_info import describe_kind
from facesim.runs.directory import RunFile
from tests.campaigns.aimed import Watch, kill_at
from tests.campaigns.campaign import Campaign, Fault, Finding, faults_of
from tests.campaigns.command import Ended, run_facesim
from tests.campaigns.tiny_experiments import NAMES
from tests.campaigns.undisturbed import (
    OUT,
    Undisturbed,
    age_leftovers,
    copy_cache,
    differences,
    leftovers,
    only_run,
    run_command,
    undisturbed,
)

_SHARED_MEMORY = Path("/dev/shm")
_OURS = ("torch_", "sem.mp-", "psm_")
"""How torch and Python begin the names of what they share; databases share memory, too."""


class KilledRuns(Campaign):
    """Kill a run one to four times in a row, at moments drawn uniformly or aimed; then resume it.

    Attributes:
        kills: delivered so far, by this process.
    """

    sample = 3
    long = 450

    def __init__(self) -> None:
        self.kills = 0

    def prepare(self, folder: Path) -> None:
        """Import once what every command imports."""
        self._prepared = folder
        import_what_runs_need()

    def attack(self, number: int, random: Random, folder: Path) -> Iterator[Finding]:
        """Kill, resume, compare."""
        name, workers = random.choice(NAMES), random.choice((0, 2))
        expected = undisturbed(self._prepared, name, workers)
        warm = random.random() < 0.5
        copy_cache(expected, folder / "cache", warm=warm)
        shared = set(_SHARED_MEMORY.iterdir())
        command = run_command(expected.file)
        for share in random.choice(((1.0,), (1.0, 0.7), (1.0, 0.7, 0.7), (0.8, 0.6, 0.6, 0.6))):
            ended = self._killed(expected, random, folder, command, warm=warm, share=share)
            yield from faults_of(ended, (0, -signal.SIGKILL))
            self.kills += ended.status == -signal.SIGKILL
            age_leftovers(folder)
            command = run_command(expected.file, "--resume", "auto")
            if is_complete(folder):
                break
        if not is_complete(folder):
            ended = run_facesim(*command, folder=folder, prepare=partial(use_cache, folder))
            yield from faults_of(ended, (0,))
        runs = list((folder / OUT / "tiny").glob("[!.]*"))
        if len(runs) != 1:
            yield Finding(Fault.LOST, f"{len(runs)} run directories instead of one")
            return
        yield from differences(expected.path, only_run(folder))
        yield from leftovers(folder)
        for entry in set(_SHARED_MEMORY.iterdir()) - shared:
            if entry.name.startswith(_OURS) and not _is_of_a_living_process(entry):
                yield Finding(Fault.LEFT, str(entry))

    def _killed(
        self,
        expected: Undisturbed,
        random: Random,
        folder: Path,
        command: tuple[str, ...],
        *,
        warm: bool,
        share: float,
    ) -> Ended:
        """Run a command, killed within a share of its undisturbed duration."""
        events = expected.events[warm]
        kind = random.choice((None, *events))
        if kind is None:
            after = random.uniform(0.0, share * expected.seconds[warm])
            prepare = partial(use_cache, folder)
            return run_facesim(*command, folder=folder, prepare=prepare, kill_after=after)
        at = random.randint(1, max(1, round(share * events[kind])))
        return run_facesim(*command, folder=folder, prepare=partial(_aim, folder, kind, at))


def import_what_runs_need() -> None:
    """Import plugins and packages in this process, so that the forked ones need not."""
    for package in ("plotly.graph_objects", "pytorch_metric_learning", "torch.utils.tensorboard"):
        import_module(package)
    load_installed_plugins()
    describe_kind("losses")


def use_cache(folder: Path) -> None:
    """Let facesim use the attack's own cache."""
    os.environ["FACESIM_CACHE"] = str(folder / "cache")


def is_complete(folder: Path) -> bool:
    """Whether there is nothing left to resume."""
    return any((folder / OUT).glob(f"*/[!.]*/{RunFile.REPORT}"))


def _aim(folder: Path, kind: Watch, number: int) -> None:
    use_cache(folder)
    kill_at(kind, number)


def _is_of_a_living_process(entry: Path) -> bool:
    """Torch names shared memory ``torch_PID_...``."""
    numbers = [part for part in entry.name.split("_") if part.isdigit()]
    return any(Path("/proc", number).exists() for number in numbers)
