"""The environment of a run: versions, devices and plugin origins of each start."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict

from facesim.atomic import write_text
from facesim.console import printable
from facesim.discovery import lies_in_results
from facesim.errors import FacesimError
from facesim.experiment.decisions import Decision, RecordedDecisions
from facesim.experiment.schema import Experiment
from facesim.json_files import read_json
from facesim.model.devices import describe_device
from facesim.plugin_info import describe
from facesim.runs.directory import FOLDS, RunFile
from facesim.version import installed_version

_PACKAGES = ("facesim", "torch", "torchvision", "numpy", "pandas", "pillow", "pydantic")


class Start(BaseModel):
    """One start of a run, as the report shows it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    command: tuple[str, ...] = ()
    python: str = ""
    platform: str = ""
    packages: dict[str, str | None] = {}
    git_commit: str | None = None
    device: str = ""
    threads: int | None = None
    processes: int = 1
    plugins: dict[str, str] = {}
    decisions: RecordedDecisions = {}


def record_environment(
    path: Path,
    experiment: Experiment,
    device: torch.device,
    processes: int = 1,
    decisions: Mapping[str, Decision] | None = None,
) -> None:
    """Append this start to ``environment.json``: a resumed run may go on with other versions.

    Args:
        path: of the file.
        experiment: of the run.
        device: on which it trains.
        processes: that train it together.
        decisions: what was decided for it, by dotted key.
    """
    read_starts(path)  # names a damaged file
    starts = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    start = {**describe_environment(experiment, device), "processes": processes}
    made = {key: each.model_dump(mode="json") for key, each in (decisions or {}).items()}
    starts.append({**start, "decisions": made})
    write_text(path, json.dumps(starts, indent=2) + "\n")


def read_starts(path: Path) -> tuple[Start, ...]:
    """One entry per start of a run; none if there is no such file.

    Raises:
        DataError: it is damaged.
    """
    remedy = "delete it; the next start of the run creates it again"
    return read_json(path, tuple[Start, ...], remedy=remedy) or ()


def read_decisions(run: Path) -> dict[str, Decision]:
    """What was decided when a run began, by dotted key; nothing before, or by an older facesim.

    All folds of a run take what the first of them decided, so that they are alike.

    Args:
        run: its directory.

    Raises:
        DataError: what was recorded is damaged.
    """
    folders = [run]
    if run.parent.name == FOLDS:
        folders += [fold for fold in sorted(run.parent.glob("[!.]*")) if fold != run]
    for folder in folders:
        found: dict[str, Decision] = {}
        for start in reversed(read_starts(folder / RunFile.ENVIRONMENT)):
            found |= start.decisions
        if found:
            return found
    return {}


def set_threads(path: Path, experiment: Experiment) -> None:
    """Compute with as many threads as the run began with, because sums round by their number.

    Args:
        path: of ``environment.json``.
        experiment: may say how many, of which the last bits may then be others.

    Raises:
        FacesimError: ``OMP_NUM_THREADS`` asks for another number, and the experiment for none.
    """
    asked = experiment.train.threads
    begun = next((start.threads for start in read_starts(path)), None)
    launched = "LOCAL_WORLD_SIZE" in os.environ  # by what sets the variable for its processes
    told = "" if launched else os.environ.get("OMP_NUM_THREADS", "")
    if asked is None and begun is not None and told.isdecimal() and int(told) != begun:
        raise FacesimError(
            f"{path.parent} was begun with {begun} threads per process, and OMP_NUM_THREADS is "
            f"{told}: sums would round otherwise, and the run would not end bit-identical; unset "
            f"OMP_NUM_THREADS, or accept it with --set train.threads={told}"
        )
    torch.set_num_threads(asked or begun or torch.get_num_threads())


def describe_environment(experiment: Experiment, device: torch.device) -> dict[str, Any]:
    """Versions, plugin origins, git commit, device and threads, as plain JSON data."""
    plugins = [spec.plugin for specs in experiment.specs().values() for spec in specs]
    declared = sorted({package for plugin in plugins for package in plugin.packages})
    versions = {name: installed_version(name) for name in declared}
    return {
        "command": [printable(argument) for argument in sys.argv],
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: installed_version(name) for name in _PACKAGES}
        | {name: version for name, version in versions.items() if version is not None},
        # Where each was registered, and by which version of which distribution.
        "plugins": {f"{it.kind} {it.name}": describe(it).source for it in plugins},
        "git_commit": _git_commit(Path.cwd()),
        "device": describe_device(device),
        "threads": torch.get_num_threads(),
        "processors": os.cpu_count(),
    }


def _git_commit(folder: Path) -> str | None:
    """The commit of the repository around ``folder``, with ``+changes`` if it is not clean.

    None of a repository in a run directory: git runs programs that a repository's configuration
    names, to watch or to filter files.
    """
    try:
        places = (above / ".git" for above in (folder, *folder.parents))
        found = next((place for place in places if place.exists()), None)
        directory = Path(_git(folder, "rev-parse", "--absolute-git-dir"))
        if any(lies_in_results(place) for place in (directory, found) if place is not None):
            return None
        commit = _git(folder, "rev-parse", "HEAD")
        return commit + ("+changes" if _git(folder, "status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603
    return finished.stdout.strip()
