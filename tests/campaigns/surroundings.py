"""``facesim run`` where the machine refuses something, then ``--resume auto`` where it does not.

Closed and full streams, limits of the shell, file systems without locks or flushing, disks that
break, caches and runs of other users. Whatever is refused: a line or nothing is
said, and in the end the run is that of an undisturbed one.
"""

import errno
import fcntl
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import NoReturn

from tests.campaigns.aimed import Watch, watch
from tests.campaigns.campaign import Campaign, Fault, Finding, faults_of
from tests.campaigns.command import Ended, run_facesim
from tests.campaigns.other_users import GROUP, READER, SHARER, become, give_to
from tests.campaigns.tiny_experiments import NAMES
from tests.campaigns.undisturbed import (
    OUT,
    Undisturbed,
    age_leftovers,
    compare,
    copy_cache,
    is_complete,
    run_command,
    undisturbed,
    use_cache,
)

_CACHE_PARTS = ("trunk", "image-digests-1.sqlite", "thumbnails-1.npz", "copies")
"""What a cache may lack besides the drawn faces."""

Refusal = Callable[[], object]
"""Called in the command's process before it starts."""


class Surroundings(Campaign):
    """Each kind in turn, on experiments and moments drawn at random."""

    sample = 6
    long = 390

    def attack(self, number: int, random: Random, folder: Path) -> Iterator[Finding]:
        """Refuse, resume, compare."""
        kind = KINDS[number % len(KINDS)]
        if os.geteuid() and kind in NEED_ROOT:
            return
        first_round = number < len(KINDS)  # of one experiment, which is run undisturbed once
        name, workers = ("cached", 2) if first_round else (random.choice(NAMES), _workers(random))
        expected = undisturbed(self._prepared, name, workers)
        copy_cache(expected, folder / "cache", warm=random.random() < 0.5)
        yield from _said(kind(expected, random, folder), is_cut=kind is small_files)
        yield from compare(expected, folder)


def _workers(random: Random) -> int:
    return random.choice((0, 2))


def _said(found: Iterator[Finding | Ended], *, is_cut: bool) -> Iterator[Finding]:
    """What is wrong with how commands ended: they may succeed, or end with 2 and a line.

    Args:
        found: findings, and how commands ended.
        is_cut: whether the output is a file that is limited as well.
    """
    for each in found:
        if isinstance(each, Finding):
            yield each
        elif each.status == -signal.SIGKILL and not each.hung:
            continue
        else:
            yield from faults_of(each, (0, 2))
            if "Exception ignored" in each.output:
                yield Finding(Fault.TRACEBACK, each.output[-2000:])
            elif each.status == 2 and not is_cut and ";" not in each.output.splitlines()[-1]:
                yield Finding(Fault.MESSAGE, f"says not what to do: {each.output[-500:]}")


def _refused_then_resumed(
    expected: Undisturbed,
    folder: Path,
    refusal: Refusal,
    *,
    user: int = 0,
    must_succeed: bool = False,
) -> Iterator[Finding | Ended]:
    def surround() -> None:
        use_cache(folder)
        if user:
            become(user)

    def refuse() -> None:
        surround()
        refusal()

    ended = run_facesim(*run_command(expected.file), folder=folder, prepare=refuse)
    yield ended
    if must_succeed and ended.status:
        yield Finding(Fault.MESSAGE, f"exit {ended.status}: {ended.output[-1000:]}")
    age_leftovers(folder)
    again = run_command(expected.file, "--resume", "auto")
    if not is_complete(folder):
        ended = run_facesim(*again, folder=folder, prepare=surround)
        yield from faults_of(ended, (0,))


def closed_pipe(expected: Undisturbed, random: Random, folder: Path) -> Iterator[Finding | Ended]:
    """Nobody reads standard output: ``| head``."""

    def refuse() -> None:
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 1)
        _reopen_stdout()

    return _refused_then_resumed(expected, folder, refuse, must_succeed=True)


def _reopen_stdout() -> None:
    """As Python opens it when it begins; what it may do depends on what it leads to."""
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def full_output(expected: Undisturbed, random: Random, folder: Path) -> Iterator[Finding | Ended]:
    """There is no room for what is printed."""
    streams = random.choice(((1,), (2,), (1, 2)))

    def refuse() -> None:
        for stream in streams:
            os.dup2(os.open("/dev/full", os.O_WRONLY), stream)
        _reopen_stdout()

    return _refused_then_resumed(expected, folder, refuse, must_succeed=True)


def closed_streams(
    expected: Undisturbed, random: Random, folder: Path
) -> Iterator[Finding | Ended]:
    """Standard streams that are closed: ``<&- >&-``."""
    streams = random.choice(((0,), (1,), (0, 1), (0, 1, 2)))

    def refuse() -> None:
        for stream in streams:
            os.close(stream)
            setattr(sys, ("stdin", "stdout", "stderr")[stream], None)  # as Python begins

    return _refused_then_resumed(expected, folder, refuse, must_succeed=True)


def few_files(expected: Undisturbed, random: Random, folder: Path) -> Iterator[Finding | Ended]:
    """``ulimit -n``."""
    most = random.randint(8, 64)
    refuse = partial(resource.setrlimit, resource.RLIMIT_NOFILE, (most, most))
    return _refused_then_resumed(expected, folder, refuse)


def small_files(expected: Undisturbed, random: Random, folder: Path) -> Iterator[Finding | Ended]:
    """``ulimit -f``."""
    most = round(2 ** random.uniform(8, 23))
    refuse = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (most, most))
    return _refused_then_resumed(expected, folder, refuse)


