"""A commented experiment file, from a few answers."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

from facesim.errors import FacesimError, did_you_mean
from facesim.experiment.loading import load_experiment
from facesim.experiment.nodes import ExperimentError
from facesim.experiment.yaml_scalars import escaped
from facesim.scaffold.writing import filled, write_new

Faces = Literal["synthetic", "folder", "csv", "celeba"]
"""Where faces come from: drawn, a folder per identity, CSV tables, or CelebA's official files."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

_SPLITS = {
    "synthetic": """\
  # Drawn by the computer; the ranges of identities do not meet.
  train: {name: synthetic_faces, identities: 400, images_per_identity: 6}
  val: {name: synthetic_faces, identities: 100, images_per_identity: 4, first_identity: 10000}
  test: {name: synthetic_faces, identities: 100, images_per_identity: 4, first_identity: 20000}""",
    "folder": """\
  # <split>/<identity>/<image>
  train: {name: folder, root: ROOT/train}
  val: {name: folder, root: ROOT/val}
  test: {name: folder, root: ROOT/test}""",
    "csv": """\
  # Tables with the columns img and ids, the images relative to the folder.
  train: {name: csv, images: ROOT/images, table: ROOT/train.csv}
  val: {name: csv, images: ROOT/images, table: ROOT/val.csv}
  test: {name: csv, images: ROOT/images, table: ROOT/test.csv}""",
    "celeba": """\
  # The official partition; `facesim data celeba ROOT` says where to get the files.
  train: {name: celeba, root: ROOT, split: train}
  val: {name: celeba, root: ROOT, split: val}
  test: {name: celeba, root: ROOT, split: test}""",
}


@dataclass(frozen=True)
class Answers:
    """What an experiment is to be.

    Attributes:
        name: names the run's folder.
        faces: one of :data:`Faces`.
        root: the folder of the faces; synthetic ones need none.
        backbone: as the file is to name it, ``small_cnn`` or ``{name: resnet, depth: 50}``.
        loss: likewise.
        epochs: passes over the training images.
    """

    name: str
    faces: str = "synthetic"
    root: str = "data/faces"
    backbone: str = "small_cnn"
    loss: str = "contrastive"
    epochs: int = 6


def write_experiment(answers: Answers, path: Path) -> Path:
    """Write a commented experiment file.

    Raises:
        FacesimError: an answer cannot be used, or the file exists already.
    """
    if not _NAME.fullmatch(answers.name):
        raise FacesimError(
            f"{answers.name!r} cannot name a run's folder; write letters, digits, '.', '_' and '-'"
        )
    small = "small_cnn" in answers.backbone
    text = filled(
        "experiment.yaml",
        name=answers.name,
        file=path.name,
        data=_splits(answers),
        size="64" if small else "160",
        backbone=answers.backbone,
        loss=answers.loss,
        epochs=str(answers.epochs),
    )
    _require_valid(text, path)
    return write_new({path: text})[0]


def _splits(answers: Answers) -> str:
    kinds = get_args(Faces)
    if answers.faces not in kinds:
        guess = did_you_mean(answers.faces, kinds)
        raise FacesimError(f"there are no faces {answers.faces!r}{guess}; {', '.join(kinds)}")
    return re.sub(
        r"(?<=: )ROOT([\w/.]*)",
        lambda match: json.dumps(escaped(answers.root + match[1]), ensure_ascii=False),
        _SPLITS[answers.faces],
    )


def _require_valid(text: str, path: Path) -> None:
    """Read the text as the file that it is to become."""
    with TemporaryDirectory() as folder:
        draft = Path(folder) / path.name
        draft.write_text(text, encoding="utf-8")
        try:
            load_experiment(draft)
        except ExperimentError as error:
            listed = str(error).replace(str(draft), path.name)
            raise FacesimError(f"nothing was written:\n{listed}") from None
