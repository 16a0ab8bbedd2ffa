"""Loading an experiment file, with all of its errors reported at once."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from facesim import discovery
from facesim.atomic import require_unchanged
from facesim.errors import PluginError
from facesim.experiment.error_messages import problems_of
from facesim.experiment.exclusion import read_exclusion
from facesim.experiment.merging import override, read_with_bases
from facesim.experiment.named_paths import named_paths
from facesim.experiment.nodes import ExperimentError, Mark, Node, Problem, Scalar, is_text
from facesim.experiment.schema import Experiment, with_value
from facesim.experiment.sections import Image, Section
from facesim.experiment.shipped import experiment_file
from facesim.experiment.yaml_parser import parse, read_source
from facesim.experiment.yaml_scalars import defaults_taken, escaped, resolve
from facesim.registry import AS_WRITTEN, WITHOUT_PLUGIN_FILES
from facesim.registry.signature import validate_strictly


def load_experiment(
    path: Path, overrides: Sequence[str] = (), *, trust: bool = False
) -> Experiment:
    """Load an experiment file: merge, override, fill in variables, import plugins, validate.

    Args:
        path: the file, or the name of an experiment that comes with facesim.
        overrides: assignments as ``--set`` takes them, ``train.epochs=5``.
        trust: whether to import what a file in the directory of a run or a study names, also if
            this user's own experiment did not name it when the run began.

    Raises:
        FacesimError: there is neither such a file nor such an experiment.
        ExperimentError: with every problem that was found, each with file, line and column.
        UntrustedPluginsError: the file of a run or a study names plugins without consent.
    """
    return load_with_source(path, overrides, trust=trust)[0]


def load_run_experiment(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    trust: bool = False,
    all_there: bool = True,
) -> Experiment:
    """Load an experiment that facesim wrote into a run directory, and import its plugins.

    Args:
        path: the file.
        overrides: assignments as ``--set`` takes them, by this user.
        trust: as for :func:`load_experiment`.
        all_there: whether a plugin of which nothing is installed any more is a problem; it can be
            shown but not built otherwise.

    Raises:
        DataError: it is not what facesim wrote.
        ExperimentError: with every problem that was found, each with file, line and column.
        UntrustedPluginsError: it names plugins without consent.
    """
    root, problems = _read_resolved(path)
    _require_text(Path.cwd(), root)  # to which other paths are relative
    root, problems = _overridden(root, problems, overrides)
    discovery.load_installed_plugins()
    root, wrong = _load_named_plugins(root, trust=trust, of_run=path)
    problems += wrong
    root, wrong = _with_exclusion_read(root)
    context = None if all_there else WITHOUT_PLUGIN_FILES
    return _validated(path, root, [*problems, *wrong], context)


def load_packed_experiment(content: bytes, path: Path, *, trust: bool = False) -> Experiment:
    """Load the experiment of a pack, which builds its network, and import its plugins.

    No other file than its plugins' is opened.

    Args:
        content: of the file, as its digest was checked.
        path: of the file, for messages, and to which its plugins are relative.
        trust: as for :func:`load_experiment`.

    Raises:
        ExperimentError: with every problem that was found, each with file, line and column.
        UntrustedPluginsError: it names plugins without consent.
    """
    root, problems = _read_alone(path, content)
    discovery.load_installed_plugins()
    root, wrong = _load_named_plugins(root, trust=trust, of_run=path)
    return _validated(path, root, [*problems, *wrong])


def read_run_experiment(path: Path) -> Experiment:
    """Read an experiment that facesim wrote into a run directory; imports none of its plugins.

    Nothing is built, since files and packages of before may be gone. What its plugins define, where
    nothing else defines it, can be shown and compared but not built.

    Raises:
        DataError: it is not what facesim wrote.
        ExperimentError: with every problem that was found, each with file, line and column.
    """
    root, problems = _read_resolved(path)
    discovery.load_installed_plugins()
    context = WITHOUT_PLUGIN_FILES if root.child("plugins") else AS_WRITTEN
    return _validated(path, root, problems, context)


_MEANT_BEFORE: dict[tuple[str, ...], Callable[[Experiment], object]] = {
    ("evaluate", "seed"): lambda experiment: experiment.seed,
    ("image", "fit"): lambda _: "stretch",
    ("backbone_engine",): lambda _: "eager",
}
"""What was done before a key existed, where it is not the key's default."""


