"""The drawn faces, written as each dataset of files expects to find them."""

import pickle
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from facesim import FaceTable
from facesim.interfaces import datasets

Layout = Callable[[FaceTable, Path], Mapping[str, Any]]
"""Writes a table's images into a folder, and gives the parameters of the dataset that reads it."""

SPLITS = {"train": (100, 6, 0), "val": (40, 4, 10_000), "test": (40, 4, 20_000)}
"""Identities, images of each, and the number of the first identity."""

Pairs = list[tuple[int, int, bool]]


def written(name: str, layout: Layout) -> Callable[[Path], Sequence[str]]:
    """What writes three splits into a folder, and gives the overrides that read them."""

    def write(folder: Path) -> Sequence[str]:
        return [f"data.{split}={_node(name, split, layout, folder)}" for split in SPLITS]

    return write


def _node(name: str, split: str, layout: Layout, folder: Path) -> str:
    (folder / split).mkdir()
    parameters = layout(_drawn(split), folder / split)
    given = "".join(f", {key}: {value}" for key, value in parameters.items())
    return f"{{name: {name}{given}}}"


def _drawn(split: str) -> FaceTable:
    identities, images, first = SPLITS[split]
    return datasets.spec(
        "synthetic_faces",
        identities=identities,
        images_per_identity=images,
        first_identity=first,
        size=32,
    ).build()


def _pairs_of(table: FaceTable) -> Pairs:
    """Each image with the next of its identity, and with one of the next identity."""
    identities = table.identities.tolist()
    images = identities.count(0)
    rows = range(len(table) - images)
    genuine = [(row, row + 1, True) for row in rows if identities[row] == identities[row + 1]]
    return genuine + [(row, row + images, False) for row in rows]


def _copied(table: FaceTable, names: Sequence[str], folder: Path) -> None:
    for row, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(table.path(row), folder / name)


def _numbered(table: FaceTable) -> list[tuple[str, int]]:
    """The name of each image's person, and the number of the image among that person's."""
    people = [f"Person_{table.labels[identity]}" for identity in table.identities]
    return [(person, people[:row].count(person) + 1) for row, person in enumerate(people)]


def as_celeba(table: FaceTable, folder: Path) -> Mapping[str, Any]:
    _copied(table, table.files.tolist(), folder / "img_align_celeba")
    rows = zip(table.files, table.labels[table.identities], strict=True)
    lines = [f"{file} {int(label) + 1}\n" for file, label in rows]
    (folder / "identity_CelebA.txt").write_text("".join(lines))
    return {"root": folder, "split": "all"}


def as_cross_lfw(table: FaceTable, folder: Path) -> Mapping[str, Any]:
    names = [f"{person}_{number:04d}.png" for person, number in _numbered(table)]
    _copied(table, names, folder)
    lines = [f"{names[row]} {int(same)}\n" for *rows, same in _pairs_of(table) for row in rows]
    (folder / "pairs.txt").write_text("".join(lines))
    return {"root": folder, "pairs": folder / "pairs.txt"}


def as_csv(table: FaceTable, folder: Path) -> Mapping[str, Any]:
    rows = zip(table.files, table.labels[table.identities], strict=True)
    lines = ["img,ids\n", *(f"{file},{label}\n" for file, label in rows)]
    (folder / "table.csv").write_text("".join(lines))
    return {"images": table.root, "table": folder / "table.csv"}


def as_folder(table: FaceTable, folder: Path) -> Mapping[str, Any]:
    _copied(table, [f"{person}/{number}.png" for person, number in _numbered(table)], folder)
    return {"root": folder}


def as_insightface(table: FaceTable, folder: Path) -> Mapping[str, Any]:
    pairs = _pairs_of(table)
    images = [table.path(row).read_bytes() for *rows, _ in pairs for row in rows]
    (folder / "set.bin").write_bytes(pickle.dumps((images, [same for *_, same in pairs])))
    return {"file": folder / "set.bin"}


def as_lfw(table: FaceTable, folder: Path) -> Mapping[str, Any]:
    images = _numbered(table)
    _copied(table, [f"{person}/{person}_{number:04d}.png" for person, number in images], folder)
    pairs = _pairs_of(table)
    genuine = [f"{images[a][0]}\t{images[a][1]}\t{images[b][1]}\n" for a, b, same in pairs if same]
    impostors = ["\t".join(map(str, images[a] + images[b])) for a, b, same in pairs if not same]
    lines = [f"{len(genuine)}\n", *genuine]
    lines += [f"{impostor}\n" for impostor in impostors[: len(genuine)]]
    (folder.parent / f"{folder.name}.txt").write_text("".join(lines))
    return {"root": folder, "pairs": folder.parent / f"{folder.name}.txt"}
