"""The runs of a comparison: those in folders, those of one experiment, and their names."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from facesim.errors import FacesimError, count
from facesim.experiment.differences import differing_values, with_values_of
from facesim.experiment.named_paths import named_paths, sha256_of_file
from facesim.runs.directory import EvaluationFile, RunFile
from facesim.runs.run import Run
from facesim.runs.run_files import RunFiles

_LEVELS = 5
"""Below a folder at which run directories are looked for; those of a study lie four below it."""

_MOST_TRIED = 3
"""Keys in the sets that are all tried; larger sets are grown key by key."""

_LONG = 60
"""Characters of a value that has room in a column of the terminal, and in a name."""

Configuration = Mapping[str, tuple[str | None, ...]]


def finished_runs(paths: Sequence[Path], name: str) -> tuple[list[Path], tuple[str, ...]]:
    """The run directories among ``paths`` and in the folders among them.

    Args:
        paths: run directories, which are taken as they are, and folders that hold some.
        name: of the evaluation that a run in a folder must have.

    Returns:
        The run directories, each once; and what was passed over in folders, a line per reason.

    Raises:
        FacesimError: a path is no folder, or one without a run that has the evaluation.
    """
    found: dict[Path, Path] = {}
    passed: list[str] = []
    for path in paths:
        if _is_run(path) or not path.is_dir():
            found.setdefault(path.resolve(), path)
            continue
        every = list(_runs_below(path, _LEVELS))
        if not every:
            raise FacesimError(f"{path} is not a run directory, and there is none in it")
        without = [
            run for run in every if not (run / "eval" / name / EvaluationFile.METRICS).exists()
        ]
        if len(without) == len(every):
            raise FacesimError(
                f"none of the {count(len(every), 'run')} in {path} has an evaluation {name!r}. "
                "Runs that have not ended have none (`facesim run --resume` ends them), nor have "
                "the trials of a search, which leave test alone: study.html compares them on val"
            )
        if without:
            unfinished = f"no evaluation {name!r}; the first is {without[0]}"
            passed.append(f"passed over in {path}: {count(len(without), 'run')} with {unfinished}")
        for run in every:
            if run not in without:
                found.setdefault(run.resolve(), run)
    return list(found.values()), tuple(passed)


def open_runs(paths: Sequence[Path], name: str) -> tuple[list[Run], tuple[str, ...]]:
    """:func:`finished_runs`, opened."""
    found, passed = finished_runs(paths, name)
    return [Run.open(path) for path in found], passed


def _is_run(path: Path) -> bool:
    return (path / RunFile.EXPERIMENT).is_file()


def _runs_below(folder: Path, levels: int) -> Iterator[Path]:
    try:
        inside = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError as error:
        raise FacesimError(f"{folder}: cannot be read: {error.strerror}") from None
    for path in inside:
        if path.name.startswith("."):
            continue
        if _is_run(path):
            yield path
        elif levels > 1:
            yield from _runs_below(path, levels - 1)


def by_experiment(read: Sequence[RunFiles]) -> list[list[RunFiles]]:
    """The runs of one experiment together, in ascending order of their seeds.

    Runs are of one experiment if they differ in nothing but the seed and in where the same files
    lie. A seed stands in a group once: who trained twice with one seed compares the two.
    """
    groups: list[list[RunFiles]] = []
    for files in read:
        for group in groups:
            seeds = {each.experiment.seed for each in group}
            if files.experiment.seed not in seeds and _is_one_experiment(group[0], files):
                group.append(files)
                break
        else:
            groups.append([files])
    return [sorted(group, key=lambda files: files.experiment.seed) for group in groups]


def _is_one_experiment(one: RunFiles, other: RunFiles) -> bool:
    here, there = dict(named_paths(one.experiment)), dict(named_paths(other.experiment))
    moved = [
        key
        for key in here.keys() & there.keys()
        if _is_one_place(Path(here[key]), Path(there[key]))
    ]
    data = other.experiment.as_data()
    return _without_seeds(with_values_of(data, moved, one.experiment.as_data())) == (
        _without_seeds(data)
    )


def _is_one_place(one: Path, other: Path) -> bool:
    """Whether two paths may be one on two machines: here, at most one of them exists."""
    if one == other or one.name != other.name:
        return one == other
    if not (one.exists() and other.exists()):
        return True
    digest = sha256_of_file(str(one))
    return one.samefile(other) or (digest is not None and digest == sha256_of_file(str(other)))


def _without_seeds(data: dict[str, Any]) -> dict[str, Any]:
    """Also without the seed of the test pairs, which used to be that of the training."""
    evaluate = {key: value for key, value in data["evaluate"].items() if key != "seed"}
    return {**data, "seed": None, "evaluate": evaluate}


def configuration_of(groups: Sequence[Sequence[RunFiles]]) -> dict[str, tuple[str | None, ...]]:
    """Each key in which groups differ, with one value per group; their seeds if those differ."""
    differing = differing_values([group[0].experiment.as_data() for group in groups])
    seeds = tuple(", ".join(str(files.experiment.seed) for files in group) for group in groups)
    differing.pop("seed", None)
    return ({"seed": seeds} if len(set(seeds)) > 1 else {}) | differing


def labels_of(groups: Sequence[Sequence[RunFiles]], configuration: Configuration) -> list[str]:
    """What tells the groups apart: the experiments' names, or else the fewest keys that do.

    Groups whose experiments do not differ are called by the directory of their first run.

    Args:
        groups: of runs.
        configuration: of :func:`configuration_of`.
    """
    names = [group[0].experiment.name for group in groups]
    if len(set(names)) == len(names):
        return names
    shown = {key: in_short(configuration[key]) for key in _fewest_keys(configuration)}
    labels = [
        ", ".join(assignment(key, values[at]) for key, values in shown.items())
        for at in range(len(groups))
    ]
    run_ids = [group[0].path.absolute().name for group in groups]
    labels = [
        label if labels.count(label) == 1 else ", ".join(filter(None, (label, run_id)))
        for label, run_id in zip(labels, run_ids, strict=True)
    ]
    again = [labels[:at].count(label) for at, label in enumerate(labels)]
    return [
        f"{label} ({before + 1})" if before else label
        for label, before in zip(labels, again, strict=True)
    ]


def assignment(key: str, value: str | None) -> str:
    """A value in a name: ``loss=arcface`` of the key ``loss.name``."""
    if key == "name":
        return str(value)
    key = key.removesuffix(".name")
    return f"without {key}" if value is None else f"{key}={value}"


def in_short(values: Sequence[str | None]) -> tuple[str | None, ...]:
    """The values of a key where there is little room.

    Of lists of plugins, such as ``callbacks``, the names of those that differ, with the parameters
    that do, and how many do not; of other long lists and mappings as much as fits.

    Args:
        values: of :func:`configuration_of`, one per group.
    """
    lists = [_plugins_of(value) for value in values]
    short: list[str | None] = []
    for value, listed in zip(values, lists, strict=True):
        if value is None or len(value) <= _LONG or value[0] not in "[{":
            short.append(value)
        elif listed:
            short.append(_in_names(listed, [other for other in lists if other is not listed]))
        else:
            short.append(f"{value[:_LONG]}...")
    return tuple(short)


def _plugins_of(value: str | None) -> list[dict[str, Any]]:
    """The plugins that a value lists; none if it is something else."""
    try:
        found = json.loads(value or "")
    except ValueError:  # a text
        return []
    named = isinstance(found, list) and all(isinstance(it, dict) and "name" in it for it in found)
    return found if named else []


def _in_names(plugins: list[dict[str, Any]], others: Sequence[list[dict[str, Any]]]) -> str:
    told, alike = [], 0
    for plugin in plugins:
        if all(plugin in other for other in others):
            alike += 1
            continue
        named = [it for other in others for it in other if it["name"] == plugin["name"]]
        differing = [
            f"{key}={json.dumps(value)}"
            for key, value in plugin.items()
            if any(it.get(key) != value for it in named)
        ]
        told.append(" ".join([plugin["name"], *differing]))
    if not told:  # in another order
        return " + ".join(plugin["name"] for plugin in plugins)
    return " + ".join([*told, *([f"{alike:,} alike"] if alike else [])])


def _fewest_keys(configuration: Configuration) -> tuple[str, ...]:
    """The fewest keys whose values differ between all groups, or as many of them as can be.

    Of equally many, those that every experiment has; then those of the file's first lines.
    """
    ordered = sorted(configuration, key=lambda key: None in configuration[key])
    alike: dict[tuple[int, ...], str] = {}  # of keys that tell the same groups apart, the first
    for key in ordered:
        alike.setdefault(tuple(configuration[key].index(each) for each in configuration[key]), key)
    keys = list(alike.values())

    def told_apart(chosen: Sequence[str]) -> int:
        return len(set(zip(*(configuration[key] for key in chosen), strict=True)))

    most = told_apart(keys) if keys else 0
    for size in range(1, _MOST_TRIED + 1):
        for chosen in combinations(keys, size):
            if told_apart(chosen) == most:
                return tuple(key for key in configuration if key in chosen)
    grown: tuple[str, ...] = ()
    while keys and (not grown or told_apart(grown) < most):
        grown = max(((*grown, key) for key in keys), key=told_apart)
    return grown
