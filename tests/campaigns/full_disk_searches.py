"""A disk that fills during ``facesim optimize``: exit code 2, one line; then as if it had not."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from random import Random

from tests.campaigns.campaign import Campaign, Fault, Finding, faults_of
from tests.campaigns.command import run_facesim
from tests.campaigns.killed_searches import act_beside
from tests.campaigns.tiny_searches import (
    finish_and_compare,
    search_command,
    share_forkserver,
    start_forkserver,
    undisturbed_search,
    workers_left,
)

_FILLER = "filler"


class FullDiskSearches(Campaign):
    """Fill the disk of a study at a random moment, free it, and start the search once more.

    The journal and a SQLite database beside it take turns, and so do one worker and two.
    """

    sample = 1
    long = 60

    def unavailable(self) -> str:
        """A disk of its own is mounted."""
        return "" if os.geteuid() == 0 else "needs root, to mount a disk"

    def prepare(self, folder: Path) -> None:
        """Start the helper before this process has further threads."""
        start_forkserver()
        super().prepare(folder)

    def attack(self, number: int, random: Random, folder: Path) -> Iterator[Finding]:
        """Fill, free, start again, compare."""
        expected = undisturbed_search(self._prepared)
        with _disk(folder / "disk", megabytes=32) as disk:
            storage = f"sqlite:///{disk}/study.db" if number % 2 else None
            command = search_command(expected.file, 1 + number // 2 % 2, storage)
            after = random.uniform(0.0, expected.seconds)
            ended = run_facesim(*command, folder=disk, prepare=partial(_aim, disk, after))
            yield from faults_of(ended, (0, 2))
            yield from workers_left(disk)
            lines = [line for line in ended.output.splitlines() if "No space left" in line]
            lines += [line for line in ended.output.splitlines() if "disk is full" in line]
            if ended.status == 2 and len(lines) != 1:
                yield Finding(Fault.MESSAGE, f"{len(lines)} lines on it: {ended.output[-2000:]}")
            (disk / _FILLER).unlink(missing_ok=True)
            yield from finish_and_compare(expected, command, disk, storage)


@contextmanager
def _disk(folder: Path, megabytes: int) -> Iterator[Path]:
    folder.mkdir()
    options = ("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs")
    subprocess.run(["mount", *options, str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _aim(disk: Path, after: float) -> None:
    """Let a process beside the command fill the disk, and keep it full for as long as it runs."""
    share_forkserver()
    command = os.getpid()

    def fill() -> None:
        with (disk / _FILLER).open("wb", buffering=0) as file:
            while os.getppid() == command:
                for size in (1 << 16, 1 << 12, 1):
                    with suppress(OSError):
                        while True:
                            file.write(bytes(size))
                time.sleep(0.005)

    act_beside(fill, after)
