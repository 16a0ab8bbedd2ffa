"""Size, encoding and quality must tell neither splits nor kinds of pairs apart."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from facesim.data.linter.findings import Finding, Findings
from facesim.data.linter.image_properties import read_properties
from facesim.data.linter.properties import lint_properties
from facesim.errors import DataError
from facesim.experiment.sections import Rule
from facesim.interfaces import FaceTable, PairSet
from facesim.processes import Processes

PEOPLE, IMAGES = 10, 6

Change = Callable[[Image.Image], Image.Image]


def face(seed: int) -> Image.Image:
    """Random smooth pixels with some detail."""
    generator = np.random.default_rng(seed)
    coarse, fine = (
        Image.fromarray(generator.integers(0, 256, (side, side, 3)).astype(np.uint8)).resize(
            (48, 56), Image.Resampling.BICUBIC
        )
        for side in (6, 40)
    )
    return Image.blend(coarse, fine, 0.3)


def same_image(image: Image.Image) -> Image.Image:
    return image


def split(
    folder: Path,
    first: int,
    change: Change = same_image,
    *,
    ending: str = "jpg",
    quality: int = 90,
    spoiled: float = 1.0,
) -> FaceTable:
    """Ten people of six images, of which a share is changed or encoded otherwise."""
    folder.mkdir()
    files, order = [], np.random.default_rng(first)
    for number in range(PEOPLE * IMAGES):
        image, spoil = face(1000 * first + number), order.random() < spoiled
        files.append(f"{number}.{ending if spoil else 'jpg'}")
        image = change(image) if spoil else image
        image.save(folder / files[-1], quality=quality if spoil else 90)
    identities = np.repeat(np.arange(PEOPLE), IMAGES)
    return FaceTable(folder, np.array(files), identities, np.arange(PEOPLE).astype(str))


def linted(
    tables: dict[str, FaceTable], pairs: dict[str, PairSet] | None = None
) -> dict[Rule, Finding]:
    findings = Findings({})
    lint_properties(tables, pairs or {}, findings, Processes())
    return {finding.rule: finding for finding in findings.report().findings}


def test_splits_made_alike_differ_in_nothing(tmp_path: Path) -> None:
    tables = {name: split(tmp_path / name, n) for n, name in enumerate(("train", "val", "test"))}
    assert linted(tables) == {}


DIFFERING: dict[str, tuple[dict[str, object], str]] = {
    "encoding": ({"ending": "png"}, "encoding: JPEG RGB 100% in train, JPEG RGB 0% in test"),
    "some encodings": ({"ending": "png", "spoiled": 0.4}, "encoding: JPEG RGB 100% in train"),
    "quality": ({"quality": 50}, "JPEG quality: 90 in train, 50 in test"),
    "some qualities": ({"quality": 30, "spoiled": 0.4}, "JPEG quality: 90 100% in train, 90 "),
    "size": (
        {"change": lambda image: image.resize((24, 28))},
        "height x width in pixels: 56 x 48 100% in",
    ),
    "blur": (
        {"change": lambda image: image.filter(ImageFilter.GaussianBlur(2))},
        "sharpness (standard deviation of the Laplacian): ",
    ),
    "grey": ({"change": lambda image: image.convert("L").convert("RGB")}, "saturation: "),
    "dark": ({"change": lambda image: image.point(lambda value: value // 3)}, "brightness: "),
}


@pytest.mark.parametrize("what", DIFFERING)
def test_a_split_of_another_kind_is_told(tmp_path: Path, what: str) -> None:
    spoil, told = DIFFERING[what]
    tables = {
        "train": split(tmp_path / "train", 0),
        "test": split(tmp_path / "test", 1, **spoil),  # type: ignore[arg-type]
    }
    finding = linted(tables)["split_differs"]
    assert finding.severity == "warning"
    assert finding.message.startswith("the images of train and test differ in kind")
    assert any(row.startswith(told) for row in finding.rows), finding.rows


def test_what_a_tenth_of_all_images_are_is_usual_enough_to_be_told(tmp_path: Path) -> None:
    """One of each person's five images is a PNG in one split, of two rare kinds in the other."""
    tables = {}
    for name, endings in {"train": ("bmp", "webp"), "test": ("png", "png")}.items():
        table = split(tmp_path / name, 0)
        kept = np.flatnonzero(np.arange(len(table)) % IMAGES)
        files = table.files[kept].astype(object)
        for number, ending in enumerate(endings * (PEOPLE // 2)):
            files[5 * number] = f"{number}.{ending}"
            face(number).save(tmp_path / name / f"{number}.{ending}")
        tables[name] = FaceTable(table.root, files, table.identities[kept], table.labels)
    rows = linted(tables)["split_differs"].rows
    assert "encoding: PNG RGB 0% in train, PNG RGB 20% in test" in rows


def pairs_of(table: FaceTable) -> PairSet:
    """All genuine pairs of images 0 to 3 of each person; impostors are of images 4 and 5."""
    first = np.arange(PEOPLE) * IMAGES
    genuine = [(row + a, row + b) for row in first for a in range(4) for b in range(a)]
    impostor = [(row + 4, other + 5) for row in first for other in first if row != other]
    rows = np.array(genuine + impostor, np.int64)
    return PairSet(rows, table.identities[rows[:, 0]] == table.identities[rows[:, 1]])


def spoiled_impostors(folder: Path, change: Change) -> FaceTable:
    table = split(folder, 3)
    for row in range(5, len(table), IMAGES):
        change(face(row)).save(table.path(row), quality=90)
    return table


def test_impostors_that_always_differ_in_size_are_a_shortcut(tmp_path: Path) -> None:
    table = spoiled_impostors(tmp_path / "test", lambda image: image.resize((36, 42)))
    finding = linted({"test": table}, {"test": pairs_of(table)})["pair_shortcut"]
    assert finding.severity == "error"
    assert "height x width in pixels" in finding.message
    assert "ROC curve 1.00" in finding.message
    assert "whether the two images differ in height x width in pixels" in "".join(finding.rows)
    assert len(finding.images) == 10


def test_impostors_that_are_often_blurred_are_a_hint(tmp_path: Path) -> None:
    table = split(tmp_path / "test", 3)
    for row in range(5, len(table), 2 * IMAGES):
        face(row).filter(ImageFilter.GaussianBlur(2)).save(table.path(row), quality=90)
    found = linted({"test": table}, {"test": pairs_of(table)})
    assert "pair_shortcut" not in found
    assert found["pair_hint"].severity == "warning"


def test_pairs_of_images_made_alike_have_no_shortcut(tmp_path: Path) -> None:
    table = split(tmp_path / "test", 3)
    assert linted({"test": table}, {"test": pairs_of(table)}) == {}


def test_no_image_is_read_where_the_rules_are_off(tmp_path: Path) -> None:
    table = split(tmp_path / "test", 3)
    table.path(0).write_bytes(b"no image")
    findings = Findings({"split_differs": "off", "pair_shortcut": "off", "pair_hint": "off"})
    lint_properties({"test": table}, {}, findings, Processes())
    assert findings.report().findings == ()
    with pytest.raises(DataError, match=r"0\.jpg: its header"):
        linted({"test": table})


@pytest.mark.parametrize("quality", [20, 50, 75, 90, 100])
def test_the_quality_of_a_jpeg_is_read_from_its_quantisation(tmp_path: Path, quality: int) -> None:
    face(0).save(tmp_path / "0.jpg", quality=quality)
    table = FaceTable(tmp_path, np.array(["0.jpg"]), np.zeros(1, np.int64), np.array(["ann"]))
    found = read_properties(table, np.zeros(1, np.int64))
    assert found["quality"][0] == pytest.approx(quality, abs=2)
    assert (found["encoding"][0], found["size"][0]) == ("JPEG RGB", "56 x 48")
