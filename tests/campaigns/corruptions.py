"""A file of a run, of the cache or of a study is damaged; then a command reads it.

Either it exits with 2 and names the file, or what it prints and writes is what it was without the
damage. Never other numbers.
"""

import pickle
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from filelock import FileLock

from facesim.runs.directory import RunFile
from tests.campaigns.aimed import Watch, kill_at
from tests.campaigns.campaign import Campaign, Fault, Finding, faults_of
from tests.campaigns.command import Ended, run_facesim
from tests.campaigns.tiny_experiments import NAMES
from tests.campaigns.undisturbed import (
    Undisturbed,
    copy_cache,
    only_run,
    run_command,
    undisturbed,
    use_cache,
)

Damage = Callable[[Path, Random], None]


def flip_a_bit(path: Path, random: Random) -> None:
    """Of one byte."""
    content = bytearray(path.read_bytes())
    if content:
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    path.write_bytes(content)


def change_a_digit(path: Path, random: Random) -> None:
    """Of a text, so that it stays well formed; a bit of anything else."""
    content = bytearray(path.read_bytes())
    places = [place for place, byte in enumerate(content) if 48 <= byte <= 57]
    if not places or path.suffix in (".pt", ".npz", ".sqlite", ".chunk"):
        flip_a_bit(path, random)
        return
    place = random.choice(places)
    content[place] = random.choice([digit for digit in range(48, 58) if digit != content[place]])
    path.write_bytes(content)


def cut(path: Path, random: Random) -> None:
    """The end is missing."""
    content = path.read_bytes()
    path.write_bytes(content[: random.randrange(max(len(content), 1))])


def zero(path: Path, random: Random) -> None:
    """A block of zeros, as a power cut leaves it."""
    content = bytearray(path.read_bytes())
    begin = random.randrange(max(len(content), 1))
    end = min(len(content), begin + random.choice((1, 64, 4096)))
    content[begin:end] = bytes(end - begin)
    path.write_bytes(content)


def swap(path: Path, random: Random) -> None:
    """Another file of the same kind in its place."""
    others = [each for each in path.parent.iterdir() if each.suffix == path.suffix]
    others = [each for each in others if each.is_file() and each != path]
    if others:
        content = random.choice(sorted(others)).read_bytes()
        path.unlink()
        path.write_bytes(content)
    else:
        flip_a_bit(path, random)


def text(path: Path, random: Random) -> None:
    """Text, or bytes that are none."""
    path.write_bytes(
        random.choice((b"no such thing\n", b"{}\n", b"[1, 2]\n", random.randbytes(99)))
    )


def empty(path: Path, random: Random) -> None:
    """Nothing."""
    del random
    path.write_bytes(b"")


def delete(path: Path, random: Random) -> None:
    """Gone."""
    del random
    path.unlink()


DAMAGES: tuple[Damage, ...] = (flip_a_bit, change_a_digit, cut, zero, swap, text, empty, delete)


@dataclass(frozen=True)
class Reader:
    """A command, and what it reads of an attack's folder.

    Attributes:
        words: of the command line; ``FILE`` is the experiment's.
        reads: what may be damaged: the folders ``finished``, ``unfinished``, ``cache``.
        writes: the files whose bytes are compared.
    """

    words: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...] = ()


_RESULTS = ("*.json", "*.csv")

READERS = {
    "report": Reader(("report", "finished"), ("finished",), ("finished/report.html",)),
    "report, unfinished": Reader(
        ("report", "unfinished"), ("unfinished",), ("unfinished/report.html",)
    ),
    "compare": Reader(("compare", "finished", "other"), ("finished",)),
    "eval": Reader(
        ("eval", "finished"),
        ("finished", "finished", "cache"),
        tuple(f"finished/eval/test/{each}" for each in _RESULTS),
    ),
    "eval --name": Reader(
        ("eval", "finished", "--name=again"),
        ("finished",),
        tuple(f"finished/eval/again/{each}" for each in _RESULTS),
    ),
    "run --resume, finished": Reader(
        ("run", "FILE", "--resume", "finished"), ("finished",), ("finished/checkpoints/*.pt",)
    ),
    "run --resume": Reader(
        ("run", "FILE", "--resume", "unfinished"),
        ("unfinished", "unfinished", "cache"),
        (
            "unfinished/checkpoints/*.pt",
            "unfinished/calibration.json",
            "unfinished/lint.json",
            "unfinished/metrics.jsonl",
            "unfinished/pairs/*",
            *(f"unfinished/eval/test/{each}" for each in _RESULTS),
        ),
    ),
    "cache verify": Reader(("cache", "verify"), ("cache",)),
}


@dataclass(frozen=True)
class Outcome:
    """What a command made.

    Attributes:
        lines: that it printed, without the numbers that are times.
        written: the files that it wrote, by their paths.
    """

    lines: frozenset[str]
    written: dict[str, bytes]

    def without(self, *names: str) -> "Outcome":
        """The same without the files of these names, and those in folders of these names."""
        written = {
            path: content
            for path, content in self.written.items()
            if not set(names) & set(Path(path).parts)
        }
        return Outcome(self.lines, written)


