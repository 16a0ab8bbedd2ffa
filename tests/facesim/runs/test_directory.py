import errno
import json
import os
from pathlib import Path

import pytest

from facesim.atomic import write_text
from facesim.errors import DataError, FacesimError
from facesim.experiment.schema import Experiment
from facesim.runs.directory import FORMAT, RunDirectory


@pytest.fixture
def directory(tiny: Experiment, tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path, tiny)


def test_it_says_its_format(directory: RunDirectory) -> None:
    assert json.loads((directory.path / "run.json").read_text()) == {"format": 2}
    assert RunDirectory(directory.path).format == FORMAT == 2


def test_without_a_word_about_it_the_format_is_the_first(directory: RunDirectory) -> None:
    (directory.path / "run.json").unlink()
    assert RunDirectory(directory.path).format == 1


def test_it_becomes_of_the_present_format_when_it_is_written_to(directory: RunDirectory) -> None:
    (directory.path / "run.json").unlink()
    with directory.locked():
        assert directory.format == FORMAT


def test_a_newer_format_is_refused(directory: RunDirectory) -> None:
    write_text(directory.path / "run.json", '{"format": 3, "more": true}')
    with pytest.raises(FacesimError, match=r"has format 3, .* up to format 2; update facesim"):
        RunDirectory(directory.path)


@pytest.mark.parametrize("content", ["{", "{}", '{"format": 0}', '{"format": "new"}'])
def test_a_damaged_format_is_named(directory: RunDirectory, content: str) -> None:
    (directory.path / "run.json").write_text(content)
    with pytest.raises(DataError, match=r'run\.json: .*; write \{"format": 2\}'):
        RunDirectory(directory.path)


def test_another_folder_is_not_a_run_directory(tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match=r"is not a run directory: it has no experiment\.yaml"):
        RunDirectory(tmp_path)


def test_runs_of_one_second_get_different_names(tiny: Experiment, tmp_path: Path) -> None:
    made = {RunDirectory.create(tmp_path, tiny).path for _ in range(3)}
    assert len(made) == 3
    assert all(path.parent == tmp_path / "tiny" for path in made)


def test_what_cannot_be_made_leaves_nothing(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Experiment, "save", full)
    with pytest.raises(FacesimError, match="No space left on device"):
        RunDirectory.create(tmp_path, tiny)
    assert list((tmp_path / "tiny").iterdir()) == []


def test_a_second_holder_is_refused(directory: RunDirectory) -> None:
    with (
        directory.locked(),
        pytest.raises(FacesimError, match="in use by another process"),
        RunDirectory(directory.path).locked(),
    ):
        pass


def test_a_checkpoint_is_named_by_its_file_name(directory: RunDirectory) -> None:
    checkpoints = directory.checkpoints
    assert checkpoints.file("step-8") == checkpoints.file("step-8.pt")
    with pytest.raises(FacesimError, match=r"not '\.\./last'"):
        checkpoints.file("../last")


def test_a_run_directory_may_be_read_by_whoever_reads_the_folder_around_it(
    tiny: Experiment, tmp_path: Path
) -> None:
    (tmp_path / "tiny").mkdir()
    for mode in (0o750, 0o755):
        (tmp_path / "tiny").chmod(mode)
        path = RunDirectory.create(tmp_path, tiny).path
        assert path.stat().st_mode & 0o777 == mode


def test_a_run_directory_that_cannot_be_made_leaves_nothing(
    tmp_path: Path, tiny: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("facesim.runs.directory.begin_manifest", fail)
    with pytest.raises(FacesimError, match=r"cannot make a run directory: No space .*; free some"):
        RunDirectory.create(tmp_path, tiny)
    assert list((tmp_path / tiny.name).iterdir()) == []


def test_a_folder_of_the_experiment_s_name_makes_no_run_directory(tmp_path: Path) -> None:
    (tmp_path / "experiment.yaml").mkdir()
    with pytest.raises(FacesimError, match=r"not a run directory: it has no experiment\.yaml"):
        RunDirectory(tmp_path)


def test_the_present_format_and_those_before_are_read_and_kept(directory: RunDirectory) -> None:
    (directory.path / "run.json").unlink()
    assert RunDirectory(directory.path).format == 1
    with directory.locked():
        pass
    assert RunDirectory(directory.path).format == FORMAT


def test_where_things_are(directory: RunDirectory) -> None:
    assert directory.pairs_file("val") == directory.path / "pairs" / "val.csv"
    assert directory.evaluation("lfw") == directory.path / "eval" / "lfw"
    assert directory.pairs_file("val").parent.is_dir()
    assert directory.evaluation("lfw").parent.is_dir()


def test_folds_that_are_links_or_none_of_the_experiment_s_are_left_out(
    directory: RunDirectory, tiny: Experiment
) -> None:
    for number in (1, 3, 4):
        made = directory.create_fold(number, tiny)
        assert made.path == directory.fold(number)
    directory.fold(2).symlink_to(directory.fold(1))
    assert [each.path.name for each in directory.begun_folds(3)] == ["1", "3"]
    assert directory.begun_folds(None) == ()
    (directory.path / "folds").rename(directory.path / "elsewhere")
    (directory.path / "folds").symlink_to(directory.path / "elsewhere")
    assert directory.begun_folds(3) == ()


def test_files_of_callbacks_are_not_those_that_a_link_leads_to(directory: RunDirectory) -> None:
    (directory.path / "elsewhere" / "mine").mkdir(parents=True)
    (directory.path / "elsewhere" / "mine" / "a.txt").touch()
    (directory.path / "callbacks").symlink_to(directory.path / "elsewhere")
    assert directory.callback_files() == {}


@pytest.mark.parametrize("name", ["eval", "eval/test", "checkpoints", "callbacks/mine", "folds/1"])
def test_a_directory_with_a_folder_that_is_a_link_is_not_written_to(
    directory: RunDirectory, tmp_path: Path, name: str
) -> None:
    path = directory.path / name
    path.parent.mkdir(exist_ok=True)
    if path.is_dir():
        path.rmdir()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FacesimError, match=rf"{name} is a symbolic link"), directory.locked():
        pass


def test_a_traceback_goes_to_no_file_that_a_link_leads_to(
    directory: RunDirectory, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("kept")
    (directory.path / "traceback.txt").symlink_to(tmp_path / "mine")
    with pytest.raises(KeyError), directory.keeping_traceback():
        raise KeyError("margin")
    assert (tmp_path / "mine").read_text() == "kept"
    assert "KeyError: 'margin'" in (directory.path / "traceback.txt").read_text()


def test_what_a_killed_fold_left_of_its_findings_goes_at_once(
    directory: RunDirectory, tiny: Experiment
) -> None:
    """The run that it is a fold of holds the lock; those of others may be being written."""
    fold = directory.create_fold(1, tiny)
    for each in (directory, fold):
        (each.path / ".lint.json.1.tmp").touch()
        each.remove_leftovers()
    assert (directory.path / ".lint.json.1.tmp").exists()
    assert not (fold.path / ".lint.json.1.tmp").exists()