def keys_left_out(written: Experiment | Mapping[str, Any]) -> frozenset[tuple[str, ...]]:
    """The keys that an experiment of before does not say, and whose defaults it did not mean.

    Args:
        written: as it was read, or its plain data.
    """

    def says(key: tuple[str, ...]) -> bool:
        section: Any = written
        for name in key[:-1]:
            section = getattr(section, name) if isinstance(section, Section) else section.get(name)
        there = section.model_fields_set if isinstance(section, Section) else section or ()
        return key[-1] in there

    return frozenset(key for key in _MEANT_BEFORE if not says(key))


def as_before(
    experiment: Experiment, left_out: Collection[tuple[str, ...]] | None = None
) -> Experiment:
    """The experiment as it was meant by the facesim that wrote it.

    Pairs and resamples followed ``seed`` before ``evaluate.seed`` existed, images of another
    aspect ratio were stretched before ``image.fit`` did, and trunks were run by eager PyTorch
    before ``backbone_engine`` did.

    Args:
        experiment: as it was read.
        left_out: the keys that did not exist; by default those that it does not say.
    """
    for key in keys_left_out(experiment) if left_out is None else left_out:
        if key == ("image", "fit") and experiment.image.aligner is not None:
            continue  # an aligned face has the size
        experiment = with_value(experiment, key, _MEANT_BEFORE[key](experiment))
    return experiment


def load_with_source(
    path: Path, overrides: Sequence[str] = (), *, trust: bool = False
) -> tuple[Experiment, Node]:
    """Like :func:`load_experiment`, together with the merged tree that the experiment came from.

    Raises:
        FacesimError: there is neither such a file nor such an experiment.
        ExperimentError: with every problem that was found, each with file, line and column.
        UntrustedPluginsError: the file of a run or a study names plugins without consent.
    """
    path = experiment_file(path)
    root, problems = read_with_bases(path)
    _require_text(Path.cwd(), root)  # to which other paths are relative
    experiment, root = _loaded(path, *_overridden(root, problems, overrides), trust=trust)
    return as_before(experiment) if discovery.lies_in_results(path) else experiment, root


def load_text(text: str, path: Path) -> tuple[Experiment, Node]:
    """Like :func:`load_with_source`, from text that this user's own command has resolved.

    Args:
        text: of the experiment, which extends no other file.
        path: of the file that has it, for messages.

    Raises:
        ExperimentError: with every problem that was found, each with file, line and column.
    """
    return _loaded(path, *parse(text, Mark(str(path), 1, 1)), trust=True)


def load_image(assignments: Sequence[str]) -> Image:
    """The section `image` that assignments make: ``aligner=dlib``, ``aligner.upsample=2``.

    Args:
        assignments: as ``--set`` takes them; later ones win.

    Raises:
        ExperimentError: with every problem that was found.
    """
    discovery.load_installed_plugins()
    nowhere = Mark("", 1, 1)
    root, problems = _overridden(Node({}, nowhere, nowhere), [], assignments)
    data, unset = resolve(root, os.environ)
    problems += unset
    try:
        image = validate_strictly(Image, data)
    except ValidationError as error:
        problems += problems_of(error, root, data, Image)
    if problems:
        raise ExperimentError(problems)
    return image


def _loaded(
    path: Path, root: Node, problems: list[Problem], *, trust: bool
) -> tuple[Experiment, Node]:
    discovery.load_installed_plugins()
    root, wrong = _load_named_plugins(root, trust=trust)
    problems = [*problems, *wrong]
    root, wrong = _with_exclusion_read(root)
    return _validated(path, root, [*problems, *wrong]), root


def _overridden(
    root: Node, problems: list[Problem], overrides: Sequence[str]
) -> tuple[Node, list[Problem]]:
    for assignment in overrides:
        try:
            root, wrong = override(root, assignment)
            problems = [*problems, *wrong]
        except ExperimentError as error:
            problems = [*problems, *error.problems]
    return root, problems


def _read_resolved(path: Path) -> tuple[Node, list[Problem]]:
    """The tree of a file that facesim wrote and that is as it was."""
    require_unchanged(path, "restore it as it was")
    return _read_alone(path)


