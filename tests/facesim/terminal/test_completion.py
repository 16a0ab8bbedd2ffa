"""What a shell completes, in a folder with a few runs and experiments."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from facesim.experiment.shipped import shipped_experiments
from facesim.interfaces import KINDS
from facesim.terminal import completion
from facesim.terminal.completion import (
    complete_experiment,
    complete_kind,
    complete_kind_in_singular,
    complete_plugin,
    complete_run_dir,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))
    for run in ("runs/mine/20260101-000000", "runs/mine/20260102-000000", "other/7", "near"):
        (tmp_path / run).mkdir(parents=True)
        (tmp_path / run / "run.json").touch()
    (tmp_path / "runs" / "mine" / "unfinished").mkdir()
    (tmp_path / "mine.yaml").touch()
    return tmp_path


def test_experiments_are_shipped_ones_and_those_of_the_folder() -> None:
    assert complete_experiment("") == [*shipped_experiments(), "mine.yaml"]
    assert complete_experiment("quickstart_") == ["quickstart_optimize"]


@pytest.mark.parametrize("typed", ["mine", "runs/", "./qu"])
def test_other_files_are_left_to_the_shell(typed: str) -> None:
    assert complete_experiment(typed) == []


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("", ["runs/mine/20260102-000000", "runs/mine/20260101-000000"]),
        ("runs/mine/20260101", ["runs/mine/20260101-000000"]),
        ("ot", ["other/7"]),
        ("ne", ["near"]),
        ("mine", []),
        ("[", []),
    ],
)
def test_run_directories_are_known_by_their_file(typed: str, offered: list[str]) -> None:
    assert complete_run_dir(typed) == offered


def test_an_absolute_path_stays_one(folder: Path) -> None:
    assert complete_run_dir(f"{folder}/ot") == [f"{folder}/other/7"]


def test_no_folder_of_the_system_is_looked_into_and_not_too_many(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    scandir = os.scandir

    def counted(path: str) -> Any:
        opened.append(str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    for number in range(30):
        (folder / "many" / f"{number:02d}").mkdir(parents=True)
        (folder / "many" / f"{number:02d}" / "run.json").touch()
    monkeypatch.setattr(completion, "_MOST_FOLDERS", 20)
    assert complete_run_dir("many/") == [f"many/{number:02d}" for number in range(29, 9, -1)]
    assert len(opened) <= 21
    opened.clear()
    complete_run_dir("/")
    assert 0 < len(opened) <= 21
    monkeypatch.setattr(completion, "_MOST_FOLDERS", 2000)
    complete_run_dir("/pro")
    complete_run_dir("/proc/")
    complete_run_dir("/proc/self/")
    assert not [path for path in opened if path.startswith("/proc")]


def context(**params: str) -> Any:
    return SimpleNamespace(params=params)


def test_kinds_and_their_plugins() -> None:
    assert sorted(complete_kind("")) == sorted(kind.plural for kind in KINDS)
    assert complete_kind_in_singular("los") == ["loss"]
    assert complete_plugin(context(kind="losses"), "tri") == ["triplet"]
    assert complete_plugin(context(kind="loss"), "tri") == ["triplet"]
    assert complete_plugin(context(kind="lsos"), "tri") == []


def test_plugins_are_not_imported_twice_unless_their_files_change(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = complete_plugin(context(kind="losses"), "")
    kept = folder / "cache" / "completion.json"
    kept.write_text(kept.read_text().replace('"triplet"', '"kept"'))
    assert complete_plugin(context(kind="losses"), "kept") == ["kept"]
    before = completion._state_of_plugins()
    monkeypatch.setattr(completion, "_state_of_plugins", lambda: [*before, "a changed file"])
    assert complete_plugin(context(kind="losses"), "") == first


@pytest.mark.parametrize("content", ["", "[]", "{", '{"state": 1}'])
def test_a_damaged_file_of_names_is_written_anew(folder: Path, content: str) -> None:
    (folder / "cache").mkdir()
    (folder / "cache" / "completion.json").write_text(content)
    assert complete_plugin(context(kind="losses"), "tri") == ["triplet"]
    assert "triplet" in (folder / "cache" / "completion.json").read_text()


def test_a_cache_that_cannot_be_written_is_no_error(folder: Path) -> None:
    (folder / "cache").touch()
    assert complete_plugin(context(kind="losses"), "tri") == ["triplet"]


def test_the_state_knows_the_files_of_plugins() -> None:
    files = [line.rpartition(" ")[0] for line in completion._state_of_plugins()]
    assert any(Path(file).parts[-2:] == ("losses", "triplet.py") for file in files)
