"""Searches that take seconds, their workers, and how far a disturbed one may differ."""

import atexit
import json
import os
import pickle
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path

import optuna
import yaml
from filelock import FileLock
from optuna.trial import FrozenTrial, TrialState

from facesim.tuning.optimize import BEST_FILE, SUMMARY_FILE
from facesim.tuning.storage import RUN, counted, open_storage, places
from facesim.tuning.study import silence_optuna
from tests.campaigns.campaign import Fault, Finding, faults_of
from tests.campaigns.command import GRACE, run_facesim
from tests.campaigns.tiny_experiments import write_experiment
from tests.campaigns.undisturbed import differences, leftovers
from tests.postgres import Server, unavailable

OUT = "studies"
TRIALS = 3
STORAGES = ("journal", "sqlite", "postgres")


@dataclass(frozen=True)
class Search:
    """A search that nobody disturbed.

    Attributes:
        file: its experiment, with a sampler that draws each point by its place alone.
        folder: the study's.
        seconds: that it took.
    """

    file: Path
    folder: Path
    seconds: float


def start_forkserver() -> None:
    """Start the process that forks the workers of all attacks: it imports torch once.

    Workers are its children and not of their command's session; they are known by their current
    directory.
    """
    forkserver.set_forkserver_preload(["facesim.tuning.workers"])
    forkserver.ensure_running()
    silence_optuna()


def start_server() -> Server | None:
    """Start a database server for all attacks, which ends with this process; None without one."""
    if unavailable():
        return None
    # Not every folder above a campaign's own is open to the server's user.
    data = Path(tempfile.mkdtemp(prefix="facesim-postgres-"))
    server = Server(data)
    own = os.getpid()

    def end() -> None:
        if os.getpid() == own:
            server.end()
            shutil.rmtree(data)

    atexit.register(end)
    return server


def share_forkserver() -> None:
    """Use the process that forks workers in a forked command, which did not start it."""
    forkserver._forkserver.ensure_running = lambda: None  # type: ignore[method-assign]


def workers_in(folder: Path) -> list[int]:
    """The living workers of a command that runs in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
            is_worker = int(parent) == forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
            if is_worker and state != "Z" and (process / "cwd").readlink() == folder:
                found.append(int(process.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def workers_left(folder: Path) -> Iterator[Finding]:
    """Workers that outlive their command."""
    until = time.monotonic() + GRACE
    while (alive := workers_in(folder)) and time.monotonic() < until:
        time.sleep(0.05)
    for pid in alive:
        os.kill(pid, 9)
        yield Finding(Fault.LEFT, f"worker {pid}")


def search_command(file: Path, workers: int, storage: str | None) -> tuple[str, ...]:
    """The words of ``facesim optimize``."""
    further = () if storage is None else ("--storage", storage)
    return "optimize", str(file), "--out", OUT, "--workers", str(workers), *further


def undisturbed_search(prepared: Path) -> Search:
    """Search once; the same for all attacks."""
    record = prepared / "search.pickle"
    with FileLock(prepared / "search.lock"):
        if not record.exists():
            file = _write_search(prepared)
            command = search_command(file, 1, None)
            ended = run_facesim(*command, folder=prepared, prepare=share_forkserver)
            assert ended.status == 0, ended.output
            record.write_bytes(pickle.dumps(Search(file, prepared / OUT / "tiny", ended.seconds)))
    found = pickle.loads(record.read_bytes())
    assert isinstance(found, Search)
    return found


def _write_search(folder: Path) -> Path:
    path = write_experiment(folder, "cached", 0)
    experiment = yaml.safe_load(path.read_text())
    experiment["search"] = {
        "trials": TRIALS,
        "sampler": "random",
        "pruner": "none",
        "threads": 1,
        "space": {"optimizer.lr": {"float": [1e-3, 1e-1], "log": True}},
    }
    path.write_text(yaml.safe_dump(experiment))
    return path


def is_complete(folder: Path) -> bool:
    """Whether a search has come to its end."""
    return (folder / OUT / "tiny" / SUMMARY_FILE).exists()


def finish_and_compare(
    expected: Search, command: tuple[str, ...], folder: Path, storage: str | None
) -> Iterator[Finding]:
    """Start an attacked search once more, if it is not complete; it comes to the same end."""
    if not is_complete(folder):
        ended = run_facesim(*command, folder=folder, prepare=share_forkserver)
        yield from faults_of(ended, (0,))
        yield from workers_left(folder)
    if is_complete(folder):
        yield from search_differences(expected, folder, storage)
    else:
        yield Finding(Fault.LOST, "the search has not come to its end")


def search_differences(search: Search, folder: Path, storage: str | None) -> Iterator[Finding]:
    """How a search differs from the undisturbed one: trials, runs, winner, what is left behind."""
    study = folder / OUT / "tiny"
    expected, found = _trials(search.folder, None), _trials(study, storage)
    if len(found) != TRIALS or any(trial.state != TrialState.COMPLETE for trial in found):
        yield Finding(Fault.LOST, f"trials: {[trial.state.name for trial in found]}")
    for place, (before, after) in enumerate(zip(expected, found, strict=False)):
        if (before.params, before.values) != (after.params, after.values):
            yield Finding(
                Fault.DIFFERENT,
                f"point {place}: {before.params} {before.values} -> {after.params} {after.values}",
            )
        yield from differences(Path(before.user_attrs[RUN]), Path(after.user_attrs[RUN]))
    if (search.folder / BEST_FILE).read_bytes() != (study / BEST_FILE).read_bytes():
        yield Finding(Fault.DIFFERENT, BEST_FILE)
    if _summary(search.folder) != _summary(study):
        yield Finding(Fault.DIFFERENT, SUMMARY_FILE)
    yield from leftovers(folder)


def _trials(folder: Path, storage: str | None) -> list[FrozenTrial]:
    """The trials that count, by their places."""
    study = optuna.load_study(study_name="tiny", storage=open_storage(storage, folder))
    trials = study.get_trials(deepcopy=False)
    place = places(trials)
    return sorted(counted(trials), key=lambda trial: place[trial.number])


def _summary(folder: Path) -> object:
    """The summary without paths, and without the numbers of trials, which lost ones move."""
    content = json.loads((folder / SUMMARY_FILE).read_text())
    for key in ("trials", "winning_trial"):
        del content[key]
    for system in ("winner", "base"):
        (content[system] or {}).pop("runs", None)
    return content
