"""What a shell completes: experiments, run directories, and plugins with their kinds."""

import os
from contextlib import redirect_stderr, redirect_stdout, suppress
from glob import escape
from importlib.util import find_spec
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

import typer

from facesim.experiment.shipped import shipped_experiments

_RUN = "run.json"
"""The file by which a run directory is known."""

_MOST = 100
_MOST_FOLDERS = 2000
"""That are looked at, newest first, while the shell waits."""
_SYSTEM = ("/dev/", "/proc/", "/sys/")
"""Folders of no files."""


def complete_experiment(incomplete: str) -> list[str]:
    """Experiments that come with facesim, and the files here; the shell knows those elsewhere."""
    shipped = [name for name in shipped_experiments() if name.startswith(incomplete)]
    here = sorted(str(path) for path in Path().glob(f"{escape(incomplete)}*.y*ml"))
    return [*shipped, *here] if shipped and os.sep not in incomplete else []


def complete_run_dir(incomplete: str) -> list[str]:
    """Run directories at most three folders deep, newest first; of ``runs`` where nothing is typed.

    The shell knows other folders.
    """
    parent, start = os.path.split(incomplete or f"runs{os.sep}")
    folders = [path for path in _folders(parent, start) if os.path.basename(path).startswith(start)]  # noqa: PTH119
    found: list[str] = []
    left = _MOST_FOLDERS
    for depth in (1, 2, 3):
        folders, left = folders[:left], max(0, left - len(folders))
        found += [path for path in folders if os.path.lexists(f"{path}/{_RUN}")]
        if depth < 3:
            inside = (path for folder in folders for path in _folders(folder))
            folders = list(islice(inside, left))
    return sorted(found, key=lambda path: Path(path).name, reverse=True)[:_MOST]


def _folders(parent: str, start: str = "") -> list[str]:
    """The folders in one, the last name first; hidden ones only where a dot is typed."""
    if f"{os.path.realpath(parent)}/".startswith(_SYSTEM):
        return []
    try:
        with os.scandir(parent or os.curdir) as entries:
            looked_at = islice(entries, 10 * _MOST_FOLDERS)
            names = [
                each.name
                for each in looked_at
                if (start or not each.name.startswith(".")) and each.is_dir()
            ]
    except OSError:
        return []
    return [os.path.join(parent, name) for name in sorted(names, reverse=True)]  # noqa: PTH118


def complete_kind(incomplete: str) -> list[str]:
    """Kinds of plugins, in the plural."""
    return [each["plural"] for each in _kinds() if each["plural"].startswith(incomplete)]


def complete_kind_in_singular(incomplete: str) -> list[str]:
    """Kinds of plugins, in the singular."""
    return [each["kind"] for each in _kinds() if each["kind"].startswith(incomplete)]


def complete_plugin(ctx: typer.Context, incomplete: str) -> list[str]:
    """Plugins of the kind that is typed before."""
    typed = str(ctx.params.get("kind", "")).lower()
    return [
        name
        for each in _kinds()
        if typed in (each["kind"], each["plural"])
        for name in each["names"]
        if name.startswith(incomplete)
    ]


def _kinds() -> list[dict[str, Any]]:
    """Each kind with the names of its plugins.

    To import plugins takes seconds, so what was found is kept until one of their files changes.
    """
    import json

    from facesim.paths import cache_dir

    file, state = cache_dir() / "completion.json", _state_of_plugins()
    with suppress(OSError, ValueError, LookupError, TypeError):
        kept = json.loads(file.read_text("utf-8"))
        if kept["state"] == state:
            found: list[dict[str, Any]] = kept["kinds"]
            return found
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):  # what plugins print
        from facesim.discovery import load_installed_plugins
        from facesim.interfaces import REGISTRIES

        load_installed_plugins()
        kinds = [
            {"kind": registry.kind, "plural": registry.plural, "names": registry.names()}
            for registry in REGISTRIES
        ]
    from facesim.atomic import write_text

    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps({"state": state, "kinds": kinds}))
    return kinds


def _state_of_plugins() -> list[str]:
    """What there are plugins of: distributions, and the files of their modules with their times."""
    from importlib.metadata import entry_points

    from facesim.version import __version__

    state = [__version__, os.environ.get("FACESIM_PLUGINS_DISABLE", "")]
    offered = entry_points()
    tops = {__name__.partition(".")[0]}
    for group in sorted(offered.groups):
        if group.startswith("facesim.plugins"):
            for each in offered.select(group=group):
                state.append(f"{group} {each.value} {each.dist and each.dist.version}")
                tops.add(each.module.partition(".")[0])
    for top in sorted(tops):
        spec = find_spec(top)
        folders = (spec.submodule_search_locations if spec is not None else None) or ()
        files = [file for folder in folders for file in Path(folder).rglob("*.py")]
        if spec is not None and spec.origin:
            files.append(Path(spec.origin))
        state += sorted(f"{file} {file.stat().st_mtime_ns}" for file in files)
    return state