def little_memory(expected: Undisturbed, random: Random, folder: Path) -> Iterator[Finding | Ended]:
    """``ulimit -v``, from hardly more than what importing has taken."""
    more = round(2 ** random.uniform(18, 29))

    def refuse() -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + more
        resource.setrlimit(resource.RLIMIT_AS, (most, most))

    return _refused_then_resumed(expected, folder, refuse)


def few_processes(expected: Undisturbed, random: Random, folder: Path) -> Iterator[Finding | Ended]:
    """``ulimit -u``; root has no such limit."""
    give_to(READER, folder)
    most = random.randint(1, 12)
    refuse = partial(resource.setrlimit, resource.RLIMIT_NPROC, (most, most))
    return _refused_then_resumed(expected, folder, refuse, user=READER)


def no_locks(expected: Undisturbed, random: Random, folder: Path) -> Iterator[Finding | Ended]:
    """A file system without ``flock``."""
    number = random.choice((errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL))
    refuse = partial(setattr, fcntl, "flock", partial(_fail, number))
    return _refused_then_resumed(expected, folder, refuse, must_succeed=True)


def no_flushing(expected: Undisturbed, random: Random, folder: Path) -> Iterator[Finding | Ended]:
    """A file system without ``fsync``."""
    number = random.choice((errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL))
    refuse = partial(setattr, os, "fsync", partial(_fail, number))
    return _refused_then_resumed(expected, folder, refuse, must_succeed=True)


def broken_disk(expected: Undisturbed, random: Random, folder: Path) -> Iterator[Finding | Ended]:
    """From a moment on no file can be made, renamed, flushed or removed."""
    kind = random.choice((Watch.FILES, Watch.FLUSH))
    moment = random.randint(1, max(1, expected.events[0][kind]))
    numbers = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES)
    number = random.choice(numbers)
    seen = 0

    def event(found: Watch) -> None:
        nonlocal seen
        seen += found == kind
        if seen >= moment and found in (Watch.FILES, Watch.FLUSH):
            _fail(number)

    return _refused_then_resumed(expected, folder, partial(watch, event))


def cache_of_another(
    expected: Undisturbed, random: Random, folder: Path
) -> Iterator[Finding | Ended]:
    """A cache that may be read only, and that lacks some parts or none."""
    _replace_cache(expected, random, folder)
    give_to(READER, folder)
    give_to(0, folder / "cache")
    return _refused_then_resumed(expected, folder, int, user=READER, must_succeed=True)


def shared_cache(expected: Undisturbed, random: Random, folder: Path) -> Iterator[Finding | Ended]:
    """A cache of a group: one user is killed while using it, another one goes on."""
    cache = folder / "cache"
    shutil.rmtree(cache)
    cache.mkdir()
    os.chown(cache, 0, GROUP)
    cache.chmod(0o2775)
    other = folder / "other"
    other.mkdir()
    os.chown(other, SHARER, GROUP)
    os.chown(folder, READER, GROUP)

    def share() -> None:
        use_cache(folder)
        become(SHARER)

    after = random.uniform(0.2, 1.5) * expected.seconds[0]
    command = run_command(expected.file)
    yield run_facesim(*command, folder=other, prepare=share, kill_after=after)
    yield from _refused_then_resumed(expected, folder, int, user=READER, must_succeed=True)
    ended = run_facesim("cache", "verify", folder=other, prepare=share)
    if ended.status or "cannot" in ended.output:
        yield Finding(Fault.MESSAGE, ended.output[-1000:])
    shutil.rmtree(other)


def run_of_another(
    expected: Undisturbed, random: Random, folder: Path
) -> Iterator[Finding | Ended]:
    """A run that another user finds, and may not touch."""
    give_to(READER, folder)

    def own() -> None:
        use_cache(folder)
        become(READER)

    def foreign() -> None:
        os.environ["FACESIM_CACHE"] = str(expected.cache)
        become(SHARER)

    after = random.uniform(0.3, 1.2) * expected.seconds[0]
    yield run_facesim(*run_command(expected.file), folder=folder, prepare=own, kill_after=after)
    again = run_command(expected.file, "--resume", "auto")
    commands = [again, *(("report", str(run)) for run in (folder / OUT / "tiny").glob("[!.]*"))]
    for command in commands:
        yield run_facesim(*command, folder=folder, prepare=foreign)
    age_leftovers(folder)
    if not is_complete(folder):
        ended = run_facesim(*again, folder=folder, prepare=own)
        yield from faults_of(ended, (0,))


def _replace_cache(expected: Undisturbed, random: Random, folder: Path) -> None:
    cache = folder / "cache"
    shutil.rmtree(cache)
    shutil.copytree(expected.cache, cache)
    for part in random.sample(_CACHE_PARTS, random.randint(0, len(_CACHE_PARTS))):
        path = cache / part
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _fail(number: int, *_: object) -> NoReturn:
    raise OSError(number, os.strerror(number))


NEED_ROOT = (few_processes, cache_of_another, shared_cache, run_of_another)

KINDS = (
    closed_pipe,
    cache_of_another,
    broken_disk,
    shared_cache,
    few_files,
    closed_streams,
    full_output,
    small_files,
    little_memory,
    no_locks,
    no_flushing,
    few_processes,
    run_of_another,
)
"""In turn; the first of them make the short sample."""
