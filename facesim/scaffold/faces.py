"""Finding the data of a new experiment: its dataset, image size, split and protocol."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from textwrap import wrap
from typing import Any

import numpy as np
from pydantic import ValidationError

from facesim.console import printable
from facesim.data.decoding import opened_image, read_image
from facesim.data.identity_split import divide_identities
from facesim.discovery import load_installed_plugins
from facesim.errors import DataError, FacesimError, PluginError, count, did_you_mean
from facesim.experiment.sections import IdentitySplit
from facesim.experiment.yaml_scalars import escaped
from facesim.experiment.yaml_writer import to_flow_yaml
from facesim.interfaces import FaceTable, Recognised, backbones, datasets, protocols
from facesim.interfaces.fmr_support import RULE_OF_30
from facesim.machine_errors import in_words
from facesim.registry import Plugin, Registry

_ROOT = re.compile(r"(?<=: )ROOT([\w/.]*)")
_DRAWN = (64, 64)
_LONGEST_SIDE = 224
"""Pixels of a longer side that images are scaled down to; ImageNet's networks are made for it."""
_PHOTOGRAPH = 400
"""Pixels of a longer side from which an image probably shows more than a face."""
_RATIOS = {40: "[0.4, 0.3, 0.3]", 100: "[0.5, 0.25, 0.25]"}
"""Of fewer people than that. Val has nine of 30: of fewer, each is in too many of the pairs."""
_MANY_PEOPLE_RATIOS = "[0.7, 0.1, 0.2]"
_FEWEST_PEOPLE = 6
"""That train, val and test can have two of each."""
_SAMPLE = 24
_MANY_IMAGES = 5000
_MOST_PAIRS = 4
"""Evaluation pairs per image of a table with fewer images than that."""
_ENOUGH_GENUINE = 100
"""Genuine pairs of val and of test, if they have so many; the linter asks for 30."""
_TURNED = (5, 6, 7, 8)
"""The values of EXIF's orientation that exchange height and width."""


@dataclass(frozen=True)
class Faces:
    """Images that an experiment can begin with.

    Attributes:
        told: what they are, in a line for the person.
        data: the lines of the section ``data``.
        size: height and width in pixels that suit the network's input.
        protocol: the node of ``evaluate.protocol`` that suits so few people, or an empty text.
        pairs_per_image: evaluation pairs that suit so many images; more where they are few.
    """

    told: str
    data: str
    size: tuple[int, int]
    protocol: str = ""
    pairs_per_image: int = 1

    @property
    def backbone(self) -> str:
        """The node of a backbone that suits the size of the images."""
        return _suggested(backbones, self.size) or first_starter(backbones).starter


def possible_faces() -> tuple[Plugin[Any], ...]:
    """The datasets that an experiment can begin with; those that need no folder come first."""
    load_installed_plugins()
    return tuple(sorted(datasets.starters(), key=lambda it: (_reads_folder(it), it.name)))


def needs_root(faces: str) -> bool:
    """Whether this names a dataset that reads a folder or a file."""
    load_installed_plugins()
    found = [plugin for plugin in datasets if faces in plugin.spellings]
    return any(not plugin.starter or _reads_folder(plugin) for plugin in found)


