"""A folder of photographs is aligned once: crops, faces.csv, and a page that shows both."""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facesim.alignment.aligner import Face, Photograph
from facesim.alignment.alignment import Acquisition
from facesim.data.csv_columns import read_csv_columns
from facesim.errors import DataError, FacesimError
from facesim.experiment import sections
from facesim.interfaces import aligners
from facesim.report.aligned_folder import COLUMNS, AlignedFolder, align_folder
from facesim.report.contact_sheet import contact_sheet, write_contact_sheet
from facesim.reporters import SilentReporter
from tests.facesim.accessibility import violations
from tests.facesim.model.bright_face import BrightFace, save_photograph

Align = Callable[..., AlignedFolder]
FACE, OTHER = (60, 20, 40, 40), (20, 80, 20, 20)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photographs with one, two and no face, one that is damaged, and another file."""
    root = tmp_path / "photographs"
    save_photograph(root / "ann" / "1.png", FACE)
    save_photograph(root / "ann" / "2.png", FACE, OTHER, seed=1)
    save_photograph(root / "bob" / "1.png", seed=2)
    (root / "bob" / "damaged.jpg").write_bytes(b"\xff\xd8\xff")
    (root / "bob" / "damaged_too.jpg").write_bytes(b"\xff\xd8\xff")
    (root / "bob" / "notes.txt").write_text("none")
    save_photograph(root / "bob" / ".hidden.png", FACE)
    return root


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "aligned"


@pytest.fixture
def align(folder: Path, out: Path) -> Iterator[Align]:
    def aligned(source: Path = folder, result: Path = out, **settings: object) -> AlignedFolder:
        spec = {"name": "bright"}
        image = sections.Image.model_validate(
            {"aligner": spec, "template": "arcface", **settings}, strict=False
        )
        return align_folder(source, result, image, SilentReporter())

    with aligners.isolated():
        aligners("bright")(BrightFace)
        yield aligned


def files_in(out: Path) -> dict[str, int]:
    """When each crop was written."""
    crops = (path for path in (out / "images").rglob("*") if path.is_file())
    return {path.relative_to(out).as_posix(): path.stat().st_mtime_ns for path in crops}


def test_each_photograph_has_its_outcome_and_a_face_its_crop(align: Align, out: Path) -> None:
    aligned = align()
    assert [(each.file, each.acquisition, each.crop) for each in aligned.photographs] == [
        ("ann/1.png", Acquisition.FACE, "images/ann/1.png"),
        ("ann/2.png", Acquisition.SEVERAL, "images/ann/2.png"),
        ("bob/1.png", Acquisition.NONE, None),
        ("bob/damaged.jpg", None, None),
        ("bob/damaged_too.jpg", None, None),
    ]
    assert sorted(files_in(out)) == ["images/ann/1.png", "images/ann/2.png"]
    assert (aligned.crops, aligned.fresh) == (2, 2)
    assert aligned.notes == ("Files of other kinds: 1 are left out (the first: bob/notes.txt).",)
    assert aligned.photographs[2].problem == "it holds no face"
    for unusable in aligned.photographs[3:]:
        assert unusable.problem.startswith("its header is not that of an image")


def test_a_crop_has_the_size_and_the_place_of_the_template(align: Align, out: Path) -> None:
    align()
    with Image.open(out / "images" / "ann" / "1.png") as image:
        assert image.size == (112, 112)
        pixels = np.asarray(image)
    # The eyes are 15.6 pixels apart in the photograph and 35.2 in the crop.
    assert (pixels == 255).all(axis=2).sum() > 0.6 * 112 * 112
    align(result=out.with_name("other"), size=[64, 48])
    with Image.open(out.with_name("other") / "images" / "ann" / "1.png") as image:
        assert image.size == (48, 64)


def test_faces_csv_has_a_row_per_photograph(align: Align, out: Path) -> None:
    align()
    columns = read_csv_columns(out / "faces.csv", ["file"])
    assert tuple(columns.frame.columns) == COLUMNS
    first, second, third, fourth, _ = columns.frame.to_dict("records")
    assert (first["file"], first["outcome"], first["faces"]) == ("ann/1.png", "one face", "1")
    assert [float(first[side]) for side in ("left", "top", "right", "bottom")] == [60, 20, 99, 59]
    assert [float(first[f"left_eye_{axis}"]) for axis in "xy"] == [71.7, 32]
    assert first["nose_x"] == ""
    assert (second["outcome"], second["faces"]) == ("several faces", "2")
    assert float(second["confidence"]) == 40  # the larger one
    assert (third["outcome"], third["crop"], third["left_eye_x"]) == ("no face", "", "")
    assert fourth["outcome"] == "unusable"


def test_a_second_time_nothing_is_made_again(align: Align, folder: Path, out: Path) -> None:
    align()
    before, table = files_in(out), (out / "faces.csv").read_text()
    assert align().fresh == 0
    assert files_in(out) == before
    assert (out / "faces.csv").read_text() == table


def test_what_is_missing_changed_or_torn_is_made_again(
    align: Align, folder: Path, out: Path
) -> None:
    save_photograph(folder / "ann" / "3.png", FACE, seed=3)
    save_photograph(folder / "ann" / "4.png", FACE, seed=4)
    align()
    before = files_in(out)
    (out / "images" / "ann" / "1.png").unlink()
    save_photograph(folder / "ann" / "2.png", OTHER, seed=9)
    torn = out / "images" / "ann" / "3.png"
    torn.write_bytes(torn.read_bytes()[:-40])
    assert align().fresh == 3
    after = files_in(out)
    assert [name for name in after if after[name] == before[name]] == ["images/ann/4.png"]


def test_other_settings_are_refused_with_what_differs(align: Align, out: Path) -> None:
    align()
    before, table = files_in(out), (out / "faces.csv").read_text()
    with pytest.raises(FacesimError) as refused:
        align(size=[64, 64], min_confidence=41.0)
    assert str(refused.value) == (
        f"{out}: its crops were made with size [112, 112] instead of [64, 64], and min_confidence "
        "unset instead of 41.0. Name another folder, or delete this one to make its crops again"
    )
    with pytest.raises(FacesimError, match=r"aligner\.by_name False instead of True"):
        align(aligner={"name": "bright", "by_name": True})
    assert files_in(out) == before
    assert (out / "faces.csv").read_text() == table
    assert align().fresh == 0
    shutil.rmtree(out / "images")
    (out / "faces.csv").unlink()
    assert align(size=[64, 64]).fresh == 2


def test_a_crop_of_no_photograph_is_removed(align: Align, folder: Path, out: Path) -> None:
    save_photograph(folder / "cem" / "new" / "1.png", FACE, seed=3)
    align()
    own = out / "images" / "own.png"
    save_photograph(own, FACE)
    save_photograph(folder / "ann" / "1.png", seed=4)  # no face any more
    (folder / "ann" / "2.png").rename(folder / "ann" / "3.png")
    (folder / "cem" / "new" / "1.png").unlink()
    aligned = align()
    assert sorted(files_in(out)) == ["images/ann/3.png", "images/own.png"]
    assert aligned.notes[-1] == "Crops of before: 3 are removed."
    assert not (out / "images" / "cem").exists()
    assert len(align().notes) == 1


def test_a_photograph_that_changes_meanwhile_has_a_problem(
    align: Align, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changing(self: BrightFace, photograph: Photograph) -> Sequence[Face]:
        if photograph.path == folder / "ann" / "1.png":
            save_photograph(folder / "ann" / "1.png", OTHER, seed=9)
        return find(self, photograph)

    find = BrightFace.find
    save_photograph(folder / "ann" / "1.png", FACE, seed=77)  # of no other test: it is searched
    monkeypatch.setattr(BrightFace, "find", changing)
    first, second = align().photographs[:2]
    assert (first.crop, second.crop) == (None, "images/ann/2.png")
    assert first.problem == "it, or a copy of it, has changed since it was listed"


def test_a_folder_that_cannot_be_read_is_named(
    align: Align, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scandir(path: str) -> Iterator[os.DirEntry[str]]:
        if Path(path) == folder / "bob":  # whoever runs the tests may read every folder
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    listed = os.scandir
    monkeypatch.setattr("os.scandir", scandir)
    with pytest.raises(DataError, match=r"bob: cannot be read: Permission denied; make it read"):
        align()


def test_a_photograph_without_a_face_that_may_be_used_has_no_crop(align: Align, out: Path) -> None:
    unsure = align(min_confidence=41.0)
    assert unsure.count(Acquisition.UNSURE) == 2
    assert unsure.crops == 0
    refused = align(result=out.with_name("other"), several_faces="error", no_face="error")
    assert refused.photographs[1].acquisition is Acquisition.SEVERAL
    assert refused.photographs[1].problem == "2 faces were found where one is wanted"
    assert refused.crops == 1


def test_no_crop_is_written_over_another_one(align: Align, folder: Path, out: Path) -> None:
    for name in ("1.jpg", "1.bmp", "5.PNG"):
        save_photograph(folder / "ann" / name.lower(), FACE)
    crops = {each.file: each.crop for each in align().photographs if each.crop}
    assert crops["ann/1.png"] == "images/ann/1.png.png"
    assert crops["ann/1.jpg"] == "images/ann/1.jpg.png"
    assert crops["ann/2.png"] == "images/ann/2.png"
    assert len(set(crops.values())) == len(crops)
    save_photograph(folder / "ann" / "1.jpg.png", FACE)
    with pytest.raises(FacesimError, match="crop has the same name; rename it"):
        align()


def test_nothing_that_belongs_to_something_else_is_replaced(
    align: Align, folder: Path, out: Path, tmp_path: Path
) -> None:
    with pytest.raises(FacesimError, match="it is in the folder of photographs"):
        align(result=folder / "aligned")
    (tmp_path / "mine" / "images").mkdir(parents=True)
    with pytest.raises(FacesimError, match="holds files of something else; name another"):
        align(result=tmp_path / "mine")
    align()
    other = tmp_path / "others"
    save_photograph(other / "1.png", FACE)
    with pytest.raises(FacesimError, match=r"it holds the crops of .*photographs; name another"):
        align(source=other)
    (tmp_path / "file").write_text("")
    with pytest.raises(FacesimError, match=r"cannot be written|cannot be read"):
        align(result=tmp_path / "file")


def test_a_folder_without_photographs_is_refused(align: Align, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="there is no photograph in it; facesim reads JPEG"):
        align(source=tmp_path / "empty")
    with pytest.raises(DataError, match="none: cannot be read: No such file or directory"):
        align(source=tmp_path / "none")


def test_the_contact_sheet_shows_failures_first_with_their_reasons(align: Align) -> None:
    page = contact_sheet(align())
    assert [section.title for section in page.sections] == [
        *("Summary", "Without a crop", "Several faces", "One face")
    ]
    assert page.title == "photographs: 2 of 5 photographs aligned"
    failed, several, single = (section.blocks[1].pairs for section in page.sections[1:])  # type: ignore[union-attr]
    assert [(len(pair.faces), pair.faces[0].file, pair.facts) for pair in failed] == [
        (1, "bob/1.png", ("it holds no face",)),
        (1, "bob/damaged.jpg", failed[1].facts),
        (1, "bob/damaged_too.jpg", failed[1].facts),
    ]
    assert failed[0].faces[0].image is not None
    assert failed[1].faces[0].image is None
    (pair,) = several
    assert [face.image is not None for face in pair.faces] == [True, True]
    assert pair.facts == ("confidence 40",)
    assert single[0].faces[0].file == "ann/1.png"


def test_a_long_section_says_how_many_are_not_shown(
    align: Align, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facesim.report.contact_sheet.MOST_SHOWN", 2)
    for number in range(3, 6):
        save_photograph(folder / "ann" / f"{number}.png", (60, 20, 40, 40 + number), seed=number)
    page = contact_sheet(align())
    text, gallery = page.sections[-1].blocks
    assert text.text.endswith("2 of 4 are shown.")  # type: ignore[union-attr]
    shown = [pair.faces[0].file for pair in gallery.pairs]  # type: ignore[union-attr]
    assert shown == ["ann/1.png", "ann/3.png"]  # the lowest confidence first


def test_axe_finds_nothing_on_the_contact_sheet(align: Align, out: Path, browser: Any) -> None:
    assert violations(browser, write_contact_sheet(align())) == []


def test_the_page_lies_beside_the_list(align: Align, out: Path) -> None:
    path = write_contact_sheet(align())
    assert path == out / "faces.html"
    assert len(re.findall('<img src="data:image/jpeg', path.read_text())) == 5


def test_a_name_that_a_spreadsheet_would_run_is_guarded(
    align: Align, folder: Path, out: Path
) -> None:
    save_photograph(folder / "=1+1.png", FACE)
    align()
    assert "\n'=1+1.png," in (out / "faces.csv").read_text()
    assert "=1+1.png" in read_csv_columns(out / "faces.csv", ["file"]).frame["file"].tolist()


def test_a_link_that_leads_nowhere_is_left_out_and_told(align: Align, folder: Path) -> None:
    (folder / "ann" / "3.png").symlink_to(folder / "gone.png")
    aligned = align()
    assert "ann/3.png" not in [each.file for each in aligned.photographs]
    assert "Links that lead nowhere: 1 are left out (the first: ann/3.png)." in aligned.notes
