"""SIGKILL of enrolments and removals: nothing that was enrolled is lost, nothing is torn."""

import json
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from random import Random

from tests.campaigns.aimed import Watch, count_events, kill_at
from tests.campaigns.campaign import Campaign, Fault, Finding, faults_of
from tests.campaigns.command import run_facesim

try:
    import_module("onnxruntime")  # here, and not in each of the processes

    from facesim.verifier.gallery import Gallery, open_gallery
    from tests.facesim.verifier.tiny_packs import write_faces, write_pack

    MISSING = ""
except ImportError as missing:
    MISSING = f"{missing.name} is not installed"

BEFORE, PEOPLE = 3, 20
REMOVED = ("p1", "p5", "p7")

Content = dict[str, tuple[tuple[float, ...], int]]


@dataclass(frozen=True)
class Command:
    """A command that changes a gallery.

    Attributes:
        words: of the command line.
        before: the content of the gallery that it meets.
        after: what it leaves.
        events: how many of each kind it has.
    """

    words: tuple[str, ...]
    before: Content
    after: Content
    events: dict[Watch, int]


class KilledEnrolments(Campaign):
    """Kill a command up to three times, look at the gallery each time, then let it end.

    Attributes:
        kills: delivered so far, by this process.
    """

    sample = 20
    long = 400

    def __init__(self) -> None:
        self.kills = 0

    def unavailable(self) -> str:
        """Why it cannot run on this machine."""
        return MISSING

    def prepare(self, folder: Path) -> None:
        """Run each command undisturbed."""
        self._prepared = folder
        write_pack(folder / "pack")
        write_faces(folder / "people", identities=PEOPLE, images=2)
        for person in range(BEFORE):
            shutil.copytree(folder / "people" / f"p{person}", folder / "few" / f"p{person}")
            (folder / "few" / f"p{person}" / "1.png").unlink()  # so that its template is another
        self._commands = [
            self._undisturbed("few", "enroll", "pack", "gallery", "people"),
            self._undisturbed("few", "enroll", "pack", "gallery", "people", "--replace"),
            self._undisturbed("people", "gallery", "remove", "gallery", *REMOVED),
        ]

    def attack(self, number: int, random: Random, folder: Path) -> Iterator[Finding]:
        """Kill, look, and let it end."""
        command = self._commands[number % len(self._commands)]
        self._begin(folder, command)
        seen = command.before
        for _ in range(random.choice((1, 1, 2, 3))):
            kind = random.choice(sorted(command.events))
            at = random.randint(1, command.events[kind])
            ended = run_facesim(*command.words, folder=folder, prepare=partial(_aim, kind, at))
            yield from faults_of(ended, (0, -signal.SIGKILL))
            self.kills += ended.status == -signal.SIGKILL
            found = content_of(open_gallery(folder / "gallery"))
            yield from _judge(command, seen, found)
            seen = found
            if seen == command.after:
                break
        if seen != command.after:
            ended = run_facesim(*command.words, folder=folder, prepare=_commit_often)
            yield from faults_of(ended, (0,))
        found = content_of(open_gallery(folder / "gallery"))
        if found != command.after:
            yield Finding(Fault.DIFFERENT, f"{command.words}: {sorted(found)}")
        left = [path.name for path in (folder / "gallery").iterdir() if path.suffix == ".tmp"]
        if left and seen != command.after:
            yield Finding(Fault.LEFT, str(left))

    def _undisturbed(self, enrolled: str, *words: str) -> Command:
        folder = self._prepared / f"undisturbed-{'-'.join(words[:2])}-{len(words)}"
        folder.mkdir()
        empty = Command(words, {}, {}, {})
        self._begin(folder, empty)
        ended = run_facesim("enroll", "pack", "gallery", enrolled, folder=folder)
        assert ended.status == 0, ended.output
        shutil.copytree(folder / "gallery", self._prepared / f"gallery-{' '.join(words)}")
        before = content_of(open_gallery(folder / "gallery"))
        counts = folder / "counts.json"
        ended = run_facesim(*words, folder=folder, prepare=partial(_count, counts))
        assert ended.status == 0, ended.output
        events = {Watch(kind): number for kind, number in json.loads(counts.read_text()).items()}
        return Command(words, before, content_of(open_gallery(folder / "gallery")), events)

    def _begin(self, folder: Path, command: Command) -> None:
        for name in ("pack", "people", "few"):
            (folder / name).symlink_to(self._prepared / name)
        if command.before:
            before = self._prepared / f"gallery-{' '.join(command.words)}"
            shutil.copytree(before, folder / "gallery")


def content_of(gallery: "Gallery") -> Content:
    """Templates and numbers of images, by name."""
    rows = [tuple(row.tolist()) for part in gallery.parts for row in part.templates]
    images = gallery.images.tolist()
    return {name: (rows[at], images[at]) for at, name in enumerate(gallery.names)}


def _judge(command: Command, before: Content, found: Content) -> Iterator[Finding]:
    """Each identity is as it was before the command, or as it is after it."""
    for name in command.before.keys() | command.after.keys():
        allowed = [each.get(name) for each in (before, command.after)]
        if found.get(name) not in allowed:
            fault = Fault.LOST if name not in found else Fault.DIFFERENT
            yield Finding(fault, f"{command.words}: {name}: {found.get(name)}")
    if command.words[0] == "gallery" and found not in (before, command.after):
        yield Finding(Fault.DIFFERENT, f"a part was removed: {sorted(found)}")


def _commit_often() -> None:
    import facesim.verifier.enrolment

    facesim.verifier.enrolment._SECONDS_BETWEEN_COMMITS = 0.0


def _aim(kind: Watch, at: int) -> None:
    _commit_often()
    kill_at(kind, at)


def _count(counts: Path) -> None:
    _commit_often()
    count_events(counts)
