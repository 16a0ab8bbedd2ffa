"""SIGKILL of ``facesim optimize``, of its workers or of both, then the same command: as without."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random

from tests.campaigns.campaign import Campaign, Finding, faults_of
from tests.campaigns.command import run_facesim
from tests.campaigns.tiny_searches import (
    STORAGES,
    finish_and_compare,
    is_complete,
    search_command,
    share_forkserver,
    start_forkserver,
    start_server,
    undisturbed_search,
    workers_in,
    workers_left,
)


class KilledSearches(Campaign):
    """Kill a search one to three times in a row, at random moments; then start it once more.

    The storages take turns, and so do one worker and two.
    """

    sample = 2
    long = 150

    def __init__(self) -> None:
        self.kills = 0

    def prepare(self, folder: Path) -> None:
        """Start the helpers before this process has further threads."""
        start_forkserver()
        self._server = start_server()
        super().prepare(folder)

    def attack(self, number: int, random: Random, folder: Path) -> Iterator[Finding]:
        """Kill, start again, compare."""
        expected = undisturbed_search(self._prepared)
        storage = self._storage(number, folder)
        command = search_command(expected.file, 1 + number // len(STORAGES) % 2, storage)
        for _ in range(random.randint(1, 3)):
            victims = random.choice(("command", "worker", "all"))
            after = random.uniform(0.0, expected.seconds)
            ended = run_facesim(
                *command, folder=folder, prepare=partial(_aim, folder, victims, after)
            )
            yield from faults_of(ended, (0, -signal.SIGKILL))
            yield from workers_left(folder)
            self.kills += ended.status == -signal.SIGKILL or victims == "worker"
            if is_complete(folder):
                break
        yield from finish_and_compare(expected, command, folder, storage)

    def _storage(self, number: int, folder: Path) -> str | None:
        kind = STORAGES[number % len(STORAGES)]
        if kind == "postgres" and self._server is not None:
            self._server.create(f"attack_{number}")
            return self._server.url(f"attack_{number}")
        return f"sqlite:///{folder}/study.db" if kind == "sqlite" else None


def _aim(folder: Path, victims: str, after: float) -> None:
    """Let a process beside the command kill it, a worker of it, or all of them."""
    share_forkserver()
    command = os.getpid()

    def kill() -> None:
        if victims != "worker":
            os.kill(command, signal.SIGKILL)
        workers = workers_in(folder)
        for pid in workers[:1] if victims == "worker" else workers if victims == "all" else ():
            os.kill(pid, signal.SIGKILL)

    act_beside(kill, after)


def act_beside(act: Callable[[], None], after: float) -> None:
    """Fork a process that acts after some seconds, if this one still runs then."""
    command = os.getpid()
    if os.fork():
        return
    until = time.monotonic() + after
    while time.monotonic() < until and os.getppid() == command:
        time.sleep(0.005)
    if os.getppid() == command:
        act()
    os._exit(0)
