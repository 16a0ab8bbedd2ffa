"""Merging experiment files: ``extends:`` and ``--set``."""

import os
from dataclasses import replace
from pathlib import Path

from facesim.errors import FacesimError
from facesim.experiment.nodes import ExperimentError, Mark, Node, Problem, Scalar, shortened
from facesim.experiment.shipped import PREFIX, experiment_file
from facesim.experiment.yaml_parser import MAX_DEPTH, parse, read_source
from facesim.experiment.yaml_scalars import resolve


def read_with_bases(path: Path) -> tuple[Node, list[Problem]]:
    """Read a file and merge it over the file that it ``extends``, which may extend another.

    ``extends: facesim:name`` is an experiment that comes with facesim.

    Raises:
        ExperimentError: one of the files cannot be read, or a file extends itself.
    """
    return _read_with_bases(path, (), None)


def _read_with_bases(
    path: Path, above: tuple[Path, ...], named_at: Mark | None
) -> tuple[Node, list[Problem]]:
    if path.resolve() in above:
        chain = " -> ".join(name.name for name in (*above, path))
        raise ExperimentError(
            [Problem(named_at or Mark(str(path), 1, 1), ("extends",), f"circular: {chain}")]
        )
    try:
        node, problems = read_source(path)
    except ExperimentError as error:
        if named_at is None:
            raise
        reason = "; ".join(str(problem) for problem in error.problems)
        raise ExperimentError([Problem(named_at, ("extends",), reason)]) from None
    extends = node.child("extends")
    if extends is None:
        return node, problems
    node = replace(node, value={k: v for k, v in node.entries.items() if k != "extends"})
    base_name, unset = resolve(extends, os.environ)
    if unset or not isinstance(base_name, str):
        reasons = [problem.message for problem in unset] or ["must be the path of one file"]
        unusable = [Problem(extends.mark, ("extends",), reason) for reason in reasons]
        raise ExperimentError([*problems, *unusable])
    try:
        base_path = (
            experiment_file(Path(base_name))
            if base_name.startswith(PREFIX)
            else path.parent / base_name
        )
    except FacesimError as error:
        unknown = Problem(extends.mark, ("extends",), str(error))
        raise ExperimentError([*problems, unknown]) from None
    base, base_problems = _read_with_bases(base_path, (*above, path.resolve()), extends.mark)
    return merge(base, node), [*base_problems, *problems]


def merge(base: Node, over: Node, *, root: bool = True) -> Node:
    """Merge ``over`` into ``base``: mappings merge key by key, anything else is replaced.

    A plugin's node is replaced as a whole where its ``name`` changes, because the parameters of
    one plugin mean nothing to another. A bare plugin name is the mapping that it stands for.

    Args:
        base: the tree beneath.
        over: what wins.
        root: whether both are whole files, whose ``name:`` is the experiment's and not a plugin's.
    """
    # The schema is not asked which nodes are plugins: what `plugins:` brings is registered only
    # after merging, because `plugins:` itself may come from a base. So a plugin's node is known by
    # its shape: a mapping with `name`, or a bare text where the other side has such a mapping.
    if not root:
        if isinstance(over.value, dict):
            base = _as_plugin_node(base)
        elif base.child("name") is not None:
            over = _as_plugin_node(over)
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    names = [node.child("name") for node in (base, over)]
    # Compared with variables filled in: `${LOSS:-contrastive}` may be the same plugin.
    before, after = (resolve(name, os.environ)[0] if name else None for name in names)
    if not root and before is not None and after is not None and before != after:
        return over
    merged = dict(base.value)
    for key, node in over.value.items():
        merged[key] = merge(merged[key], node, root=False) if key in merged else node
    return Node(merged, over.mark, over.key_mark)


def override(root: Node, assignment: str) -> tuple[Node, list[Problem]]:
    """Apply one ``--set a.b.c=value``; the value is read as YAML.

    Raises:
        ExperimentError: the assignment has no ``=``, an empty key, or a value that is not YAML.
    """
    dotted, equals, text = assignment.partition("=")
    note = f"--set {shortened(assignment)}"
    keys = [key.strip() for key in dotted.split(".")]
    if not equals or not all(keys) or len(keys) > MAX_DEPTH:
        message = "write it as --set key.key=value, such as --set train.epochs=5"
        raise ExperimentError([Problem(replace(root.mark, note=note), (), message)])
    if keys == ["extends"]:
        message = "`extends` is read from the file alone; name another file instead"
        raise ExperimentError([Problem(replace(root.mark, note=note), (), message)])
    nearest, _ = root.nearest(tuple(keys))
    mark = replace(nearest.key_mark, note=note)
    try:
        value, problems = parse(text, mark)
    except ExperimentError as error:
        raise ExperimentError([replace(each, mark=mark) for each in error.problems]) from None
    problems = [replace(each, mark=mark, path=(*keys, *each.path)) for each in problems]
    return placed(root, keys, _moved(value, mark), mark), problems


def placed(base: Node, keys: list[str], value: Node, mark: Mark, *, root: bool = True) -> Node:
    """Merge ``value`` into ``base`` at ``keys``.

    Args:
        base: a tree.
        keys: path from its root; an index of a sequence is written in digits.
        value: the subtree to merge.
        mark: place of the mappings that have to be created on the way.
        root: whether ``base`` is a whole file, as for :func:`merge`.

    Raises:
        ExperimentError: a sequence has no such index.
    """
    here, *rest = keys
    below = base.child(here)
    if isinstance(base.value, list):
        if below is None:
            known = f"0 to {len(base.value) - 1}" if base.value else "none, it is empty"
            raise ExperimentError(
                [Problem(mark, (), f"{here!r} is not an index of that list (known: {known})")]
            )
        # Sequences are replaced as a whole when files merge; only --set reaches into one.
        items = list(base.value)
        items[int(here)] = placed(below, rest, value, mark, root=False) if rest else value
        return replace(base, value=items)
    if rest:
        # `--set loss.margin=1` over `loss: contrastive` keeps the name that the text stands for.
        empty = Node({}, mark, mark)
        value = placed(_as_plugin_node(below or empty), rest, value, mark, root=False)
    return merge(base, Node({here: value}, base.mark, base.key_mark), root=root)


def _moved(node: Node, mark: Mark) -> Node:
    """The same tree, all of it placed at an override's mark."""
    if isinstance(node.value, dict):
        value = {key: _moved(below, mark) for key, below in node.value.items()}
        return Node(value, mark, mark)
    if isinstance(node.value, list):
        return Node([_moved(below, mark) for below in node.value], mark, mark)
    return Node(node.value, mark, mark)


def _as_plugin_node(node: Node) -> Node:
    """Expand a bare plugin name to the mapping that it stands for."""
    if isinstance(node.value, Scalar) and isinstance(resolve(node, os.environ)[0], str):
        return Node({"name": node}, node.mark, node.key_mark)
    return node
