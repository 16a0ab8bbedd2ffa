"""SIGKILL of ``facesim run`` at random moments, then ``--resume auto``: nothing differs."""

import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

from tests.campaigns.aimed import Watch, kill_at
from tests.campaigns.campaign import Campaign, Fault, Finding, faults_of
from tests.campaigns.command import Ended, run_facesim
from tests.campaigns.tiny_experiments import NAMES
from tests.campaigns.undisturbed import (
    Undisturbed,
    age_leftovers,
    compare,
    copy_cache,
    is_complete,
    run_command,
    undisturbed,
    use_cache,
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
        yield from compare(expected, folder)
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


def _aim(folder: Path, kind: Watch, number: int) -> None:
    use_cache(folder)
    kill_at(kind, number)


def _is_of_a_living_process(entry: Path) -> bool:
    """Torch names shared memory ``torch_PID_...``."""
    numbers = [part for part in entry.name.split("_") if part.isdigit()]
    return any(Path("/proc", number).exists() for number in numbers)
