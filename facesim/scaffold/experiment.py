"""A commented experiment file, from a few answers or from an experiment that comes with facesim."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import indent
from typing import Any, NamedTuple

from facesim.errors import FacesimError
from facesim.experiment.json_schema import FILE_NAME, require_own_schema, write_schema
from facesim.experiment.loading import load_experiment
from facesim.experiment.nodes import ExperimentError, Mark, Node, Scalar, is_text
from facesim.experiment.shipped import PREFIX, shipped_experiment
from facesim.experiment.yaml_parser import read_source
from facesim.interfaces import heads, losses, optimizers, samplers, schedulers, transforms
from facesim.registry import Registry
from facesim.scaffold.faces import Faces, first_starter
from facesim.scaffold.writing import filled, require_new, write_new

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MODELINE = f"# yaml-language-server: $schema={FILE_NAME}\n"
_OTHERS: dict[str, Registry[Any]] = {
    "head": heads,
    "sampler": samplers,
    "optimizer": optimizers,
    "scheduler": schedulers,
    "transform": transforms,
}


@dataclass(frozen=True)
class Answers:
    """What an experiment is to be.

    Attributes:
        faces: the images, as :func:`facesim.scaffold.faces.find_faces` finds them.
        backbone: as the file is to name it: a name, or ``{name: resnet, depth: 50}``; empty for
            one that suits the images.
        loss: likewise; empty for the one that experiments begin with.
        epochs: passes over the training images.
    """

    faces: Faces
    backbone: str = ""
    loss: str = ""
    epochs: int = 6


def suggested(faces: Faces) -> Answers:
    """Default answers for some images."""
    return Answers(faces, faces.backbone, first_starter(losses).starter)


def require_possible(path: Path) -> None:
    """Raise FacesimError unless an experiment can be written to ``path``."""
    if path.suffix not in (".yaml", ".yml"):
        raise FacesimError(f"{path}: an experiment file ends with .yaml; write {path}.yaml")
    if not _NAME.fullmatch(path.stem):
        raise FacesimError(
            f"{path.stem!r} cannot name a run's folder; write letters, digits, '.', '_' and '-'"
        )
    require_new(path)
    require_own_schema(path.with_name(FILE_NAME))


def require_valid(answers: Answers) -> None:
    """Raise FacesimError, with what is wrong, unless the answers make an experiment."""
    text = _text(answers, Path("experiment.yaml"))
    if not is_text(text):
        raise FacesimError("one of the answers is not UTF-8 text")
    with TemporaryDirectory() as folder:
        draft = Path(folder) / "experiment.yaml"
        draft.write_text(text, encoding="utf-8")
        try:
            load_experiment(draft)
        except ExperimentError as error:
            # Without places in a file that does not exist.
            told = (f"{'.'.join(map(str, it.path))}: {it.message}" for it in error.problems)
            raise FacesimError("\n".join(dict.fromkeys(told))) from None


def write_experiment(answers: Answers, path: Path) -> tuple[Path, ...]:
    """Write a commented experiment file and, beside it, the schema that editors complete it by.

    Raises:
        FacesimError: an answer cannot be used, or the file exists already.
    """
    require_possible(path)
    require_valid(answers)
    return *write_new({path: _text(answers, path)}), write_schema(path.with_name(FILE_NAME))


def copy_experiment(like: str, path: Path) -> tuple[Path, ...]:
    """Write a copy, under a name of its own, of an experiment that comes with facesim.

    Args:
        like: the experiment's name.
        path: the file, whose name becomes the experiment's. Files that the experiment names beside
            it are copied beside this one, but for one that it extends.

    Raises:
        FacesimError: there is no such experiment, or a file exists already.
    """
    require_possible(path)
    source = shipped_experiment(like.removeprefix(PREFIX))
    lines = source.read_text("utf-8").splitlines(keepends=True)
    beside = {}
    for key, node in _scalars(read_source(source)[0]):
        named, changed = source.parent / node.text, ""
        if key == "name" and node.mark.column == len("name: ") + 1:  # the experiment's own
            changed = path.stem
        elif key == "extends":
            changed = f"{PREFIX}{named.stem}"
        elif named.is_file():
            beside[path.with_name(named.name)] = named.read_text("utf-8")
        if changed:
            line, at = lines[node.mark.line - 1], node.mark.column - 1
            lines[node.mark.line - 1] = line[:at] + line[at:].replace(node.text, changed, 1)
    copied = "".join(lines).replace(f"experiments/{source.name}", str(path))
    written = write_new({path: _MODELINE + copied, **beside})
    return *written, write_schema(path.with_name(FILE_NAME))


class _Text(NamedTuple):
    """A scalar as it is written, and where."""

    text: str
    mark: Mark


def _text(answers: Answers, path: Path) -> str:
    faces, defaults = answers.faces, suggested(answers.faces)
    return _MODELINE + filled(
        "experiment.yaml",
        name=path.stem,
        file=str(path),
        data=indent(faces.data, "  "),
        size=f"[{faces.size[0]}, {faces.size[1]}]",
        backbone=answers.backbone or defaults.backbone,
        loss=answers.loss or defaults.loss,
        epochs=str(answers.epochs),
        pairs=f"{faces.pairs_per_image}.0",
        protocol=f"protocol: {faces.protocol}, " if faces.protocol else "",
        **{key: first_starter(registry).starter for key, registry in _OTHERS.items()},
    )


def _scalars(node: Node, key: str = "") -> Iterator[tuple[str, "_Text"]]:
    """The scalars below a node, each with its own key."""
    if isinstance(node.value, Scalar):
        yield key, _Text(node.value.text, node.mark)
    for name, below in node.children():
        yield from _scalars(below, str(name))
