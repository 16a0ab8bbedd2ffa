"""Enrolment: a folder of photographs becomes templates in a gallery."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from facesim.arrays import Float32Array
from facesim.errors import DataError
from facesim.reporters import Advance, Reporter
from facesim.verifier.gallery import MOST_TEMPLATES
from facesim.verifier.gallery_writer import GalleryWriter, Template
from facesim.verifier.search import comparable_probes
from facesim.verifier.verifier import BATCH, Unjudged, Verifier

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".ppm", ".pgm", ".pnm", ".tif", ".tiff", ".webp")
)
"""Of the files that are taken for photographs."""

MOST_IMAGES = 10_000
"""Per identity."""

_SECONDS_BETWEEN_COMMITS = 5.0


@dataclass(frozen=True)
class Person:
    """Photographs of one identity.

    Attributes:
        name: of the folder, or of the file without its suffix.
        images: files, sorted.
        problem: why it cannot be enrolled; empty if it may be.
    """

    name: str
    images: tuple[Path, ...]
    problem: str = ""


@dataclass
class Enrolment:
    """What an enrolment did.

    Attributes:
        enrolled: identities that are in the gallery now and were not before.
        replaced: identities whose template is another now.
        skipped: identities that were enrolled already.
        images: that were embedded.
        failed: why identities could not be enrolled, by name.
        unused: why single photographs of those that were could not be used.
        several: which face was taken of photographs that hold several.
    """

    enrolled: int = 0
    replaced: int = 0
    skipped: int = 0
    images: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    several: list[str] = field(default_factory=list)


def enroll(
    verifier: Verifier, gallery: Path, folder: Path, reporter: Reporter, *, replace: bool = False
) -> Enrolment:
    """Enroll the identities of a folder; a template is written with others every few seconds.

    What was written stays where this is interrupted, and the same call goes on.

    Args:
        verifier: embeds the photographs.
        gallery: its folder; made where there is none.
        folder: one folder per identity, or one photograph per identity, or both.
        reporter: shows the progress.
        replace: whether identities that are enrolled already get a new template, or are skipped.

    Raises:
        DataError: the folder holds no photographs, or the gallery cannot be written.
    """
    people = find_people(folder)
    done = Enrolment()
    with GalleryWriter(gallery, verifier.embeddings) as writer:
        before = frozenset(writer.gallery.names)
        wanted = []
        for person in people:
            if person.problem:
                done.failed[person.name] = person.problem
            elif person.name in before and not replace:
                done.skipped += 1
            else:
                wanted.append(person)
        total = sum(len(person.images) for person in wanted)
        with reporter.task("enrolling images", total) as advance:
            ready: list[Template] = []
            last = time.monotonic()
            for template in _templates(verifier, wanted, done, advance):
                ready.append(template)
                if time.monotonic() - last >= _SECONDS_BETWEEN_COMMITS:
                    _commit(writer, ready, before, done)
                    ready, last = [], time.monotonic()
            _commit(writer, ready, before, done)
    return done


def find_people(folder: Path) -> list[Person]:
    """The identities of a folder, by name.

    Hidden files and files that are no photographs by their suffix are passed over.

    Raises:
        DataError: there are none, or too many.
    """
    images: dict[str, list[Path]] = {}
    problems: dict[str, str] = {}
    for entry in _entries(folder):
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            name, found, problem = _person_of(path)
        elif path.suffix.lower() in SUFFIXES:
            name, found, problem = path.stem, [path], _problem_of_file(entry)
        elif entry.is_symlink():
            name, found, problem = entry.name, [], "it is a symbolic link"
        else:
            continue
        if name in images:
            problem = f"{folder} has it more than once: {path.name} and another"
        images.setdefault(name, []).extend(found)
        problems[name] = problems.get(name) or problem
        if len(images) > MOST_TEMPLATES:
            raise DataError(f"{folder}: more than {MOST_TEMPLATES:,} identities")
    if not images:
        raise DataError(
            f"{folder}: there are no photographs; it must hold one folder per identity, or one "
            f"photograph per identity ({', '.join(sorted(SUFFIXES))})"
        )
    return [Person(name, tuple(images[name]), problems[name]) for name in sorted(images)]


def _person_of(folder: Path) -> tuple[str, list[Path], str]:
    found = []
    try:
        for entry in _entries(folder):
            if Path(entry.path).suffix.lower() in SUFFIXES:
                if problem := _problem_of_file(entry):
                    return folder.name, [], f"{entry.path}: {problem}"
                found.append(Path(entry.path))
    except DataError as error:
        return folder.name, [], str(error)
    if len(found) > MOST_IMAGES:
        return folder.name, [], f"{folder}: more than {MOST_IMAGES:,} photographs"
    return folder.name, found, "" if found else f"{folder}: there are no photographs"


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    """What is in a folder and not hidden, by name."""
    try:
        with os.scandir(folder) as entries:
            return sorted(
                (entry for entry in entries if not entry.name.startswith(".")),
                key=lambda entry: entry.name,
            )
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from None


def _problem_of_file(entry: "os.DirEntry[str]") -> str:
    if entry.is_symlink():  # it may lead anywhere
        return "it is a symbolic link"
    return "" if entry.is_file(follow_symlinks=False) else "it is not a regular file"


def _templates(
    verifier: Verifier, people: Sequence[Person], done: Enrolment, advance: Advance
) -> Iterator[Template]:
    """The template of each person, as its last photograph is embedded."""
    images = ((person, path) for person in people for path in person.images)
    embedded: list[Float32Array] = []
    reasons: list[str] = []
    while batch := list(islice(images, BATCH)):
        found = verifier.look_each([path for _, path in batch])
        for (person, path), each in zip(batch, found, strict=True):
            if isinstance(each, Unjudged):
                reasons.append(each.reason)
            else:
                embedded.append(each.embedding)
                if each.face is not None and each.face.found > 1:
                    done.several.append(f"{path}: {each.face}")
            if path is person.images[-1]:
                done.images += len(embedded)
                yield from _template(verifier, person, embedded, reasons, done)
                embedded, reasons = [], []
        advance(len(batch))


def _template(
    verifier: Verifier,
    person: Person,
    embedded: Sequence[Float32Array],
    reasons: Sequence[str],
    done: Enrolment,
) -> Iterator[Template]:
    """None if no photograph can be used; why goes into ``done``."""
    if not embedded:
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        done.failed[person.name] = f"{reasons[0]}{more}"
        return
    try:
        person.name.encode()
        yield Template(person.name, template_of(verifier, np.stack(embedded)), len(embedded))
        done.unused += reasons
    except UnicodeEncodeError:
        done.failed[person.name] = f"{person.images[0].parent}: its name is not UTF-8"
    except DataError as error:
        done.failed[person.name] = str(error)


def template_of(verifier: Verifier, embeddings: Float32Array) -> Float32Array:
    """The template, float32 [D], of embeddings [N, D] of one identity.

    Their mean; where the score depends on directions only, that of the embeddings at unit length,
    at unit length. Elsewhere lengths count, and thresholds stand for them.

    Raises:
        DataError: the mean has no direction.
    """
    unit = verifier.embeddings.unit_length
    each = comparable_probes(embeddings, verifier.comparison) if unit else embeddings
    mean = each.astype(np.float64).mean(axis=0)
    length = float(np.linalg.norm(mean)) if unit else 1.0
    if length < 1e-6:
        raise DataError("its photographs have no common direction")
    template: Float32Array = (mean / length).astype(np.float32)
    return template


def _commit(
    writer: GalleryWriter, ready: Sequence[Template], before: frozenset[str], done: Enrolment
) -> None:
    writer.put(ready)
    replaced = sum(template.name in before for template in ready)
    done.replaced += replaced
    done.enrolled += len(ready) - replaced
