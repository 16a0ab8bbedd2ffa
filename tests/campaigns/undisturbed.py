"""Runs that nobody disturbed, and how far a disturbed one may differ from them."""

import json
import logging
import os
import pickle
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from facesim.runs.directory import RunFile
from tests.campaigns.aimed import Watch, count_events
from tests.campaigns.campaign import Fault, Finding
from tests.campaigns.command import run_facesim
from tests.campaigns.tiny_experiments import write_experiment

OUT = "runs"
"""The folder of run directories within an attack's folder."""


@dataclass(frozen=True)
class Undisturbed:
    """A run that nobody disturbed.

    Attributes:
        file: its experiment.
        path: its run directory.
        cache: what it left in the cache.
        seconds: that it took with an empty cache, and with that one.
        events: of each kind, with an empty cache, and with that one.
    """

    file: Path
    path: Path
    cache: Path
    seconds: tuple[float, float]
    events: tuple[dict[Watch, int], dict[Watch, int]]


def undisturbed(prepared: Path, name: str, workers: int, shards: int = 1) -> Undisturbed:
    """Run a tiny experiment once with an empty cache and once with a full one; done once.

    Args:
        prepared: a folder that attacks share.
        name: of the experiment.
        workers: processes that decode.
        shards: of each batch.
    """
    folder = prepared / f"{name}-{workers}-{shards}"
    record = folder / "undisturbed.pickle"
    with FileLock(f"{folder}.lock"):
        if not record.exists():
            folder.mkdir()
            record.write_bytes(pickle.dumps(_run_twice(folder, name, workers, shards)))
    found = pickle.loads(record.read_bytes())
    assert isinstance(found, Undisturbed)
    return found


def _run_twice(folder: Path, name: str, workers: int, shards: int) -> Undisturbed:
    file = write_experiment(folder, name, workers, shards)
    cache, seconds, events = folder / "cache", [], []
    for temperature in ("cold", "warm"):
        within = folder / temperature
        within.mkdir()
        counts = within / "events"
        ended = run_facesim(
            *run_command(file), folder=within, prepare=partial(_count, cache, counts)
        )
        assert ended.status == 0, ended.output
        seconds.append(ended.seconds)
        events.append({Watch(kind): n for kind, n in json.loads(counts.read_text()).items()})
    first, second = (only_run(folder / each) for each in ("cold", "warm"))
    found = list(differences(first, second))
    assert not found, found
    return Undisturbed(file, first, cache, (seconds[0], seconds[1]), (events[0], events[1]))


def run_command(file: Path, *further: str) -> tuple[str, ...]:
    """The words of ``facesim run`` on an experiment."""
    return "run", str(file), "--out", OUT, *further


def use_cache(folder: Path) -> None:
    """Let facesim use the attack's own cache."""
    os.environ["FACESIM_CACHE"] = str(folder / "cache")


def is_complete(folder: Path) -> bool:
    """Whether there is nothing left to resume."""
    return any((folder / OUT).glob(f"*/[!.]*/{RunFile.REPORT}"))


def only_run(folder: Path) -> Path:
    """The one run directory of an attack's folder."""
    (path,) = (folder / OUT / "tiny").glob("[!.]*")
    return path


def _environment(content: bytes, run: Path) -> object:
    """Every start is the same but for its command, the number of processes and what it measured."""
    starts = json.loads(content)
    for start in starts:
        start.update(command=None, processes=1)
        for decision in start["decisions"].values():
            decision.update(why=None, measured=None)
    return [start for number, start in enumerate(starts) if start not in starts[:number]]


def _report(content: bytes, run: Path) -> object:
    """The page without the run's id, the number of its starts, their environment and speeds."""
    text = content.decode().replace(run.name, "RUN")
    text = re.sub(r"<p[^>]*>The run was resumed; it was started \d+ times\.</p>\s*", "", text)
    table = r"<table>\s*<caption><span>Environment of each start.*?</table>"
    text = re.sub(table, "", text, flags=re.S)
    speeds = r"(>backbone engine<.*?)<td[^>]*>(\w+): [^<]*"
    return re.sub(speeds, r"\1\2", text, flags=re.S)


