"""A commented experiment file, from a few answers."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import indent
from typing import Any

from facesim.discovery import load_installed_plugins
from facesim.errors import FacesimError, did_you_mean
from facesim.experiment.loading import load_experiment
from facesim.experiment.nodes import ExperimentError, is_text
from facesim.experiment.yaml_scalars import escaped
from facesim.interfaces import (
    backbones,
    datasets,
    heads,
    losses,
    optimizers,
    samplers,
    schedulers,
    transforms,
)
from facesim.registry import Plugin, Registry
from facesim.scaffold.writing import filled, write_new

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_ROOT = re.compile(r"(?<=: )ROOT([\w/.]*)")
_OTHERS: dict[str, Registry[Any]] = {
    "head": heads,
    "sampler": samplers,
    "optimizer": optimizers,
    "scheduler": schedulers,
    "transform": transforms,
}


@dataclass(frozen=True)
class Answers:
    """What an experiment is to be; what plugins decide is empty until they are asked.

    Attributes:
        name: names the run's folder.
        faces: the dataset, one of :func:`possible_faces`.
        root: the folder of the faces, if the dataset needs one.
        backbone: as the file is to name it: a name, or ``{name: resnet, depth: 50}``.
        loss: likewise.
        epochs: passes over the training images.
    """

    name: str
    faces: str = ""
    root: str = "data/faces"
    backbone: str = ""
    loss: str = ""
    epochs: int = 6


def possible_faces() -> tuple[Plugin[Any], ...]:
    """The datasets that an experiment can begin with; those that need no folder come first."""
    load_installed_plugins()
    return tuple(sorted(datasets.starters(), key=lambda it: (needs_root(it.name), it.name)))


def needs_root(faces: str) -> bool:
    """Whether a dataset reads a folder; also said of one that does not exist."""
    found = [it for it in datasets.starters() if faces in it.spellings]
    return not found or bool(_ROOT.search(found[0].starter))


def suggested(name: str) -> Answers:
    """Default answers, for an experiment of this name."""
    (faces, *_) = possible_faces()
    return Answers(
        name, faces.name, backbone=_starter(backbones).starter, loss=_starter(losses).starter
    )


def write_experiment(answers: Answers, path: Path) -> Path:
    """Write a commented experiment file.

    Raises:
        FacesimError: an answer cannot be used, or the file exists already.
    """
    if not _NAME.fullmatch(answers.name):
        raise FacesimError(
            f"{answers.name!r} cannot name a run's folder; write letters, digits, '.', '_' and '-'"
        )
    defaults = suggested(answers.name)
    faces, backbone, loss = (
        getattr(answers, key) or getattr(defaults, key) for key in ("faces", "backbone", "loss")
    )
    text = filled(
        "experiment.yaml",
        name=answers.name,
        file=path.name,
        data=_splits(faces, answers.root),
        # The backbone to begin with is one for small images; the others are made for larger ones.
        size="64" if _starter(backbones).name in backbone else "160",
        backbone=backbone,
        loss=loss,
        epochs=str(answers.epochs),
        **{key: _starter(registry).starter for key, registry in _OTHERS.items()},
    )
    _require_valid(text, path)
    return write_new({path: text})[0]


def _starter(registry: Registry[Any]) -> Plugin[Any]:
    load_installed_plugins()
    found = registry.starters()
    if not found:
        raise FacesimError(
            f"no {registry.kind} is registered that an experiment could begin with; "
            "`facesim doctor` says which plugins could not be imported"
        )
    return found[0]


def _splits(faces: str, root: str) -> str:
    possible = possible_faces()
    for plugin in possible:
        if faces in plugin.spellings:
            lines = _ROOT.sub(
                lambda match: json.dumps(escaped(root + match[1]), ensure_ascii=False),
                plugin.starter,
            )
            return indent(lines, "  ")
    guess = did_you_mean(faces, [name for plugin in possible for name in plugin.spellings])
    known = ", ".join(plugin.name for plugin in possible)
    raise FacesimError(f"there are no faces {faces!r}{guess}; {known}")


def _require_valid(text: str, path: Path) -> None:
    """Read the text as the file that it is to become."""
    if not is_text(text):
        raise FacesimError("nothing was written: one of the answers is not UTF-8 text")
    with TemporaryDirectory() as folder:
        draft = Path(folder) / path.name
        draft.write_text(text, encoding="utf-8")
        try:
            load_experiment(draft)
        except ExperimentError as error:
            listed = str(error).replace(str(draft), path.name)
            raise FacesimError(f"nothing was written:\n{listed}") from None