def _read_alone(path: Path, content: bytes | None = None) -> tuple[Node, list[Problem]]:
    """The tree of a file, whose content may be known, and which extends no other file."""
    root, problems = read_source(path, content)
    extends = root.child("extends")
    if extends is not None:
        told = "the experiment of a run extends no other file"
        raise ExperimentError([*problems, Problem(extends.mark, ("extends",), told)])
    return root, problems


def _validated(
    path: Path, root: Node, problems: list[Problem], context: object = None
) -> Experiment:
    """The experiment of a tree whose plugins are imported.

    Raises:
        ExperimentError: with the problems of before, and those that were found.
    """
    data, unset = resolve(root, os.environ)
    problems = [*problems, *unset]
    try:
        experiment = validate_strictly(Experiment, data, context)
    except ValidationError as error:
        broken = {problem.path for problem in problems}
        problems += [
            problem
            for problem in problems_of(error, root, data, Experiment)
            if problem.path not in broken
        ]
    if problems:
        raise ExperimentError(_in_order(problems, path))
    if defaults := defaults_taken(root, os.environ):
        nowhere = [key for key, named in named_paths(experiment) if not os.path.lexists(named)]
        return experiment.with_unset({key: defaults[key] for key in nowhere if key in defaults})
    return experiment


def load_plugins_of(name: str, *, trust: bool = False) -> None:
    """Import the plugins that ``--plugin`` names.

    Args:
        name: an experiment file, whose ``plugins:`` are imported even if the rest is invalid; or
            a module or file as it could stand there, relative to the working directory.
        trust: as for :func:`load_experiment`.

    Raises:
        ExperimentError: the experiment cannot be read, or one of its plugins not be imported.
        PluginError: there is no such module or file, or importing it failed.
        UntrustedPluginsError: the file of a run or a study names plugins without consent.
    """
    if not name.endswith((".yaml", ".yml")):
        discovery.load_named_plugin(name, Path.cwd())
        return
    root, problems = read_with_bases(Path(name))
    problems += _load_named_plugins(root, trust=trust)[1]
    if problems:
        raise ExperimentError(_in_order(problems, Path(name)))


def _load_named_plugins(
    root: Node, *, trust: bool = False, of_run: Path | None = None
) -> tuple[Node, list[Problem]]:
    """Import the entries of ``plugins:``; in the returned tree file names are absolute.

    Args:
        root: the tree.
        trust: whether to import what a run or a study names without consent.
        of_run: the file of a run; another file is looked at where it lies.

    Raises:
        UntrustedPluginsError: there is an entry without consent; nothing is imported then.
    """
    entries = root.child("plugins")
    if entries is None or not isinstance(entries.value, list):
        return root, []
    names = {index: _plugin_name(node) for index, node in entries.children()}
    digests = {}
    if not trust:
        digests = discovery.require_consent(
            {
                discovery.plugin_entry(name, _folder_of(node)): Path(node.mark.file)
                for index, node in entries.children()
                if (name := names[index]) is not None and _is_of_results(node, of_run)
            }
        )
    problems: list[Problem] = []
    loaded: list[Node] = []
    for index, node in entries.children():
        name = names[index]
        if name is None:  # a problem already: not text, or an unset variable
            loaded.append(node)
            continue
        folder = _folder_of(node)
        try:
            digest = digests.get(discovery.plugin_entry(name, folder))
            entry = discovery.load_named_plugin(name, folder, digest)
            loaded.append(replace(node, value=Scalar(escaped(entry), plain=False)))
        except PluginError as error:
            loaded.append(node)
            problems.append(Problem(node.mark, ("plugins", index), str(error)))
    listed = replace(entries, value=loaded)
    return replace(root, value={**root.entries, "plugins": listed}), problems


def _plugin_name(node: Node) -> str | None:
    name, unset = resolve(node, os.environ)
    return name if isinstance(name, str) and not unset else None


def _is_of_results(node: Node, of_run: Path | None) -> bool:
    """Whether a run or a study wrote an entry, and not this user: in a file, or after --set."""
    if node.mark.note:
        return False
    file = Path(node.mark.file)
    return file == of_run or discovery.lies_in_results(file)


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
