"""Identity of a study's experiment on any machine: files by content, other paths as written.

A study is joined from machines where the data lie elsewhere. What the experiment reads is what must
be the same there, not where it lies:

- a dataset is the images that it lists, with their identities, attributes and pairs, and the bytes
  of the image files;
- any other file (pairs, weights, a plugin) is its SHA-256; code at the same place may be corrected
  between two starts, and that is said;
- a path of anything else is the text that the experiment file has, its ``${VAR}`` not filled in.

Everything that is no path is compared with its variables filled in: a ``${LR}`` of another value is
another experiment.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from facesim.data.image_digests import TableDigests
from facesim.data.table_content import TableContent
from facesim.experiment.differences import with_values_of
from facesim.experiment.named_paths import SHOWN_DIGITS, named_paths, sha256_of_file
from facesim.experiment.nodes import KeyPath, Node, Scalar
from facesim.experiment.schema import Experiment, value_at
from facesim.json_files import JsonModel


class NamedPath(JsonModel):
    """A path that an experiment names.

    Attributes:
        key: keys and indices from the experiment's root.
        written: the text in the experiment file; the value where it is a default.
        sha256: of the file; None where the path leads to no file, or to one of a dataset.
    """

    key: tuple[str | int, ...]
    written: str
    sha256: str | None

    @property
    def is_code(self) -> bool:
        """Whether it is a plugin's file."""
        return self.key[0] == "plugins"

    def leads_to_same(self, other: "NamedPath") -> bool:
        """Whether it stands for the same as a path of another machine."""
        if self.key[0] == "data":  # its splits are compared instead
            return True
        if self.sha256 is None or other.sha256 is None:
            return self.written == other.written
        return self.sha256 == other.sha256


class Identity(JsonModel):
    """What an experiment is, wherever it lies.

    Attributes:
        paths: all paths that it names.
        splits: by name; None until the datasets have been read.
    """

    paths: tuple[NamedPath, ...]
    splits: dict[str, TableContent] | None = None

    def as_json(self) -> dict[str, Any]:
        """As a study's attributes hold it."""
        return self.model_dump(mode="json")

    @classmethod
    def of(cls, experiment: Experiment, root: Node) -> "Identity":
        """The identity of an experiment whose datasets have not been read yet.

        Args:
            experiment: as it was read.
            root: the tree that it came from, variables not filled in.
        """
        return cls(paths=tuple(_named(experiment, root)))

    def reading(self, splits: Mapping[str, TableDigests]) -> "Identity":
        """The same with the content of the splits.

        Raises:
            DataError: an image cannot be read.
        """
        found = {name: TableContent.of(images) for name, images in splits.items()}
        return self.model_copy(update={"splits": found})


def alike(before: Identity, base: Any, now: Identity, other: Any) -> tuple[Any, Any]:
    """Two experiments as plain data, in which a path that leads to the same is the same.

    Args:
        before: the identity with which a study began.
        base: its experiment, as ``Experiment.as_data()``.
        now: the identity that is compared with it.
        other: its experiment.
    """
    known = {named.key: named for named in before.paths}
    same, differing = list[KeyPath](), list[NamedPath]()
    for named in now.paths:
        if (was := known.get(named.key)) is None:
            continue
        values = [value_at(tree, named.key) for tree in (base, other)]
        if named.leads_to_same(was) or (named.is_code and values[0] == values[1]):
            same.append(named.key)
        elif was.sha256 and named.sha256:  # perhaps at the same place
            differing.append(named)
    base, other = with_values_of(other, same, base), copy.deepcopy(other)
    for named in differing:
        for tree, of_tree in ((base, known[named.key]), (other, named)):
            above = value_at(tree, named.key[:-1])
            sha256 = (of_tree.sha256 or "")[:SHOWN_DIGITS]
            above[named.key[-1]] = f"{value_at(tree, named.key)} (SHA-256 {sha256})"
    return base, other


def changed_code(before: Identity, now: Identity) -> list[str]:
    """The plugin files that have other content than when the study began."""
    return [named.written for named in _moved(before, now) if named.is_code]


def written_otherwise(before: Identity, now: Identity) -> bool:
    """Whether a path that leads to no file is not written as it was when the study began."""
    return any(named.sha256 is None for named in _moved(before, now))


def _moved(before: Identity, now: Identity) -> list[NamedPath]:
    """The paths that do not lead to the same as before."""
    known = {named.key: named for named in before.paths}
    return [
        named
        for named in now.paths
        if named.key in known and not named.leads_to_same(known[named.key])
    ]


def differing_splits(before: Identity, now: Identity) -> dict[str, str]:
    """How the content of splits differs, by key; nothing where it is not known of both."""
    changed = {}
    for name, content in (now.splits or {}).items():
        known = (before.splits or {}).get(name)
        if known is None or known == content:
            continue
        if known.rows != content.rows:
            count = f" ({known.images:,} -> {content.images:,})"
            changed[f"data.{name}"] = (
                "not the same images, identities, attributes or pairs are listed"
                f"{'' if known.images == content.images else count}"
            )
        else:
            changed[f"data.{name}"] = "the same images are listed, but their files differ"
    return changed


def _named(experiment: Experiment, root: Node) -> Iterator[NamedPath]:
    for key, path in named_paths(experiment):
        node, found = root.nearest(key)
        scalar = node.value if found == key and isinstance(node.value, Scalar) else None
        yield NamedPath(
            key=key,
            written=path if scalar is None else scalar.text,
            sha256=None if key[0] == "data" else sha256_of_file(path),
        )