class Corruptions(Campaign):
    """Damage one file, read it by a command that would use it, and compare."""

    sample = 8
    long = 2000

    def attack(self, number: int, random: Random, folder: Path) -> Iterator[Finding]:
        """Damage, read, compare."""
        # Forty after the other share an experiment: what it is compared with is made once.
        expected = undisturbed(self._prepared, NAMES[number // 40 % len(NAMES)], 0)
        name = random.choice(sorted(READERS))
        known = self._known(expected, name)
        self._copy(expected, folder)
        path = random.choice(_damageable(folder / random.choice(READERS[name].reads)))
        damage, before = random.choice(DAMAGES), path.read_bytes()
        damage(path, random)
        damaged = path.read_bytes() if path.is_file() else None
        if damaged == before:
            return
        ended = _read(READERS[name], expected, folder)
        what = f"{damage.__name__} of {path.relative_to(folder)}, {name}: "
        for finding in faults_of(ended, (0, 2)):
            yield Finding(finding.fault, what + finding.detail)
        if ended.status == 2:
            named = path.name, "facesim-manifest.json"
            if not any(each in ended.output.replace("\n", "") for each in named):
                yield Finding(Fault.MESSAGE, f"{what}the file is not named: {ended.output[-800:]}")
        elif ended.status == 0:
            outcome = _outcome(READERS[name], ended, folder)
            if damaged is not None and path.is_file() and path.read_bytes() == damaged:
                outcome.written.pop(path.relative_to(folder).as_posix(), None)  # not written
            if "bytes shorter" in ended.output:  # said; checkpoints hold the length of the log
                lost = ("metrics.jsonl", "checkpoints", RunFile.REPORT)
                known, outcome = known.without(*lost), outcome.without(*lost)
            if name.startswith("run --resume") and path.name == "last.pt":
                # Another checkpoint of the run in its place, or none, is the remedy: where it
                # resumes is said, epochs are trained again, and the results are the same.
                again = {line for line in outcome.lines if line.startswith("epoch ")}
                outcome = Outcome(outcome.lines - again, outcome.written)
                elsewhere = {line for line in known.lines if line.startswith("resuming at ")}
                known = Outcome(known.lines - elsewhere, known.written)
            compare = _other_numbers if damage is delete else _other_lines_and_files
            for difference in compare(known, outcome):
                # A chunk that is another, or lost, is as whole as before; its images are computed.
                is_said = path.name in ended.output or damage in (swap, delete)
                if name != "cache verify" or not is_said:
                    yield Finding(Fault.SILENT, what + difference)

    def _known(self, expected: Undisturbed, name: str) -> Outcome:
        """What a command makes without damage; found once."""
        folder = self._prepared / f"known-{expected.file.stem}-{READERS[name].words[0]}-{name[-8:]}"
        record = folder / "outcome.pickle"
        with FileLock(f"{folder}.lock"):
            if not record.exists():
                folder.mkdir()
                self._copy(expected, folder)
                ended = _read(READERS[name], expected, folder)
                assert ended.status == 0, ended.output
                record.write_bytes(pickle.dumps(_outcome(READERS[name], ended, folder)))
        found = pickle.loads(record.read_bytes())
        assert isinstance(found, Outcome)
        return found

    def _copy(self, expected: Undisturbed, folder: Path) -> None:
        """Copy a finished run, another one, an unfinished one, and the cache."""
        interrupted = self._prepared / f"interrupted-{expected.file.stem}"
        with FileLock(f"{interrupted}.lock"):
            events = expected.events[True][Watch.PROGRESS]
            for share in () if interrupted.exists() else (0.5, 0.6, 0.7, 0.8, 0.9):
                shutil.rmtree(interrupted, ignore_errors=True)
                interrupted.mkdir()
                copy_cache(expected, interrupted / "cache", warm=True)
                aim = partial(_aim, interrupted, round(share * events))
                run_facesim(*run_command(expected.file), folder=interrupted, prepare=aim)
                if any(interrupted.rglob("last.pt")):
                    break
        copy_cache(expected, folder / "cache", warm=True)
        shutil.copytree(expected.path, folder / "finished")
        shutil.copytree(expected.path, folder / "other")
        shutil.copytree(only_run(interrupted), folder / "unfinished")


def _aim(folder: Path, number: int) -> None:
    use_cache(folder)
    kill_at(Watch.PROGRESS, number)


def _damageable(folder: Path) -> list[Path]:
    """All files but those of trackers, which nothing reads back, images, locks and the report."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not {"synthetic_faces", "tensorboard"} & set(path.parts)
        and path.name not in ("metrics.csv", RunFile.REPORT)
        and not path.name.endswith(".lock")
    ]


def _read(reader: Reader, expected: Undisturbed, folder: Path) -> Ended:
    words = [str(expected.file) if word == "FILE" else word for word in reader.words]
    return run_facesim(*words, folder=folder, prepare=partial(use_cache, folder))


def _outcome(reader: Reader, ended: Ended, folder: Path) -> Outcome:
    written = (path for pattern in reader.writes for path in sorted(folder.glob(pattern)))
    return Outcome(
        frozenset(ended.output.splitlines()),
        {path.relative_to(folder).as_posix(): path.read_bytes() for path in written},
    )


def _other_lines_and_files(known: Outcome, found: Outcome) -> Iterator[str]:
    """Lines that are missing, and files with other bytes; a warning may be there in addition."""
    for line in sorted(known.lines - found.lines):
        yield f"does not print {line!r}"
    for name, content in known.written.items():
        if found.written.get(name, content) != content:
            yield f"{name} is another"


def _other_numbers(known: Outcome, found: Outcome) -> Iterator[str]:
    """Numbers that were not there before; of a file that was deleted they may be missing."""
    before = _numbers(known)
    for number in sorted(_numbers(found) - before):
        yield f"gives {number}"


def _numbers(outcome: Outcome) -> set[str]:
    texts = [*outcome.lines, *(each.decode("latin1") for each in outcome.written.values())]
    return {number for text in texts for number in re.findall(r"\d*\.\d{3,}%?", text)}