def find_faces(faces: str = "", root: str = "") -> Faces:
    """Look at the images that a person names.

    Args:
        faces: a dataset, or a folder or file, whose dataset is then recognised; empty for the
            dataset of ``root``, or without one for images that are drawn.
        root: the folder or file that the named dataset reads.

    Raises:
        FacesimError: there is no such dataset, folder or file, nothing in it is recognised, or its
            table cannot be read.
    """
    drawn = next(iter(possible_faces()), None)
    if not faces and not root and drawn is not None:
        faces = drawn.name
    plugin = next((it for it in datasets if faces in it.spellings), None)
    if plugin is None and faces and root:
        raise FacesimError(f"{_no_dataset(faces)}; leave it out, and {root} is looked into")
    path = Path(root or faces).expanduser()
    if plugin is None:
        if not path.exists():
            also = f", and {_no_dataset(faces)}" if faces else ""
            raise FacesimError(f"{path}: no such folder or file{also}")
        return _found_in(path, [it for it in datasets if it.suggest is not None])
    if plugin.starter and not _reads_folder(plugin):
        if root:
            raise FacesimError(f"the dataset {plugin.name} reads no folder; leave {root} out")
        return Faces(f"{plugin.name}: {plugin.summary}", plugin.starter, _DRAWN)
    if not root:
        raise FacesimError(f"the dataset {plugin.name} reads a folder; name it too, as --root DIR")
    if not path.exists():
        raise FacesimError(f"{path}: no such folder or file")
    if plugin.suggest is not None:
        return _found_in(path, [plugin])
    if not plugin.starter:
        raise FacesimError(
            f"the dataset {plugin.name} does not say how an experiment begins with it; its "
            f"parameters are in `facesim plugins datasets {plugin.name}`"
        )
    lines = _ROOT.sub(
        lambda it: json.dumps(escaped(root + it[1]), ensure_ascii=False), plugin.starter
    )
    return Faces(f"{plugin.name}: {path}", lines, _DRAWN)


def first_starter(registry: Registry[Any]) -> Plugin[Any]:
    """The plugin of a kind that an experiment begins with.

    Raises:
        FacesimError: there is none.
    """
    load_installed_plugins()
    found = registry.starters()
    if not found:
        raise FacesimError(
            f"no {registry.kind} is registered that an experiment could begin with; "
            "`facesim doctor` says which plugins could not be imported"
        )
    return found[0]


def _reads_folder(plugin: Plugin[Any]) -> bool:
    return bool(_ROOT.search(plugin.starter))


def _no_dataset(name: str) -> str:
    guess = did_you_mean(name, [it for plugin in datasets for it in plugin.spellings])
    return f"no dataset is called {name!r}{guess}"


def _suggested(registry: Registry[Any], of_images: Any) -> str:
    texts = (it.suggest(of_images) for it in registry if it.suggest is not None)
    return next((str(text) for text in texts if text), "")


def _found_in(path: Path, plugins: list[Plugin[FaceTable]]) -> Faces:
    recognised, others = _recognised(path, plugins)
    try:
        tables = {key: datasets.spec(**node).build() for key, node in recognised.data.items()}
    except ValidationError as error:
        raise PluginError(f"{path}: the dataset suggests a node that it refuses: {error}") from None
    first = next(iter(tables.values()))
    people = len(first.labels)
    undivided = "source" in tables and not recognised.divided
    if undivided and people < _FEWEST_PEOPLE:
        raise FacesimError(
            f"{path}: {recognised.what}, with {people} people; too few to be divided into train, "
            f"val and test, which takes {_FEWEST_PEOPLE} or more"
        )
    height, width = shown = _usual_size(first)
    told = (
        f"{path}: {recognised.what}; {sum(len(it.labels) for it in tables.values()):,} people, "
        f"{sum(map(len, tables.values())):,} images of about {height} x {width} pixels "
        "(height x width)"
    )
    protocol = _suggested(protocols, people) if undivided else ""
    notes = [f"{told}.", *recognised.notes, *(note for it in tables.values() for note in it.notes)]
    if others:
        notes.append(f"It could also be read as: {', '.join(others)}.")
    if max(shown) >= _PHOTOGRAPH:
        notes.append(
            "If they show more than a face, let image.aligner find it: `facesim plugins aligners`."
        )
    pairs = _pairs_per_image(first)
    lines = [f"{key}: {to_flow_yaml(node)}" for key, node in recognised.data.items()]
    if protocol:
        notes.append(f"{people} people are few to divide: `evaluate.protocol` tests all in turn.")
    if undivided and not protocol:
        few = [share for below, share in _RATIOS.items() if people < below]
        ratios = few[0] if few else _MANY_PEOPLE_RATIOS
        if few:
            notes.append(f"{people} people are few to divide: expect wide intervals.")
        try:
            pairs, note = _pairs_of_parts(first, pairs, ratios)
            notes += note
        except DataError as error:  # as `facesim check` will say
            notes.append(f"{error}.")
        at = list(recognised.data).index("source") + 1
        lines.insert(at, f"split: {{ratios: {ratios}, seed: 0}} # people of train, val and test")
    comments = [f"# {line}" for note in notes for line in wrap(printable(note), 94)]
    scale = min(1.0, _LONGEST_SIDE / max(shown))
    size = (max(16, round(height * scale)), max(16, round(width * scale)))
    return Faces(told, "\n".join([*comments, *lines]), size, protocol, pairs)


