"""``facesim new experiment``: what the images that a person names are recognised as."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from facesim import DataError, FacesimError, FaceTable, PluginError, Recognised, build_table
from facesim.discovery import load_installed_plugins
from facesim.experiment.loading import load_experiment
from facesim.interfaces import backbones, datasets
from facesim.processes import Processes
from facesim.registry import Registry
from facesim.scaffold.experiment import Answers, write_experiment
from facesim.scaffold.faces import Faces, find_faces, needs_root, possible_faces
from facesim.training.lint import lint_experiment

load_installed_plugins()


@pytest.fixture(autouse=True)
def _isolated() -> Iterator[None]:
    with datasets.isolated(), backbones.isolated():
        yield


def draw(root: Path, people: int, images: int = 2, size: tuple[int, int] = (30, 40)) -> Path:
    """One folder per person; ``size`` is width and height."""
    for person in range(people):
        folder = root / f"person {person}"
        folder.mkdir(parents=True)
        for image in range(images):
            pixels = np.full((size[1], size[0], 3), 2 * person + image, dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{image}.png")
    return root


def data_of(faces: Faces) -> Any:
    return yaml.safe_load(faces.data)


def test_people_whom_nobody_has_split_are_a_source_that_is_split(tmp_path: Path) -> None:
    root = draw(tmp_path / "photos: mine", 40)
    faces = find_faces(str(root))
    assert data_of(faces) == {
        "source": {"name": "folder", "root": str(root)},
        "split": {"ratios": [0.5, 0.25, 0.25], "seed": 0},
    }
    assert faces.told == (
        f"{root}: one folder per person; 40 people, 80 images of about 40 x 30 pixels "
        "(height x width)"
    )
    assert f"# {root}" in faces.data


def test_few_people_are_divided_so_that_each_split_has_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facesim.scaffold.faces.protocols", Registry("protocol", "protocols"))
    faces = find_faces(str(draw(tmp_path / "photos", 29)))
    assert data_of(faces)["split"]["ratios"] == [0.4, 0.3, 0.3]
    assert "# 29 people are few to divide: expect wide intervals." in faces.data


@pytest.mark.parametrize(("people", "images"), [(30, 4), (30, 6), (40, 4), (40, 9)])
def test_the_linter_finds_enough_pairs_of_everybody(
    people: int, images: int, tmp_path: Path
) -> None:
    root, generator = tmp_path / "photos", np.random.default_rng(0)
    for person, image in product(range(people), range(images)):
        path = root / f"person {person}" / f"{image}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(path)
    file = write_experiment(Answers(find_faces(str(root))), tmp_path / "mine.yaml")[0]
    report = lint_experiment(load_experiment(file), Processes()).report
    rules = {finding.rule for finding in report.findings}
    assert rules.isdisjoint({"too_few_genuine", "dominant_identity"})


def test_too_few_images_for_pairs_are_said_in_the_file(tmp_path: Path) -> None:
    faces = find_faces(str(draw(tmp_path / "few", 40)))
    assert faces.pairs_per_image == 1  # of 20 images, so that each genuine pair is there once
    assert "# val has 10 genuine pairs, fewer than 30: more images per person" in faces.data
    many = find_faces(str(draw(tmp_path / "many", 100)))
    assert data_of(many)["split"]["ratios"] == [0.7, 0.1, 0.2]
    alone = find_faces(str(draw(tmp_path / "alone", 30, 1)))
    assert "# the source has 30 identities" in alone.data


@pytest.mark.parametrize(("images", "pairs"), [(1, 1), (2, 1), (5, 2), (6, 2), (9, 4), (30, 4)])
def test_few_images_are_compared_in_more_pairs(images: int, pairs: int, tmp_path: Path) -> None:
    faces = find_faces(str(draw(tmp_path / "photos", 6, images)))
    assert faces.pairs_per_image == pairs


def test_people_who_are_too_few_for_three_splits_are_refused(tmp_path: Path) -> None:
    root = draw(tmp_path / "photos", 5)
    with pytest.raises(FacesimError, match="one folder per person, with 5 people; too few to be"):
        find_faces(str(root))
    draw(root / "train", 2), draw(root / "val", 2), draw(root / "test", 2)
    assert "split" not in data_of(find_faces(str(root)))


def test_a_protocol_may_make_a_division_needless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own: Registry[Any] = Registry("protocol", "protocols")
    monkeypatch.setattr("facesim.scaffold.faces.protocols", own)

    @own("mine", suggest=lambda people: "{name: mine}" if people < 30 else None)
    def mine() -> Any: ...

    few, many = (find_faces(str(draw(tmp_path / str(people), people))) for people in (29, 30))
    assert (few.protocol, "split" in data_of(few)) == ("{name: mine}", False)
    assert "# 29 people are few to divide: `evaluate.protocol` tests all in turn." in few.data
    assert (many.protocol, "split" in data_of(many)) == ("", True)


@pytest.mark.parametrize(
    ("size", "expected", "backbone"),
    [
        ((30, 40), (40, 30), "small_cnn"),
        ((10, 300), (224, 16), "small_cnn"),
        ((95, 120), (120, 95), "small_cnn"),
        ((96, 96), (96, 96), "resnet"),
        ((178, 218), (218, 178), "resnet"),
        ((1600, 1200), (168, 224), "resnet"),
    ],
)
def test_the_network_sees_the_size_of_the_images(
    size: tuple[int, int], expected: tuple[int, int], backbone: str, tmp_path: Path
) -> None:
    faces = find_faces(str(draw(tmp_path / "photos", 6, 1, size)))
    assert faces.size == expected
    node = yaml.safe_load(faces.backbone)
    assert (node if isinstance(node, str) else node["name"]) == backbone
    assert ("image.aligner" in faces.data) == (max(size) >= 400)


def test_sizes_are_those_of_images_that_can_be_opened_and_stand_upright(tmp_path: Path) -> None:
    root = draw(tmp_path / "photos", 6, 1)
    turned = Image.new("RGB", (40, 30))
    exif = Image.Exif()
    exif[0x0112] = 6
    for number in range(10):
        turned.save(root / "person 0" / f"{number}.jpg", exif=exif)
    (root / "person 1" / "broken.png").write_bytes(b"no image")
    assert find_faces(str(root)).size == (40, 30)
    for path in root.glob("*/*.*"):
        path.write_bytes(b"no image")
    with pytest.raises(FacesimError, match="no image of those looked at can be opened"):
        find_faces(str(root))


def of(root: Path) -> FaceTable:
    files = np.array([f"person {person}/0.png" for person in range(6)], dtype=object)
    return build_table(root, files, np.array([*"abcdef"], dtype=object))


def registered(name: str, root: Path, **more: Any) -> None:
    @datasets(name, suggest=lambda _: Recognised(name, {"source": {"name": name}}, **more))
    def mine() -> FaceTable:
        return of(root)


def test_certainty_goes_before_a_layout_that_others_share(tmp_path: Path) -> None:
    root = draw(tmp_path / "photos", 6)
    registered("surely", root, certain=True, notes=("Mind the \x1b[31m gap.",))
    registered("aaa", root)
    faces = find_faces(str(root))
    assert data_of(faces)["source"] == {"name": "surely"}
    assert "# Mind the \\x1b[31m gap." in faces.data
    assert "# It could also be read as: aaa, one folder per person." in faces.data
    assert data_of(find_faces("folder", str(root)))["source"]["name"] == "folder"


def test_a_source_that_is_divided_already_is_taken_at_its_word(tmp_path: Path) -> None:
    registered("split", draw(tmp_path / "photos", 6), certain=True, divided=True)
    assert data_of(find_faces(str(tmp_path))) == {"source": {"name": "split"}}


def test_what_is_missing_is_said_if_nobody_recognises_the_folder(tmp_path: Path) -> None:
    def nearly(_: Path) -> None:
        raise DataError("the list is missing")

    @datasets("nearly", suggest=nearly)
    def mine() -> FaceTable:
        raise NotImplementedError

    root = draw(tmp_path / "photos", 6)
    assert data_of(find_faces(str(root)))["source"]["name"] == "folder"
    (tmp_path / "empty").mkdir()
    with pytest.raises(FacesimError, match=r"^the list is missing$"):
        find_faces(str(tmp_path / "empty"))


@pytest.mark.parametrize(
    ("faces", "root", "message"),
    [
        ("nowhere", "", "nowhere: no such folder or file, and no dataset is called 'nowhere'"),
        ("foldr", "", r"foldr: .*no dataset is called 'foldr' \(did you mean 'folder'\?\)"),
        ("foldr", "empty", "no dataset is called 'foldr' .*; leave it out, and empty is looked"),
        ("folder", "", "the dataset folder reads a folder; name it too, as --root DIR"),
        ("folder", "nowhere", "nowhere: no such folder or file$"),
        ("", "nowhere", "nowhere: no such folder or file$"),
        ("synthetic", "empty", "the dataset synthetic_faces reads no folder; leave empty out"),
        (
            "empty",
            "",
            r"empty: no dataset finds its images there:\n  celeba: (?s:.*)  folder: Each",
        ),
        ("insightface_bin", "empty", "does not say how an experiment begins with it"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_to_do(
    faces: str, root: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    with pytest.raises(FacesimError, match=message):
        find_faces(faces, root)


def test_a_suggestion_of_another_kind_is_the_fault_of_its_plugin(tmp_path: Path) -> None:
    @datasets("mine", suggest=lambda _: "source: mine")
    def mine() -> FaceTable:
        raise NotImplementedError

    with pytest.raises(PluginError, match=r"test_faces.py:\d+: the dataset 'mine' suggests a str"):
        find_faces(str(tmp_path))


def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    @datasets("mine", suggest=lambda _: Recognised("mine", {"source": {"name": "mine"}}))
    def mine() -> FaceTable:
        raise DataError("table.csv:7: the cell is empty")

    with pytest.raises(FacesimError, match=r"^table\.csv:7: the cell is empty$"):
        find_faces(str(tmp_path))


def test_a_starter_alone_gets_the_folder_into_its_lines(tmp_path: Path) -> None:
    @datasets("mine", starter="train: {name: mine, root: ROOT/train}")
    def mine(*, root: Path) -> FaceTable:
        raise NotImplementedError

    inside = tmp_path / 'a ": ${HOME}'
    inside.mkdir()
    (line,) = data_of(find_faces("mine", str(inside))).values()
    assert line["root"] == f"{inside}/train".replace("${", "$${")


def test_without_an_answer_faces_are_drawn() -> None:
    assert find_faces() == find_faces(possible_faces()[0].name) == find_faces("synthetic")
    assert [needs_root(name) for name in ("synthetic", "folder", "lfw", "other")] == [
        False,
        True,
        True,
        False,
    ]


def test_a_home_folder_may_be_abbreviated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    draw(tmp_path / "photos", 6)
    assert data_of(find_faces("~/photos"))["source"]["root"] == str(tmp_path / "photos")
