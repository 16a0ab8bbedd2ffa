"""A hundred faults planted into a small clean data set of real faces, and what the linter finds.

Run: ``python tests/benchmarks/planted_faults.py [WORD ...]``, with ``FACESIM_CELEBA`` naming a
folder of faces; a word runs only the faults whose name has it. Faults of images, tables and pairs
go through the linter as before a run; faults of labels through the look at embeddings after
training, with EfficientNet-Lite0 (extra ``efficientnet-lite``), whose embeddings are cached.

A fault is found if every planted thing is named, partly found if some are. Any finding of another
rule than those of the fault is a false alarm, and so is any finding on the clean set.
"""

import io
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from facesim.data.image_copies import find_copies
from facesim.data.image_digests import TableDigests
from facesim.data.linter.evaluation import NamedImages
from facesim.data.linter.findings import Finding, Findings
from facesim.data.linter.protocol import lint_protocol
from facesim.data.pair_sets import draw_pair_set, read_pair_list
from facesim.data.tables import build_table
from facesim.discovery import load_installed_plugins
from facesim.errors import DataError, FacesimError
from facesim.evaluation.baselines import untouched_backbone
from facesim.evaluation.embedded_splits import EmbeddedSplit
from facesim.evaluation.embedding_suspects import find_embedding_suspects
from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.interfaces import FaceTable, PairSet
from facesim.model.devices import pick_device
from facesim.processes import Processes
from facesim.runs.systems import UNTOUCHED, NetworkSystem
from facesim.training.build import Split
from facesim.training.make_inputs import make_inputs

PEOPLE = {"train": 24, "val": 12, "test": 12}
IMAGES = 8
PLANTED = 3

Change = Callable[[Image.Image], Image.Image]
Pairs = list[tuple[str, str, int]]
Numbers = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

EXPERIMENT = """
name: planted
data:
  train: {{name: csv, images: {root}, table: {root}/train.csv}}
  val: {{name: csv, images: {root}, table: {root}/val.csv}}
  test: {{name: csv, images: {root}, table: {root}/test.csv}}
backbone: {{name: efficientnet_lite, variant: 0, weights: imagenet, frozen_stages: 6}}
image: {{size: [218, 178]}}
head: {{name: linear, out_dim: 16, normalize: true}}
sampler: {{name: random_pairs, pairs_per_image: 1.0}}
loss: contrastive
optimizer: adam
train: {{epochs: 1, batch_size: 8}}
evaluate: {{pairs_per_image: 3.5, smallest_far: 0.1}}
"""


