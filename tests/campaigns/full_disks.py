"""The disk fills at a random moment of ``facesim run``; then there is space, and it is resumed."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random

from tests.campaigns.campaign import Campaign, Fault, Finding, faults_of
from tests.campaigns.command import run_facesim
from tests.campaigns.tiny_experiments import NAMES
from tests.campaigns.undisturbed import (
    age_leftovers,
    compare,
    copy_cache,
    is_complete,
    run_command,
    undisturbed,
    use_cache,
)

_DISK = 64 * 2**20
_PAGE = 4096


class FullDisks(Campaign):
    """A run on a small disk of its own that is full after a random number of bytes.

    Attributes:
        filled: how many commands met a full disk so far, in this process.
    """

    sample = 2
    long = 200

    def __init__(self) -> None:
        self.filled = 0

    def unavailable(self) -> str:
        """Mounting needs root."""
        with tempfile.TemporaryDirectory() as name:
            try:
                with _disk(Path(name)):
                    return ""
            except (OSError, subprocess.CalledProcessError):
                return "a tmpfs cannot be mounted here; it needs root"

    def attack(self, number: int, random: Random, folder: Path) -> Iterator[Finding]:
        """Fill the disk, once or twice; free it, resume, compare."""
        expected = undisturbed(self._prepared, random.choice(NAMES), random.choice((0, 2)))
        warm = random.random() < 0.5
        needed = _bytes_in(expected.path) + (0 if warm else _bytes_in(expected.cache))
        with _disk(folder):
            copy_cache(expected, folder / "cache", warm=warm)
            command = run_command(expected.file)
            for _ in range(random.choice((1, 1, 2))):
                if is_complete(folder):
                    break
                _fill(folder, room=random.randrange(needed))
                ended = run_facesim(*command, folder=folder, prepare=partial(use_cache, folder))
                yield from faults_of(ended, (0, 2))
                if ended.status == 2:
                    self.filled += 1
                    if "space" not in ended.output and "full" not in ended.output:
                        yield Finding(Fault.MESSAGE, f"no word of space: {ended.output[-500:]}")
                age_leftovers(folder)
                command = run_command(expected.file, "--resume", "auto")
            (folder / "ballast").unlink(missing_ok=True)
            if not is_complete(folder):
                ended = run_facesim(*command, folder=folder, prepare=partial(use_cache, folder))
                yield from faults_of(ended, (0,))
            yield from compare(expected, folder)


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """A file system of its own in a folder, which must be empty."""
    options = ["-t", "tmpfs", "-o", f"size={_DISK}", "facesim-campaign"]
    subprocess.run(["mount", *options, folder], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _fill(disk: Path, room: int) -> None:
    """Leave this many bytes free."""
    with (disk / "ballast").open("ab") as ballast:
        before = os.fstat(ballast.fileno()).st_size
        size = before + os.statvfs(disk).f_bavail * _PAGE - room
        if size < before:
            os.ftruncate(ballast.fileno(), max(size, 0))
        elif size > before:
            os.posix_fallocate(ballast.fileno(), before, size - before)


def _bytes_in(folder: Path) -> int:
    """What the files of a folder take, in whole pages."""
    sizes = (path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return sum(-(-size // _PAGE) * _PAGE for size in sizes)
