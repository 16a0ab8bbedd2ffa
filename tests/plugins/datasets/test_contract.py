"""Every registered dataset keeps the promises of datasets; each needs an entry in PARAMETERS."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facesim import datasets
from facesim.registry import Spec
from facesim.testing.suites import DatasetContract


def draw(folder: Path, names: list[str]) -> None:
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(256, size=(24, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)


def in_a_folder(root: Path) -> dict[str, Any]:
    draw(root, ["ann/1.png", "ann/2.png", "bob/1.png", "bob/2.png"])
    return {"root": root}


def in_a_csv_file(root: Path) -> dict[str, Any]:
    draw(root, ["1.png", "2.png", "3.png"])
    (root / "table.csv").write_text("img,ids,age\n1.png,ann,30\n2.png,ann,31\n3.png,bob,40\n")
    return {"images": root, "table": root / "table.csv"}


def as_celeba(root: Path) -> dict[str, Any]:
    draw(root / "img_align_celeba", ["1.jpg", "2.jpg", "3.jpg"])
    (root / "identity_CelebA.txt").write_text("1.jpg 7\n2.jpg 7\n3.jpg 9\n")
    (root / "list_eval_partition.txt").write_text("1.jpg 0\n2.jpg 0\n3.jpg 0\n")
    return {"root": root, "split": "all"}


def drawn(root: Path) -> dict[str, Any]:
    return {"identities": 3, "images_per_identity": 2, "size": 24, "root": root}


def as_lfw(root: Path) -> dict[str, Any]:
    draw(root, [f"{name}/{name}_000{number}.jpg" for name in ("Ann", "Bob") for number in (1, 2)])
    (root / "pairs.txt").write_text("1\nAnn\t1\t2\nAnn\t1\tBob\t2\n")
    return {"root": root, "pairs": root / "pairs.txt"}


def as_calfw(root: Path) -> dict[str, Any]:
    draw(root, ["Ann_0001.jpg", "Ann_0002.jpg", "Bob_0001.jpg"])
    lines = ["Ann_0001.jpg 1", "Ann_0002.jpg 1", "Ann_0001.jpg 0", "Bob_0001.jpg 0"]
    (root / "pairs.txt").write_text("\n".join(lines))
    return {"root": root, "pairs": root / "pairs.txt"}


def as_insightface(root: Path) -> dict[str, Any]:
    draw(root, ["1.jpg", "2.jpg", "3.jpg"])
    first, second, third = ((root / f"{number}.jpg").read_bytes() for number in (1, 2, 3))
    content = ([first, second, first, third], [True, False])
    (root / "set.bin").write_bytes(pickle.dumps(content, 4))
    return {"file": root / "set.bin"}


PARAMETERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "celeba": as_celeba,
    "cross_lfw": as_calfw,
    "csv": in_a_csv_file,
    "folder": in_a_folder,
    "insightface_bin": as_insightface,
    "lfw": as_lfw,
    "synthetic_faces": drawn,
}


class TestEveryDataset(DatasetContract):
    @pytest.fixture(params=datasets.names())
    def spec(self, request: pytest.FixtureRequest, tmp_path: Path) -> Spec[Any]:
        return datasets.spec(request.param, **PARAMETERS[request.param](tmp_path))
