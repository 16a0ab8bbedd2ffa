"""Loading an experiment file, with all of its errors reported at once."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from facesim import discovery
from facesim.atomic import require_unchanged
from facesim.errors import PluginError
from facesim.experiment.error_messages import problems_of
from facesim.experiment.exclusion import read_exclusion
from facesim.experiment.merging import override, read_with_bases
from facesim.experiment.nodes import ExperimentError, Node, Problem, Scalar, is_text
from facesim.experiment.schema import Experiment
from facesim.experiment.yaml_scalars import escaped, resolve
from facesim.registry.signature import validate_strictly


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """Load an experiment file: merge, override, fill in variables, validate.

    Args:
        path: the file.
        overrides: assignments as ``--set`` takes them, ``train.epochs=5``.

    Raises:
        ExperimentError: with every problem that was found, each with file, line and column.
    """
    return load_with_source(path, overrides)[0]


def load_resolved(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """Load an experiment that facesim wrote, with every default in it, as it was meant then.

    Args:
        path: the file.
        overrides: assignments as ``--set`` takes them.

    Raises:
        DataError: it is not what facesim wrote.
        ExperimentError: with every problem that was found, each with file, line and column.
    """
    require_unchanged(path, "restore it as it was")
    return with_pairs_of_seed(load_experiment(path, overrides))


def with_pairs_of_seed(experiment: Experiment) -> Experiment:
    """The experiment as it was meant before ``evaluate.seed`` existed, unless it says that key.

    Pairs and resamples followed ``seed`` then.
    """
    if "seed" in experiment.evaluate.model_fields_set:
        return experiment
    evaluate = experiment.evaluate.model_copy(update={"seed": experiment.seed})
    return experiment.model_copy(update={"evaluate": evaluate})


def load_with_source(path: Path, overrides: Sequence[str] = ()) -> tuple[Experiment, Node]:
    """Like :func:`load_experiment`, together with the merged tree that the experiment came from.

    Raises:
        ExperimentError: with every problem that was found, each with file, line and column.
    """
    root, problems = read_with_bases(path)
    _require_text(Path.cwd(), root)  # to which other paths are relative
    for assignment in overrides:
        try:
            root, wrong = override(root, assignment)
            problems += wrong
        except ExperimentError as error:
            problems += error.problems
    discovery.load_installed_plugins()
    root, wrong = _load_named_plugins(root)
    problems += wrong
    root, wrong = _with_exclusion_read(root)
    problems += wrong
    data, unset = resolve(root, os.environ)
    problems += unset
    try:
        experiment = validate_strictly(Experiment, data)
    except ValidationError as error:
        broken = {problem.path for problem in problems}
        problems += [
            problem
            for problem in problems_of(error, root, data, Experiment)
            if problem.path not in broken
        ]
    if problems:
        raise ExperimentError(_in_order(problems, path))
    return experiment, root


def load_plugins_of(name: str) -> None:
    """Import the plugins that ``--plugins`` names.

    Args:
        name: an experiment file, whose ``plugins:`` are imported even if the rest is invalid; or
            a module or file as it could stand there, relative to the working directory.

    Raises:
        ExperimentError: the experiment cannot be read, or one of its plugins not be imported.
        PluginError: there is no such module or file, or importing it failed.
    """
    if not name.endswith((".yaml", ".yml")):
        discovery.load_named_plugin(name, Path.cwd())
        return
    root, problems = read_with_bases(Path(name))
    problems += _load_named_plugins(root)[1]
    if problems:
        raise ExperimentError(_in_order(problems, Path(name)))


def _load_named_plugins(root: Node) -> tuple[Node, list[Problem]]:
    """Import the entries of ``plugins:``; in the returned tree file names are absolute."""
    entries = root.child("plugins")
    if entries is None or not isinstance(entries.value, list):
        return root, []
    problems: list[Problem] = []
    loaded: list[Node] = []
    for index, node in entries.children():
        try:
            loaded.append(_load_named_plugin(node))
        except PluginError as error:
            loaded.append(node)
            problems.append(Problem(node.mark, ("plugins", index), str(error)))
    listed = replace(entries, value=loaded)
    return replace(root, value={**root.entries, "plugins": listed}), problems


def _load_named_plugin(node: Node) -> Node:
    """Import one entry, unless it is a problem already: not text, or an unset variable."""
    name, unset = resolve(node, os.environ)
    if unset or not isinstance(name, str):
        return node
    entry = discovery.load_named_plugin(name, _folder_of(node))
    return replace(node, value=Scalar(escaped(entry), plain=False))


def _with_exclusion_read(root: Node) -> tuple[Node, list[Problem]]:
    """The tree with the rows of the exclusion file that ``data.exclude`` names, if it does."""
    data = root.child("data")
    node = None if data is None else data.child("exclude")
    if data is None or node is None:
        return root, []
    name, unset = resolve(node, os.environ)
    if unset or not isinstance(name, str):
        return root, []
    path = _folder_of(node) / name
    try:
        listed = read_exclusion(path)
    except ValueError as error:
        return root, [Problem(node.mark, ("data", "exclude"), str(error))]

    def text(value: str) -> Node:
        return replace(node, value=Scalar(escaped(value), plain=False))

    rows = {
        split: replace(node, value=[text(file) for file in files])
        for split, files in listed.items()
    }
    exclude = replace(node, value={"file": text(str(path)), **rows})
    excluding = replace(data, value={**data.entries, "exclude": exclude})
    return replace(root, value={**root.entries, "data": excluding}), []


def _folder_of(node: Node) -> Path:
    """What a path is relative to: the file that it is in, or the shell's folder after --set."""
    folder = Path.cwd() if node.mark.note else Path(node.mark.file).absolute().parent
    _require_text(folder, node)
    return folder


def _require_text(folder: Path, node: Node) -> None:
    """Raise unless a folder's path can be written into the resolved experiment."""
    if not is_text(str(folder)):
        message = f"the folder {folder} has a name that is not UTF-8, so that no path in it can "
        raise ExperimentError([Problem(node.mark, (), f"{message}be kept; rename it")])


def _in_order(problems: list[Problem], path: Path) -> list[Problem]:
    """The problems of the file itself, then those of the files that it extends."""
    return sorted(problems, key=lambda problem: (problem.mark.file != str(path), problem.place))