def _recognised(path: Path, plugins: list[Plugin[FaceTable]]) -> tuple[Recognised, list[str]]:
    """What the path is to the first plugin by name, one that is certain before all others.

    Also what it is to the others.
    """
    found: list[Recognised] = []
    reasons: list[str] = []
    for plugin in plugins:
        try:
            it = plugin.suggest(path) if plugin.suggest is not None else None
        except DataError as error:
            reasons.append(str(error))
            continue
        except OSError as error:
            raise FacesimError(f"{path}: it cannot be looked into: {in_words(error)}") from None
        if isinstance(it, Recognised):
            found.append(it)
        elif it is not None:
            raise PluginError(
                f"{plugin.origin}: the dataset {plugin.name!r} suggests a {type(it).__name__}; "
                "it must be a facesim.Recognised or None"
            )
    if found:
        first, *others = sorted(found, key=lambda it: not it.certain)
        return first, [it.what for it in others]
    if reasons:
        raise FacesimError("\n".join(reasons))
    listed = "\n".join(f"  {plugin.name}: {plugin.summary}" for plugin in plugins)
    raise FacesimError(f"{path}: no dataset finds its images there:\n{listed}")


def _pairs_per_image(table: FaceTable) -> int:
    """No more than there are genuine pairs for, half of the pairs being genuine, in any split."""
    if len(table) >= _MANY_IMAGES:
        return 1
    images = float(np.median(np.bincount(table.identities)))
    return int(min(_MOST_PAIRS, max(1, (images - 1) // 2)))


def _pairs_of_parts(table: FaceTable, pairs: int, ratios: str) -> tuple[int, list[str]]:
    """Pairs per image with which val and test have enough genuine ones; a note if they cannot.

    Raises:
        DataError: the people cannot be divided so.
    """
    train, val, test = json.loads(ratios)
    part = divide_identities(table, IdentitySplit(ratios=(train, val, test), seed=0))
    of_identity = np.bincount(table.identities, minlength=len(table.labels))
    notes = []
    for index, split in ((1, "val"), (2, "test")):
        images = of_identity[part == index]
        genuine = int((images * (images - 1) // 2).sum())
        if genuine < RULE_OF_30:
            notes.append(
                f"{split} has {count(genuine, 'genuine pair')}, fewer than {RULE_OF_30}: more "
                "images per person, or more people, would make its results less uncertain."
            )
        wanted = min(-(-2 * _ENOUGH_GENUINE // images.sum()), 2 * genuine // images.sum())
        pairs = max(pairs, int(wanted))
    return pairs, notes


def _usual_size(table: FaceTable) -> tuple[int, int]:
    """Median height and width of some images that can be opened, upright."""
    sizes = []
    for row in np.unique(np.linspace(0, len(table) - 1, _SAMPLE).astype(int)):
        try:
            with opened_image(read_image(table.path(int(row)))) as image:
                turned = image.getexif().get(0x0112) in _TURNED
                sizes.append(image.size if turned else image.size[::-1])
        except DataError:
            continue  # `facesim check` names it
    if not sizes:
        raise FacesimError(f"{table.root}: no image of those looked at can be opened")
    heights, widths = zip(*sizes, strict=True)
    return round(median(heights)), round(median(widths))