def _manifest(content: bytes, run: Path) -> object:
    """The digests of all files whose bytes must not differ."""
    return {
        name: None if _rule_of(name) else digests for name, digests in json.loads(content).items()
    }


MAY_DIFFER: dict[str, Callable[[bytes, Path], object]] = {
    RunFile.ENVIRONMENT: _environment,
    RunFile.REPORT: _report,
    "facesim-manifest.json": _manifest,
}
"""The only files of a resumed run whose bytes may differ from an undisturbed run's, and what of
them must be the same all the same: they say when and how often the run was started. TensorBoard's
files, whose names hold time and process, must show the same values at the same steps."""

_TENSORBOARD = "tensorboard/*"


def _rule_of(name: str) -> Callable[[bytes, Path], object] | None:
    return next((rule for pattern, rule in MAY_DIFFER.items() if fnmatch(name, pattern)), None)


def differences(expected: Path, actual: Path) -> Iterator[Finding]:
    """How a run directory differs from that of an undisturbed run, besides :data:`MAY_DIFFER`."""
    before, after = _files(expected), _files(actual)
    for name in sorted(before ^ after):
        where = "is missing" if name in before else "is there in addition"
        yield Finding(Fault.LOST if name in before else Fault.LEFT, f"{name} {where}")
    for name in sorted(before & after):
        theirs, ours = (path / name for path in (expected, actual))
        rule = _rule_of(name)
        left, right = theirs.read_bytes(), ours.read_bytes()
        if left != right and (rule is None or rule(left, expected) != rule(right, actual)):
            yield Finding(Fault.DIFFERENT, name)
    if _scalars(expected) != _scalars(actual):
        yield Finding(Fault.DIFFERENT, _TENSORBOARD)


def _files(run: Path) -> set[str]:
    names = (path.relative_to(run).as_posix() for path in run.rglob("*") if not path.is_dir())
    return {name for name in names if not fnmatch(name, _TENSORBOARD)}


def _scalars(run: Path) -> dict[tuple[str, int], float]:
    """What TensorBoard shows: the value of each name at each step."""
    if not (run / "tensorboard").is_dir():
        return {}
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # what was purged is no news here
    shown = EventAccumulator(str(run / "tensorboard"), {"scalars": 0})
    shown.Reload()
    return {
        (name, event.step): event.value
        for name in shown.Tags()["scalars"]
        for event in shown.Scalars(name)
    }


def compare(expected: Undisturbed, folder: Path) -> Iterator[Finding]:
    """What the one run of an attack's folder is not, or leaves, that the undisturbed one does."""
    runs = list((folder / OUT / "tiny").glob("[!.]*"))
    if len(runs) == 1:
        yield from differences(expected.path, runs[0])
    else:
        yield Finding(Fault.LOST, f"{len(runs)} run directories instead of one")
    yield from leftovers(folder)


def leftovers(folder: Path) -> Iterator[Finding]:
    """Temporary files and held locks in an attack's folder."""
    for path in folder.rglob("*"):
        if path.suffix == ".tmp":
            yield Finding(Fault.LEFT, f"{path.relative_to(folder)}")
        if path.suffix == ".lock" or path.name == ".lock":
            try:
                FileLock(path, timeout=0).acquire().lock.release()
            except Timeout:
                yield Finding(Fault.LEFT, f"{path.relative_to(folder)} is locked")


def age_leftovers(folder: Path, seconds: float = 7200.0) -> None:
    """Make temporary files look old: the next start clears those that no process can be writing."""
    for path in [*folder.rglob(".*.tmp")]:
        if path.is_dir() or path.stat().st_nlink == 1:  # not another name of a checkpoint
            changed = path.stat().st_mtime - seconds
            os.utime(path, (changed, changed))


def copy_cache(run: Undisturbed, to: Path, *, warm: bool) -> None:
    """Give an attack a cache of its own, empty or as the undisturbed run left it."""
    if warm:
        shutil.copytree(run.cache, to)  # with its times: files are known by them
    else:
        to.mkdir()


def _count(cache: Path, counts: Path) -> None:
    os.environ["FACESIM_CACHE"] = str(cache)
    count_events(counts)