class Data:
    """A copy of the clean set, which a fault spoils: tables, image files, and lists of pairs."""

    def __init__(self, root: Path, clean: dict[str, pd.DataFrame]) -> None:
        self.root = root
        self.tables = {split: table.copy() for split, table in clean.items()}
        self.pairs: dict[str, Pairs] = {}
        self.random = np.random.default_rng(7)
        self._written: list[Path] = []
        self._changed: dict[Path, bytes] = {}

    def some(self, split: str, number: int = PLANTED, first: int = 0) -> list[str]:
        """Files of different people of a split."""
        files = self.tables[split].groupby("ids", sort=True).img.nth(first)
        return [str(file) for file in files.to_numpy()[:number]]

    def image(self, file: str) -> Image.Image:
        return Image.open(self.root / file).convert("RGB")

    def add(self, split: str, label: str, content: bytes, name: str) -> str:
        path = self.root / name
        path.write_bytes(content)
        self._written.append(path)
        row = pd.DataFrame({"img": [name], "ids": [label]})
        self.tables[split] = pd.concat([self.tables[split], row], ignore_index=True)
        return name

    def rewrite(self, file: str, content: bytes) -> None:
        path = self.root / file
        self._changed.setdefault(path, path.read_bytes())
        path.write_bytes(content)

    def labels(self, split: str) -> list[str]:
        return sorted(self.tables[split].ids.unique())

    def table(self, split: str) -> FaceTable:
        frame = self.tables[split]
        files, labels = (frame[column].to_numpy(dtype=object) for column in ("img", "ids"))
        return build_table(self.root, files, labels)

    def restore(self) -> None:
        for path in self._written:
            path.unlink(missing_ok=True)
        for path, content in self._changed.items():
            path.write_bytes(content)


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: what was done.
        plant: does it; gives the texts of which each must be in the findings, or none.
        rules: any of these is the right finding.
        also: findings that follow from the fault, and are no false alarm.
        by_embedding: whether it is looked for after training.
    """

    name: str
    plant: Callable[[Data], Sequence[str]]
    rules: tuple[str, ...]
    also: tuple[str, ...] = ()
    by_embedding: bool = False


def encoded(image: Image.Image, kind: str = "JPEG", quality: int = 90) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, quality=quality)
    return file.getvalue()


# ---- changes of an image


def crop(left: float, top: float, right: float, bottom: float) -> Change:
    def change(image: Image.Image) -> Image.Image:
        w, h = image.size
        box = (round(left * w), round(top * h), w - round(right * w), h - round(bottom * h))
        return image.crop(box)

    return change


def shift(x: int, y: int, fill: str = "black") -> Change:
    return lambda image: image.transform(
        image.size, Image.Transform.AFFINE, (1, 0, x, 0, 1, y), fillcolor=fill
    )


def rotate(degrees: float, fill: str = "black") -> Change:
    return lambda image: image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=fill)


def border(pixels: int, fill: str = "black") -> Change:
    return lambda image: ImageOps.expand(image, pixels, fill)


def logo(share: float) -> Change:
    def change(image: Image.Image) -> Image.Image:
        image = image.copy()
        (w, h), draw = image.size, ImageDraw.Draw(image)
        side = round(share * w)
        draw.rectangle((w - side - 4, h - side - 4, w - 4, h - 4), fill="red")
        draw.ellipse((w - side, h - side, w - 8, h - 8), fill="white")
        return image

    return change


def gamma(exponent: float) -> Change:
    curve = [round(255 * (value / 255) ** exponent) for value in range(256)] * 3
    return lambda image: image.point(curve)


def scaled(factor: float) -> Change:
    return lambda image: image.resize(
        (round(image.width * factor), round(image.height * factor)), Image.Resampling.BILINEAR
    )


def brighter(factor: float) -> Change:
    return lambda image: ImageEnhance.Brightness(image).enhance(factor)


def contrasted(factor: float) -> Change:
    return lambda image: ImageEnhance.Contrast(image).enhance(factor)


def blurred(radius: float) -> Change:
    return lambda image: image.filter(ImageFilter.GaussianBlur(radius))


def noisy(deviation: float) -> Change:
    def change(image: Image.Image) -> Image.Image:
        noise = np.random.default_rng(0).normal(0, deviation, (image.height, image.width, 3))
        return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))

    return change


def jpeg(quality: int) -> Change:
    return lambda image: Image.open(io.BytesIO(encoded(image, quality=quality))).convert("RGB")


def tinted(image: Image.Image) -> Image.Image:
    return Image.fromarray((np.asarray(image) * [1.2, 1.0, 0.7]).clip(0, 255).astype(np.uint8))


def grey(image: Image.Image) -> Image.Image:
    return image.convert("L").convert("RGB")


def watermarked(image: Image.Image) -> Image.Image:
    image = image.copy()
    for y in range(20, image.height, 60):
        ImageDraw.Draw(image).text((10, y), "SAMPLE WATERMARK", fill="white")
    return image


def covered(image: Image.Image) -> Image.Image:
    image = image.copy()
    w, h = image.size
    ImageDraw.Draw(image).rectangle((0, round(0.75 * h), w, h), fill=(40, 80, 160))
    return image


def in_turn(*changes: Change) -> Change:
    def change(image: Image.Image) -> Image.Image:
        for each in changes:
            image = each(image)
        return image

    return change


CHANGES: dict[str, Change] = {
    "mirrored": ImageOps.mirror,
    "cropped by 2%": crop(0.02, 0.02, 0.02, 0.02),
    "cropped by 5%": crop(0.05, 0.05, 0.05, 0.05),
    "cropped by 10%": crop(0.1, 0.1, 0.1, 0.1),
    "shifted by 4": shift(4, 4),
    "shifted by 8": shift(8, -8),
    "shifted by 12, white": shift(-12, 6, "white"),
    "rotated by 3": rotate(3),
    "rotated by -3, white": rotate(-3, "white"),
    "rotated by 5": rotate(5),
    "rotated by 10": rotate(10),
    "border of 10": border(10),
    "white border of 10": border(10, "white"),
    "border of 20": border(20),
    "logo of 15%": logo(0.15),
    "logo of 25%": logo(0.25),
    "gamma 0.5": gamma(0.5),
    "gamma 1.5": gamma(1.5),
    "gamma 2.2": gamma(2.2),
    "brightness 0.6": brighter(0.6),
    "brightness 1.3": brighter(1.3),
    "brightness 1.6": brighter(1.6),
    "contrast 1.5": contrasted(1.5),
    "contrast 2": contrasted(2),
    "JPEG 50": jpeg(50),
    "JPEG 20": jpeg(20),
    "JPEG 10": jpeg(10),
    "scaled by 0.5": scaled(0.5),
    "scaled by 0.25": scaled(0.25),
    "grey": grey,
    "tinted": tinted,
    "blurred by 2": blurred(2),
    "noise of 15": noisy(15),
    "sharpened": lambda image: image.filter(ImageFilter.UnsharpMask(3, 200)),
    "equalized": ImageOps.equalize,
    "watermarked": watermarked,
    "lower quarter covered": covered,
    "mirrored, cropped by 5%": in_turn(ImageOps.mirror, crop(0.05, 0.05, 0.05, 0.05)),
    "mirrored, rotated, JPEG 30": in_turn(ImageOps.mirror, rotate(3), jpeg(30)),
    "cropped, brighter, JPEG 40": in_turn(crop(0.05, 0.05, 0.05, 0.05), brighter(1.3), jpeg(40)),
    "border, gamma 1.5": in_turn(border(8), gamma(1.5)),
}

LEAK = ("image_in_two_splits", "near_image_in_two_splits")


def copied(
    source: str, target: str, change: Change | None = None, *, label: str | None = None
) -> Callable[[Data], Sequence[str]]:
    """Copies of a few images of a split in another one, or in the same one.

    ``label`` is ``same`` for the person's own, else the copy is under that of another person.
    """

    def plant(data: Data) -> Sequence[str]:
        owner = data.tables[source].set_index("img").ids
        planted = []
        for number, file in enumerate(data.some(source)):
            content = (data.root / file).read_bytes()
            if change is not None:
                content = encoded(change(data.image(file)), quality=85)
            own = str(owner[file])
            others = [each for each in data.labels(target) if each != own]
            person = own if label == "same" else others[number]
            planted.append(data.add(target, person, content, f"planted{number}.jpg"))
        return planted

    return plant


def blank(split: str, number: int, colour: str, name: str) -> Callable[[Data], Sequence[str]]:
    def plant(data: Data) -> Sequence[str]:
        content = encoded(Image.new("RGB", (178, 218), colour))
        people = data.labels(split)
        return [
            data.add(split, people[each], content + bytes(each), f"{name}{each}.jpg")
            for each in range(number)
        ]

    return plant


def truncated(data: Data) -> Sequence[str]:
    (file,) = data.some("test", 1)
    data.rewrite(file, (data.root / file).read_bytes()[:2000])
    return [file]


# ---- labels


def respelled(
    source: str, target: str, write: Callable[[str], str]
) -> Callable[[Data], Sequence[str]]:
    """Half of the images of two people of one split go to another under another spelling."""

    def plant(data: Data) -> Sequence[str]:
        people = data.labels(source)[:2]
        for person in people:
            rows = data.tables[source].index[data.tables[source].ids == person][::2]
            moved = data.tables[source].loc[rows].assign(ids=write(person))
            data.tables[source] = data.tables[source].drop(rows)
            data.tables[target] = pd.concat([data.tables[target], moved], ignore_index=True)
        return [repr(write(person)) if write(person) != person else person for person in people]

    return plant


def named_respelled(data: Data) -> Sequence[str]:
    """Names instead of numbers, written in two ways."""
    for split in data.tables:
        data.tables[split]["ids"] = "Person No " + data.tables[split].ids
    return respelled("train", "test", lambda name: name.lower().replace(" ", "_"))(data)


# ---- pairs


def all_pairs(data: Data, split: str) -> tuple[Pairs, Pairs]:
    """Genuine pairs of neighbours, and impostor pairs, of drawn images."""
    table = data.table(split)
    drawn = draw_pair_set(table, 3.5, 0.5, 1)
    rows = [
        (str(table.files[a]), str(table.files[b]), int(same))
        for (a, b), same in zip(drawn.rows, drawn.same, strict=True)
    ]
    return [row for row in rows if row[2]], [row for row in rows if not row[2]]


def listing(split: str, choose: Callable[[Pairs, Pairs], Pairs]) -> Callable[[Data], Sequence[str]]:
    def plant(data: Data) -> Sequence[str]:
        data.pairs[split] = choose(*all_pairs(data, split))
        return ()

    return plant


def flipped(pairs: Pairs) -> Pairs:
    return [(a, b, 1 - same) for a, b, same in pairs]


def dominated(data: Data) -> Sequence[str]:
    _, impostor = all_pairs(data, "test")
    table, person = data.tables["test"], data.labels("test")[0]
    own = table.img[table.ids == person].tolist()
    genuine = [(a, b, 1) for n, a in enumerate(own) for b in own[:n]]
    others = [pair for pair in all_pairs(data, "test")[0] if pair[0] not in own]
    data.pairs["test"] = [*genuine, *others[:12], *impostor]
    return [f"identity {person}"]


def copies_only(data: Data) -> Sequence[str]:
    """Every genuine pair is of an image and a copy of it, re-encoded or cropped."""
    genuine = []
    changes = [jpeg(60), crop(0.02, 0.02, 0.02, 0.02), brighter(1.2)]
    owner = data.tables["test"].set_index("img").ids
    files = [file for first in range(4) for file in data.some("test", 12, first)]
    for number, file in enumerate(files):
        content = encoded(changes[number % 3](data.image(file)))
        copy = data.add("test", str(owner[file]), content, f"planted{number}.jpg")
        genuine.append((file, copy, 1))
    _, impostor = all_pairs(data, "test")
    data.pairs["test"] = [*genuine, *impostor]
    return ()


def told_by(
    change: Change, kind: str = "JPEG", quality: int = 90, share: float = 1.0
) -> Callable[[Data], Sequence[str]]:
    """One image of each impostor pair is of another kind; those of genuine pairs are not."""

    def plant(data: Data) -> Sequence[str]:
        table = data.tables["test"]
        people = {str(person): rows.img.tolist() for person, rows in table.groupby("ids")}
        genuine = [
            (a, b, 1)
            for files in people.values()
            for n, a in enumerate(files[:6])
            for b in files[:n]
        ]
        names = sorted(people)
        impostor = [
            (people[one][6], people[other][7], 0)
            for one in names
            for other in names
            if one != other
        ]
        for number, person in enumerate(names):
            if number < share * len(names):
                file = people[person][7]
                data.rewrite(file, encoded(change(data.image(file)), kind, quality))
        data.pairs["test"] = [*genuine, *impostor]
        return ()

    return plant


# ---- splits


def split_of(
    split: str, change: Change, kind: str = "JPEG", quality: int = 90, share: float = 1.0
) -> Callable[[Data], Sequence[str]]:
    def plant(data: Data) -> Sequence[str]:
        for number, file in enumerate(data.tables[split].img):
            if number % 10 < 10 * share:
                data.rewrite(file, encoded(change(data.image(file)), kind, quality))
        return ()

    return plant


def unchanged(image: Image.Image) -> Image.Image:
    return image


def moved(source: str, target: str, people: int, share: int = 2) -> Callable[[Data], Sequence[str]]:
    """Every ``share``-th image of some people goes to another split, under their own label."""
    move = respelled(source, target, lambda label: label)

    def plant(data: Data) -> Sequence[str]:
        if people == 2:
            return move(data)
        for person in data.labels(source)[:people]:
            rows = data.tables[source].index[data.tables[source].ids == person][::share]
            given = data.tables[source].loc[rows]
            data.tables[source] = data.tables[source].drop(rows)
            data.tables[target] = pd.concat([data.tables[target], given], ignore_index=True)
        return ()

    return plant


def same_table(data: Data) -> Sequence[str]:
    data.tables["val"] = data.tables["test"].copy()
    return ()


def same_under_other_names(data: Data) -> Sequence[str]:
    """Val is test again: copied files, other labels."""
    copy = data.tables["test"].copy()
    for number, file in enumerate(copy.img):
        (data.root / f"again{number}.jpg").write_bytes((data.root / file).read_bytes())
        data._written.append(data.root / f"again{number}.jpg")
    copy["img"] = [f"again{number}.jpg" for number in range(len(copy))]
    copy["ids"] = "again" + copy.ids
    data.tables["val"] = copy
    return ()


# ---- labels that only embeddings can doubt


def mislabelled(split: str, share: float) -> Callable[[Data], Sequence[str]]:
    def plant(data: Data) -> Sequence[str]:
        labels = data.tables[split].ids.to_numpy(dtype=object).copy()
        wrong = data.random.choice(len(labels), round(share * len(labels)), replace=False)
        people = np.unique(labels)
        for row in wrong:
            labels[row] = data.random.choice(people[people != labels[row]])
        data.tables[split]["ids"] = labels
        return [f"of {split}"]

    return plant


def shuffled(split: str) -> Callable[[Data], Sequence[str]]:
    def plant(data: Data) -> Sequence[str]:
        data.tables[split]["ids"] = data.random.permutation(data.tables[split].ids.to_numpy())
        return [f"of {split}"]

    return plant


def slipped(split: str, rows: int) -> Callable[[Data], Sequence[str]]:
    """The column of labels stands some rows too low."""

    def plant(data: Data) -> Sequence[str]:
        data.tables[split]["ids"] = np.roll(data.tables[split].ids.to_numpy(), rows)
        return [f"of {split}"]

    return plant


def renamed_half(source: str, target: str, people: int = 3) -> Callable[[Data], Sequence[str]]:
    """Half of the images of a few people stand under a new label, in the same split or another."""

    def plant(data: Data) -> Sequence[str]:
        counts = data.tables[source].ids.value_counts()
        chosen = sorted(counts.index[counts >= 20])[:people]
        for number, person in enumerate(chosen):
            rows = data.tables[source].index[data.tables[source].ids == person][::2]
            given = data.tables[source].loc[rows].assign(ids=f"alias{number}")
            data.tables[source] = data.tables[source].drop(rows)
            data.tables[target] = pd.concat([data.tables[target], given], ignore_index=True)
        return [f"alias{number}" for number in range(people)]

    return plant


def faults() -> Iterator[Fault]:
    for number, (name, change) in enumerate(CHANGES.items()):
        source, target = (("train", "test"), ("val", "test"), ("train", "val"))[number % 3]
        yield Fault(f"{source} in {target}, {name}", copied(source, target, change), LEAK)
    for source, target in (("train", "test"), ("val", "test"), ("train", "val")):
        yield Fault(f"{source} in {target}, equal bytes", copied(source, target), LEAK)
    twice, labels = ("image_twice",), ("image_under_two_labels",)
    yield Fault("test twice, equal bytes", copied("test", "test", label="same"), twice)
    yield Fault("test twice, two labels", copied("test", "test"), labels)
    yield Fault("train twice, two labels", copied("train", "train"), labels)
    yield Fault(
        "test twice, mirrored", copied("test", "test", ImageOps.mirror, label="same"), twice
    )
    yield Fault("val twice, JPEG 40, two labels", copied("val", "val", jpeg(40)), labels)
    cropped = CHANGES["cropped by 5%"]
    yield Fault("train twice, cropped", copied("train", "train", cropped, label="same"), twice)
    bare = ("blank_image",)
    yield Fault("a black image in test", blank("test", 1, "black", "black"), bare)
    yield Fault("black images in train", blank("train", 3, "black", "black"), bare, twice + labels)
    yield Fault("white images in val", blank("val", 2, "white", "white"), bare, twice + labels)
    yield Fault("a truncated file", truncated, ("unreadable",))
    spelling = ("label_spelling",)
    yield Fault("0123 in test", respelled("train", "test", lambda label: "0" + label), spelling)
    yield Fault("123.0 in test", respelled("val", "test", lambda label: label + ".0"), spelling)
    yield Fault("0123 within test", respelled("test", "test", lambda label: "0" + label), spelling)
    yield Fault("123.0 within train", respelled("train", "train", lambda n: n + ".0"), spelling)
    yield Fault("a_name for A Name", named_respelled, spelling)
    people = ("identity_in_two_splits",)
    yield Fault("people of train in test", moved("train", "test", 2), people)
    yield Fault("people of val in test", moved("val", "test", 2), people)
    yield Fault("people of train in val", moved("train", "val", 2), people)
    few = ("too_few_genuine", "too_few_impostors")
    yield Fault("all people of test in train", moved("test", "train", 12), people, few)
    again = ("threshold_from_same_images", *LEAK)
    yield Fault("val is test", same_table, again, people)
    yield Fault("val is a renamed copy of test", same_under_other_names, again, people)
    yield from faults_of_pairs()
    yield from faults_of_splits()
    yield from faults_of_labels()


def faults_of_pairs() -> Iterator[Fault]:
    """Those of a list of pairs of test."""

    def pairs(name: str, choose: Callable[[Pairs, Pairs], Pairs], rule: str, *also: str) -> Fault:
        return Fault(name, listing("test", choose), (rule,), also)

    few, rare, main_person = "too_few_impostors", "too_few_genuine", "dominant_identity"
    yield pairs("impostor pairs only", lambda _, impostor: impostor, "one_kind_of_pair")
    yield pairs("genuine pairs only", lambda genuine, _: genuine, "one_kind_of_pair", few)
    yield pairs("three genuine pairs", lambda g, i: g[:3] + i, rare, main_person)
    yield pairs("an image with itself", lambda g, i: [*g, *i, (g[0][0], g[0][0], 1)], "self_pair")
    yield pairs(
        "pairs twice",
        lambda g, i: [*g, *i, *((b, a, same) for a, b, same in g[:4])],
        "duplicate_pair",
    )
    yield pairs(
        "five pairs contradict",
        lambda g, i: [*flipped(g[:5]), *g[5:], *i],
        "contradictory_pair",
    )
    yield pairs(
        "the column same is inverted",
        lambda g, i: [*flipped(g), *flipped(i)],
        "contradictory_pair",
    )
    yield Fault("most genuine pairs of one person", dominated, (main_person,), ("pair_hint",))
    alike = ("image_twice", "pair_shortcut")  # copies are of one brightness and colour
    yield Fault("genuine pairs are copies", copies_only, ("copies_compared",), alike)
    for name, plant in {
        "size": told_by(scaled(0.5)),
        "quality": told_by(unchanged, quality=40),
        "sharpness": told_by(blurred(2)),
        "encoding": told_by(unchanged, "PNG"),
        "colour": told_by(grey),
        "size, half of them": told_by(scaled(0.8), share=0.5),
    }.items():
        rules = ("pair_shortcut", "pair_hint")
        yield Fault(f"impostors differ in {name}", plant, rules, ("split_differs",))


def faults_of_splits() -> Iterator[Fault]:
    """Those of all images, or many, of a split."""
    for name, plant in {
        "test of half the size": split_of("test", scaled(0.5)),
        "test at JPEG 50": split_of("test", unchanged, quality=50),
        "test as PNG": split_of("test", unchanged, "PNG"),
        "test enlarged from half the size": split_of("test", in_turn(scaled(0.5), scaled(2))),
        "test in grey": split_of("test", grey),
        "40% of val at JPEG 30": split_of("val", unchanged, quality=30, share=0.4),
        "train darkened": split_of("train", brighter(0.4)),
    }.items():
        yield Fault(name, plant, ("split_differs",))


def faults_of_labels() -> Iterator[Fault]:
    """Those that only embeddings can doubt."""
    wrong, couples = ("wrong_labels",), ("one_person_two_labels",)
    for split in ("train", "val", "test"):
        name = f"labels of {split} shuffled"
        yield Fault(name, shuffled(split), wrong, by_embedding=True)
        name = f"10% of the labels of {split} wrong"
        yield Fault(name, mislabelled(split, 0.1), wrong, by_embedding=True)
    name = "labels of test ten rows too low"
    # Labels next to each other then share people.
    yield Fault(name, slipped("test", 10), wrong, couples, by_embedding=True)
    name = "5% of the labels of train wrong"
    yield Fault(name, mislabelled("train", 0.05), wrong, by_embedding=True)
    name = "30% of the labels of test wrong"
    yield Fault(name, mislabelled("test", 0.3), wrong, by_embedding=True)
    for source, target in (("train", "train"), ("val", "val"), ("test", "test"), ("train", "test")):
        where = f"within {source}" if source == target else f"in {source} and {target}"
        plant = renamed_half(source, target)
        yield Fault(f"people under two labels {where}", plant, couples, wrong, by_embedding=True)


# ---- the clean set


def clean_tables(
    folder: Path, people: dict[str, int] | None = None, images: int = 0
) -> dict[str, pd.DataFrame]:
    """The tables without copies of images, cut down to some people and images of each."""
    root = folder / "img_align_celeba"
    frames = {
        split: pd.read_csv(folder / f"{split}.csv", dtype=str)[["img", "ids"]]
        for split in ("train", "val", "test")
    }
    tables = {
        split: build_table(root, frame.img.to_numpy(object), frame.ids.to_numpy(object))
        for split, frame in frames.items()
    }
    digests = {split: TableDigests(table).get() for split, table in tables.items()}
    copies = find_copies(tables, digests, Processes())
    seen: set[int] = set()
    for split, frame in frames.items():
        kept = []
        for group in copies.groups_of(split).tolist():
            kept.append(group not in seen)
            seen.add(group)
        frames[split] = frame[kept]
    if people is None:
        return {split: frame.reset_index(drop=True) for split, frame in frames.items()}
    cut = {}
    for split, frame in frames.items():
        counts = frame.ids.value_counts()
        names = sorted(counts.index[counts >= images])[: people[split]]
        rows = frame[frame.ids.isin(names)].groupby("ids", sort=True).head(images)
        cut[split] = rows.reset_index(drop=True)
    return cut


@dataclass
class Campaign:
    """Plants faults one after the other.

    Attributes:
        celeba: folder of the faces.
        root: a folder of its own.
    """

    celeba: Path
    root: Path
    _embeddings: dict[str, Numbers] = field(default_factory=dict)

    @cached_property
    def small(self) -> dict[str, pd.DataFrame]:
        """The clean tables of a few people; their images are copied into ``root``."""
        tables = clean_tables(self.celeba, PEOPLE, IMAGES)
        for table in tables.values():
            for file in table.img:
                shutil.copyfile(self.celeba / "img_align_celeba" / file, self.root / file)
        return tables

    @cached_property
    def large(self) -> dict[str, pd.DataFrame]:
        """The clean tables of all people, for labels."""
        return clean_tables(self.celeba)

    @cached_property
    def experiment(self) -> Experiment:
        for split, table in self.small.items():
            table.to_csv(self.root / f"{split}.csv", index=False)
        file = self.root / "planted.yaml"
        file.write_text(EXPERIMENT.format(root=self.root))
        return load_experiment(file)

    def lint(self, data: Data) -> list[Finding]:
        """What the linter says before a run."""
        splits = [NamedImages(name, TableDigests(data.table(name))) for name in data.tables]
        pairs: dict[str, PairSet] = {}
        for split in splits[1:]:
            if split.name in data.pairs:
                lines = [",".join(map(str, pair)) for pair in data.pairs[split.name]]
                path = data.root / "pairs.csv"
                path.write_text("\n".join(["file1,file2,same", *lines]) + "\n")
                pairs[split.name] = read_pair_list(path, split.table)
            else:
                settings = self.experiment.evaluate
                space = split.table
                pairs[split.name] = draw_pair_set(space, settings.pairs_per_image / 2, 0.5, 1)
        return list(lint_protocol(self.experiment, splits, pairs, Processes()).findings)

    def look(self, data: Data) -> list[Finding]:
        """What embeddings say after training."""
        embeddings = self._embedded()
        findings = Findings({})
        splits = []
        for name in data.tables:
            table = data.table(name)
            rows = np.arange(len(table))
            numbers = np.stack([embeddings[str(file)] for file in table.files])
            splits.append(EmbeddedSplit(name, table, rows, numbers.astype(np.float64)))
        find_embedding_suspects(splits, findings)
        return list(findings.report().findings)

    def _embedded(self) -> dict[str, Numbers]:
        if not self._embeddings:
            network = untouched_backbone(self.experiment, pick_device("cpu"))
            root = self.celeba / "img_align_celeba"
            for name, frame in self.large.items():
                files, labels = frame.img.to_numpy(object), frame.ids.to_numpy(object)
                table = build_table(root, files, labels)
                digests = TableDigests(table)
                inputs = make_inputs(self.experiment, network, digests)
                split = Split(name, table, inputs, digests)
                system = NetworkSystem(network, split, self.experiment, Processes(), UNTOUCHED)
                numbers = system.embed(np.arange(len(table))).numpy()
                self._embeddings |= dict(zip(table.files.tolist(), numbers, strict=True))
        return self._embeddings

    def clean(self, *, by_embedding: bool) -> Data:
        """A copy of the clean set."""
        if by_embedding:
            return Data(self.celeba / "img_align_celeba", self.large)
        return Data(self.root, self.small)

    def findings(self, fault: Fault) -> tuple[Sequence[str], list[Finding]]:
        """The planted things, and the findings."""
        data = self.clean(by_embedding=fault.by_embedding)
        planted = fault.plant(data)
        try:
            found = self.look(data) if fault.by_embedding else self.lint(data)
        except (DataError, FacesimError) as error:
            stopped = Finding.model_construct(
                rule="unreadable", severity="error", message=str(error), rows=(), images=()
            )
            return planted, [stopped]
        finally:
            data.restore()
        return planted, found


def judged(fault: Fault, planted: Sequence[str], findings: list[Finding]) -> tuple[str, list[str]]:
    """``found``, ``partial`` or ``missed``; and the false alarms."""
    right = [finding for finding in findings if finding.rule in fault.rules]
    text = "\n".join(str(finding) for finding in right)
    named = sum(thing in text for thing in planted)
    complete = named == len(planted)
    verdict = "missed" if not right else "found" if complete else "partial" if named else "missed"
    wrong = [str(f.rule) for f in findings if f.rule not in (*fault.rules, *fault.also)]
    return verdict, wrong


def main() -> None:
    load_installed_plugins()
    celeba = os.environ.get("FACESIM_CELEBA")
    if not celeba:
        sys.exit("FACESIM_CELEBA names no folder of faces")
    words = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(Path(celeba), Path(folder))
        chosen = [
            fault for fault in faults() if not words or any(word in fault.name for word in words)
        ]
        counts = dict.fromkeys(("found", "partial", "missed"), 0)
        alarms = 0
        number = 0
        for by_embedding in sorted({fault.by_embedding for fault in chosen}):
            data = campaign.clean(by_embedding=by_embedding)
            clean = campaign.look(data) if by_embedding else campaign.lint(data)
            alarms += len(clean)
            kind = "by embedding" if by_embedding else "before training"
            print(f"clean, {kind}: {len(clean)} false alarms", *clean, sep="\n", flush=True)
            for fault in chosen:
                if fault.by_embedding is not by_embedding:
                    continue
                number, begun = number + 1, time.perf_counter()
                planted, findings = campaign.findings(fault)
                verdict, wrong = judged(fault, planted, findings)
                counts[verdict] += 1
                alarms += len(wrong)
                by = ", ".join(sorted({str(f.rule) for f in findings if f.rule in fault.rules}))
                seconds = time.perf_counter() - begun
                also = f"  false: {', '.join(wrong)}" if wrong else ""
                line = f"{number:3} {verdict:8}{fault.name:45}{by} ({seconds:.1f} s){also}"
                print(line, flush=True)
        print(f"{len(chosen)} faults: " + ", ".join(f"{n} {v}" for v, n in counts.items()), end="")
        print(f"; {alarms} false alarms")


if __name__ == "__main__":
    main()
