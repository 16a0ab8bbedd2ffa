"""Copies among the images of several tables."""

from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps

from facesim.data import decoding, image_copies, thumbnails
from facesim.data.image_copies import ImageCopies, find_copies
from facesim.data.image_digests import image_digests
from facesim.errors import DataError
from facesim.interfaces import FaceTable
from facesim.processes import Processes
from facesim.reporters import PlainReporter
from tests.facesim.data.drawn_faces import CHANGES, drawn_face


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))


class Faces:
    """Splits of drawn faces; the file ``p3.png`` shows person 3."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.splits: dict[str, list[str]] = {"train": [], "test": []}
        for person in range(12):
            split = "train" if person < 8 else "test"
            self.add(split, f"p{person}.png", drawn_face(person, 0))

    def add(self, split: str, name: str, image: Image.Image) -> None:
        image.save(self.root / name)
        self.splits[split].append(name)

    def image(self, name: str) -> Image.Image:
        with Image.open(self.root / name) as image:
            return image.convert("RGB")

    @property
    def tables(self) -> dict[str, FaceTable]:
        return {
            name: FaceTable(
                self.root, np.array(files), np.arange(len(files)), np.array([f[:2] for f in files])
            )
            for name, files in self.splits.items()
        }

    def copies(self, *, near: bool = True) -> ImageCopies:
        tables = self.tables
        digests = {name: image_digests(table) for name, table in tables.items()}
        return find_copies(tables, digests, Processes(), near=near)


@pytest.fixture
def faces(tmp_path: Path) -> Faces:
    folder = tmp_path / "images"
    folder.mkdir()
    return Faces(folder)


def names(rows: npt.NDArray[np.int64], left: FaceTable, right: FaceTable) -> list[tuple[str, str]]:
    return [(str(left.files[a]), str(right.files[b])) for a, b in rows]


def test_different_images_have_no_copy(faces: Faces) -> None:
    copies = faces.copies()
    assert len(copies.near_between("train", "test")) == 0
    assert len(copies.within("train")) == len(copies.within("test")) == 0
    assert len(np.unique(copies.groups)) == 12


def test_near_duplicates_of_two_tables_are_named_in_the_order_of_the_tables(faces: Faces) -> None:
    faces.add("test", "again.png", CHANGES["quality 20"](faces.image("p2.png")))
    faces.add("train", "flip.png", ImageOps.mirror(faces.image("p9.png")))
    tables, copies = faces.tables, faces.copies()
    forth = copies.near_between("train", "test")
    expected = [("p2.png", "again.png"), ("flip.png", "p9.png")]
    assert names(forth.rows, tables["train"], tables["test"]) == expected
    assert forth.mirrored.tolist() == [False, True]
    back = copies.near_between("test", "train")
    assert names(back.rows, tables["test"], tables["train"]) == [(b, a) for a, b in expected[::-1]]


def test_equal_files_and_near_duplicates_within_a_table(faces: Faces) -> None:
    faces.add("train", "same.png", faces.image("p4.png"))
    faces.add("train", "near.png", CHANGES["5% cropped"](faces.image("p4.png")))
    tables, copies = faces.tables, faces.copies()
    within = copies.within("train")
    found = names(within.rows, tables["train"], tables["train"])
    assert found == [("p4.png", "same.png"), ("p4.png", "near.png")]
    assert within.identical.tolist() == [True, False]
    groups = copies.groups_of("train")
    assert groups[4] == groups[-1] == groups[-2]
    assert len(np.unique(groups)) == 8


def test_blank_images_are_no_copies_of_each_other_unless_their_files_are_equal(
    faces: Faces,
) -> None:
    faces.add("train", "black.png", Image.new("RGB", (178, 218)))
    faces.add("train", "white.png", Image.new("RGB", (178, 218), (255, 255, 255)))
    faces.add("test", "grey.png", Image.new("RGB", (178, 218), (90, 90, 90)))
    faces.add("test", "grey-2.png", Image.new("RGB", (178, 218), (90, 90, 90)))
    tables, copies = faces.tables, faces.copies()
    assert tables["train"].files[copies.blank_rows("train")].tolist() == ["black.png", "white.png"]
    assert tables["test"].files[copies.blank_rows("test")].tolist() == ["grey.png", "grey-2.png"]
    assert len(copies.near_between("train", "test")) == len(copies.within("train")) == 0
    assert copies.within("test").identical.tolist() == [True]


def test_where_near_ones_are_not_asked_for_no_image_is_decoded(faces: Faces) -> None:
    faces.add("train", "same.png", faces.image("p4.png"))
    (faces.root / "p1.png").write_bytes(b"no image")
    copies = faces.copies(near=False)
    assert copies.within("train").identical.tolist() == [True]
    assert not copies.blank.any()
    with pytest.raises(DataError, match=r"p1\.png"):
        faces.copies()


def test_more_images_than_may_be_decoded_are_not_unless_the_result_is_cached(faces: Faces) -> None:
    faces.add("test", "near.png", CHANGES["5% cropped"](faces.image("p4.png")))
    tables = faces.tables
    digests = {name: image_digests(table) for name, table in tables.items()}
    few = find_copies(tables, digests, Processes(), at_most=12)
    assert (few.decoded, len(few.near.rows)) == (False, 0)
    enough = find_copies(tables, digests, Processes(), at_most=13)
    assert (enough.decoded, len(enough.near.rows)) == (True, 1)
    cached = find_copies(tables, digests, Processes(), at_most=12)
    assert (cached.decoded, len(cached.near.rows)) == (True, 1)


def test_a_table_that_is_too_large_is_compared_with_the_others_only(
    faces: Faces, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    faces.add("train", "within.png", CHANGES["5% cropped"](faces.image("p4.png")))
    faces.add("train", "flip.png", ImageOps.mirror(faces.image("p9.png")))
    faces.add("test", "between.png", CHANGES["quality 20"](faces.image("p4.png")))
    tables = faces.tables
    digests = {name: image_digests(table) for name, table in tables.items()}
    monkeypatch.setattr("facesim.data.image_copies.COMPARED_WITHIN", 9)
    found = find_copies(tables, digests, Processes(PlainReporter()))
    assert "10 images of the largest split are too many to compare" in capsys.readouterr().out
    forth = found.near_between("train", "test")
    assert names(forth.rows, tables["train"], tables["test"]) == [
        ("p4.png", "between.png"),
        ("within.png", "between.png"),
        ("flip.png", "p9.png"),
    ]
    assert len(found.within("train")) == 0
    assert (found.near.rows[:, 0] < found.near.rows[:, 1]).all()
    monkeypatch.undo()
    assert len(faces.copies().within("train")) == 1


@pytest.mark.parametrize(("within", "apart"), [(2, [0, 1, 2]), (3, [])])
def test_what_the_largest_table_shares_with_others_is_compared_with_all(
    monkeypatch: pytest.MonkeyPatch, within: int, apart: list[int]
) -> None:
    monkeypatch.setattr(image_copies, "COMPARED_WITHIN", within)
    contents = {"val": np.array([5]), "train": np.array([0, 1, 2, 3]), "test": np.array([3, 4])}
    assert np.flatnonzero(image_copies._apart(contents, 6)).tolist() == apart


def test_groups_reach_through_others(faces: Faces) -> None:
    """A copy of a copy, which is no near-duplicate of the first any more."""
    first = faces.image("p5.png")
    second = CHANGES["5% cropped"](first)
    third = CHANGES["5% cropped"](second)
    faces.add("test", "second.png", second)
    faces.add("test", "third.png", CHANGES["5% cropped"](third))
    faces.add("test", "between.png", third)
    copies = faces.copies()
    assert len(set(copies.groups_of("test")[-3:]) | {copies.groups_of("train")[5]}) == 1


def test_what_was_found_among_the_same_contents_is_not_searched_again(
    faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces.add("test", "again.png", ImageOps.mirror(faces.image("p3.png")))
    before = faces.copies().near_between("train", "test")
    assert len(before) == 1
    with monkeypatch.context() as patched:
        patched.setattr("facesim.data.image_copies._near_duplicates", lambda *found: 1 / 0)
        again = faces.copies().near_between("train", "test")
        assert again.rows.tolist() == before.rows.tolist()
        assert again.mirrored.tolist() == before.mirrored.tolist()
        faces.add("test", "new.png", drawn_face(20, 0))
        with pytest.raises(ZeroDivisionError):
            faces.copies()


def test_a_damaged_cache_is_searched_again(faces: Faces, tmp_path: Path) -> None:
    faces.add("test", "again.png", ImageOps.mirror(faces.image("p3.png")))
    before = faces.copies().near_between("train", "test")
    (kept,) = (tmp_path / "cache" / "copies").glob("*.npz")
    for content in (b"", b"PK", kept.read_bytes()[:-30]):
        kept.write_bytes(content)
        assert faces.copies().near_between("train", "test").rows.tolist() == before.rows.tolist()


def test_an_image_that_is_a_candidate_of_several_is_decoded_once(
    faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once as a thumbnail, and once larger, however many images it is compared with closely."""
    third = faces.image("p3.png")
    for number, change in enumerate(("5% cropped", "mirrored", "gamma 1.8")):
        faces.add("test", f"copy{number}.png", CHANGES[change](third))
    decoded: Counter[tuple[Path, tuple[int, int]]] = Counter()
    decode = decoding.decode_image

    def counted(path: Path, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
        decoded[path, size] += 1
        return decode(path, size)

    monkeypatch.setattr(thumbnails, "decode_image", counted)
    assert len(faces.copies().near_between("train", "test")) == 3
    assert set(decoded.values()) == {1}
    assert (faces.root / "p3.png", (64, 64)) in decoded
