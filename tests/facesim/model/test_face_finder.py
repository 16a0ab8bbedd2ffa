"""Faces are found once per photograph and aligner, whoever asks, and never those of another."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesim import FaceTable
from facesim.alignment.aligner import Aligner, aligners
from facesim.data.image_digests import TableDigests
from facesim.discovery import load_installed_plugins
from facesim.errors import DataError
from facesim.model import face_finder as module
from facesim.model.face_finder import FaceFinder, FoundFaces
from facesim.reporters import SilentReporter
from tests.facesim.model.bright_face import BrightFace, save_photograph

Find = Callable[..., list[FoundFaces]]


def photographs(folder: Path, count: int) -> FaceTable:
    files = [f"{number:03d}.png" for number in range(count)]
    for number, file in enumerate(files):
        faces = [(10 + number, 10 + 20 * face, 30, 12) for face in range(number % 4)]
        save_photograph(folder / file, *faces, seed=number)
    return FaceTable(folder, np.array(files), np.zeros(count, np.int64), np.array(["one"]))


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    return tmp_path / "calls.txt"


@pytest.fixture
def find(calls: Path) -> Iterator[Find]:
    def found(
        table: FaceTable, failures: dict[int, DataError] | None = None, **parameters: object
    ) -> list[FoundFaces]:
        spec = aligners.spec("bright", calls=calls, **parameters)
        finder = FaceFinder(spec, spec.build())
        return finder.find(TableDigests(table), "test", SilentReporter(), failures)

    load_installed_plugins()  # once per process: not to be undone with the test
    with aligners.isolated():
        aligners("bright")(BrightFace)
        yield found


def asked(calls: Path) -> list[str]:
    return [Path(line).name for line in calls.read_text().split()] if calls.exists() else []


def same(first: list[FoundFaces], second: list[FoundFaces]) -> bool:
    return repr(first) == repr(second)


def test_each_photograph_has_its_faces_and_its_size(tmp_path: Path, find: Find) -> None:
    found = find(photographs(tmp_path / "some", 6))
    assert [len(each.faces) for each in found] == [0, 1, 2, 3, 0, 1]
    assert {each.size for each in found} == {(120, 160)}
    (face,) = found[1].faces
    assert face.box == (11.0, 10.0, 40.0, 21.0)
    assert face.confidence == 12
    np.testing.assert_allclose(face.landmarks[:2], [[19.7, 13.6], [31.3, 13.6]], rtol=1e-6)
    assert np.isnan(face.landmarks[2:]).all()


def test_an_aligner_is_asked_once_per_content_for_ever(
    tmp_path: Path, find: Find, calls: Path
) -> None:
    table = photographs(tmp_path / "some", 5)
    first = find(table)
    assert sorted(asked(calls)) == table.files.tolist()
    assert same(find(table), first)
    assert same(find(photographs(tmp_path / "copies", 6))[:5], first)
    assert asked(calls)[5:] == ["005.png"]


def test_other_parameters_are_another_aligner(tmp_path: Path, find: Find, calls: Path) -> None:
    table = photographs(tmp_path / "some", 3)
    find(table)
    find(table, by_name=True)
    assert len(asked(calls)) == 6


def test_an_aligner_that_looks_at_names_is_asked_for_each_of_them(
    tmp_path: Path, find: Find, calls: Path
) -> None:
    table = photographs(tmp_path / "some", 3)
    copied = FaceTable(
        tmp_path, np.array(["a.png", "b.png"]), np.zeros(2, np.int64), np.array(["one"])
    )
    for name in copied.files:
        (tmp_path / name).write_bytes(table.path(1).read_bytes())
    for _ in range(2):
        find(copied, by_name=True)
    assert sorted(asked(calls)) == ["a.png", "b.png"]


def test_processes_find_what_one_finds(
    tmp_path: Path, find: Find, monkeypatch: pytest.MonkeyPatch, calls: Path
) -> None:
    table = photographs(tmp_path / "some", 40)
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "one"))
    alone = find(table)
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "several"))
    monkeypatch.setattr(module, "_WORTH_PROCESSES", 2)
    assert same(find(table), alone)
    assert sorted(asked(calls)) == sorted([*table.files, *table.files])


def test_what_was_found_before_an_error_is_kept(tmp_path: Path, find: Find, calls: Path) -> None:
    table = photographs(tmp_path / "some", 20)
    save_photograph(table.path(17), (0, 0, 160, 120))
    with pytest.raises(DataError, match=r"017\.png: it is overexposed"):
        find(table)
    save_photograph(table.path(17), (5, 5, 30, 30))
    find(table)
    assert sorted(asked(calls)) == sorted([*table.files, table.files[17]])


def test_photographs_that_cannot_be_used_are_told_apart_from_those_without_a_face(
    tmp_path: Path, find: Find, calls: Path
) -> None:
    table = photographs(tmp_path / "some", 6)
    for row in (2, 4):
        save_photograph(table.path(row), (0, 0, 160, 120))
    for times in (1, 2):  # they are tried again each time, and copies together
        failures: dict[int, DataError] = {}
        found = find(table, failures=failures)
        assert {row: str(error) for row, error in failures.items()} == {
            row: f"{table.path(row)}: it is overexposed" for row in (2, 4)
        }
        assert [len(each.faces) for each in found] == [0, 1, 0, 3, 0, 1]
        assert len(asked(calls)) == 5 + (times - 1)


@pytest.mark.parametrize("gone", [False, True])
def test_a_photograph_that_changes_meanwhile_is_a_failure_of_its_own(
    tmp_path: Path, find: Find, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    table = photographs(tmp_path / "some", 4)
    search = module._records_of

    def changing(aligner: Aligner, paths: list[Path]) -> list[Any]:
        records = search(aligner, paths)
        if gone:
            table.path(1).unlink()
        else:
            save_photograph(table.path(1), (5, 5, 30, 30), seed=9)
        return records

    monkeypatch.setattr(module, "_records_of", changing)
    failures: dict[int, DataError] = {}
    found = find(table, failures=failures)
    reason = (
        "there is no such file" if gone else "it, or a copy of it, has changed since it was listed"
    )
    assert list(failures) == [1]
    assert str(failures[1]).startswith(f"{table.path(1)}: {reason}")
    assert [len(each.faces) for each in found] == [0, 0, 2, 3]


def test_a_store_that_cannot_be_written_is_done_without(
    tmp_path: Path, find: Find, monkeypatch: pytest.MonkeyPatch, calls: Path
) -> None:
    table = photographs(tmp_path / "some", 5)
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "kept"))
    kept = find(table)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "full"))
    monkeypatch.setattr("facesim.model.feature_store.write_chunk", full)
    assert same(find(table), kept)
    assert len(asked(calls)) == 10


def test_only_the_largest_of_very_many_faces_are_kept(tmp_path: Path, find: Find) -> None:
    faces = [(5, 2 + 5 * number, 10 + number, 3) for number in range(22)]
    save_photograph(tmp_path / "crowd" / "a.png", *faces)
    table = FaceTable(
        tmp_path / "crowd", np.array(["a.png"]), np.zeros(1, np.int64), np.array(["one"])
    )
    (found,) = find(table)
    widths = sorted(face.box[2] - face.box[0] for face in found.faces)
    assert widths == [width - 1 for width in range(17, 32)]
