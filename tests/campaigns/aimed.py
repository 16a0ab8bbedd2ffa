"""Events of a command, at one of which it is killed: changes of files, flushes, progress."""

import atexit
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import facesim.reporters
from facesim.console import Console
from facesim.reporters import Advance, Reporter

_CHANGES = {
    "os.chmod",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.truncate",
    "os.utime",
    "shutil.copyfile",
    "sqlite3.connect",
}
"""Audit events of Python of which the first argument is a path that is about to be changed."""


class Watch(StrEnum):
    """Kinds of events."""

    FILES = "files"  # before a file or folder is made, changed, renamed, removed
    FLUSH = "flush"  # before and after a file is flushed to the disk
    PROGRESS = "progress"  # at every line, task and part of a task that is reported


class _Reporter:
    """Passes everything on, after an event."""

    def __init__(self, reporter: Reporter, event: Callable[[], None]) -> None:
        self._reporter = reporter
        self._event = event

    def say(self, text: str) -> None:
        self._event()
        self._reporter.say(text)

    def task(self, title: str, total: int, done: int = 0) -> AbstractContextManager[Advance]:
        return self._task(title, total, done)

    @contextmanager
    def _task(self, title: str, total: int, done: int) -> Iterator[Advance]:
        self._event()
        with self._reporter.task(title, total, done) as advance:

            def count(count: int = 1, note: str = "") -> None:
                self._event()
                advance(count, note)

            yield count


def watch(on_event: Callable[[Watch], None]) -> None:
    """Call a function at the events of this process, not of its children. For a forked one."""
    own = os.getpid()

    def event(kind: Watch) -> None:
        if os.getpid() == own:
            on_event(kind)

    def audit(name: str, arguments: tuple[object, ...]) -> None:
        changes = name in _CHANGES or (name == "open" and _is_for_writing(arguments))
        if changes and isinstance(arguments[0], str | bytes | os.PathLike):
            event(Watch.FILES)

    flush, reporter_for = os.fsync, facesim.reporters.reporter_for

    def fsync(fd: Any) -> None:
        event(Watch.FLUSH)
        flush(fd)
        event(Watch.FLUSH)

    os.fsync = fsync

    def watched(console: Console, *, quiet: bool = False) -> Reporter:
        return _Reporter(reporter_for(console, quiet=quiet), lambda: event(Watch.PROGRESS))

    facesim.reporters.reporter_for = watched
    sys.addaudithook(audit)


def kill_at(kind: Watch, number: int) -> None:
    """SIGKILL this process at the event of a kind with this number, from 1."""
    seen = Counter[Watch]()

    def count(found: Watch) -> None:
        seen[found] += 1
        if found == kind and seen[kind] == number:
            os.kill(os.getpid(), signal.SIGKILL)

    watch(count)


def count_events(counts: Path) -> None:
    """Count the events of this process, and write how many there were of each kind at its end."""
    seen = Counter[Watch]()
    watch(lambda kind: seen.update([kind]))
    atexit.register(lambda: counts.write_text(json.dumps(seen)))


def _is_for_writing(arguments: tuple[object, ...]) -> bool:
    flags = arguments[2] if len(arguments) > 2 else 0
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
