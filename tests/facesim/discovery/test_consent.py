"""Consent to plugins that a run names: what is recorded, and what it is worth."""

import os
import sys
from pathlib import Path

import pytest

from facesim.discovery.consent import (
    UntrustedPluginsError,
    code_digest,
    lies_in_results,
    record_consent,
    require_consent,
)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESIM_STATE", str(tmp_path / "state"))


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text("MARGIN = 1\n")
    return file


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    file = tmp_path / "run" / "experiment.yaml"
    file.parent.mkdir()
    file.write_text("name: mine\n")
    return file


def refusal(entry: Path | str, experiment: Path) -> str:
    with pytest.raises(UntrustedPluginsError) as caught:
        require_consent({str(entry): experiment})
    return str(caught.value)


def test_what_was_recorded_is_allowed_with_its_content(plugin: Path, experiment: Path) -> None:
    assert record_consent(experiment.read_bytes(), [str(plugin)]) is None
    assert require_consent({str(plugin): experiment}) == {str(plugin): code_digest(str(plugin))}


def test_each_run_that_begins_is_recorded(plugin: Path, experiment: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("name: other\n")
    for begun in (experiment, other, experiment):
        assert record_consent(begun.read_bytes(), [str(plugin)]) is None
    for begun in (experiment, other):
        assert list(require_consent({str(plugin): begun})) == [str(plugin)]


def test_a_run_directory_may_be_moved(plugin: Path, experiment: Path, tmp_path: Path) -> None:
    record_consent(experiment.read_bytes(), [str(plugin)])
    experiment.parent.rename(tmp_path / "moved")
    assert require_consent({str(plugin): tmp_path / "moved" / "experiment.yaml"})


def test_without_a_record_nothing_is_allowed_and_each_entry_is_listed(
    plugin: Path, experiment: Path
) -> None:
    message = refusal(plugin, experiment)
    assert f"{plugin}: no run of yours began with this experiment" in message
    assert "--trust" in message
    assert "--resume RUN_DIR" in message


def test_an_edited_plugin_an_edited_experiment_and_another_plugin_are_refused(
    plugin: Path, experiment: Path, tmp_path: Path
) -> None:
    record_consent(experiment.read_bytes(), [str(plugin)])
    other = tmp_path / "other.py"
    other.write_text("MARGIN = 1\n")
    assert "was not named when the run began" in refusal(other, experiment)
    plugin.write_text("MARGIN = 2\n")
    assert "has changed since then" in refusal(plugin, experiment)
    plugin.unlink()
    assert "is not there any more" in refusal(plugin, experiment)
    experiment.write_text("name: other\n")
    assert "no run of yours" in refusal(plugin, experiment)


def test_a_module_counts_with_its_packages_and_is_found_without_running_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, experiment: Path
) -> None:
    package = tmp_path / "acme_consent"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit\n")
    (package / "losses.py").write_text("raise SystemExit\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    record_consent(experiment.read_bytes(), ["acme_consent.losses"])
    assert require_consent({"acme_consent.losses": experiment})
    assert "acme_consent" not in sys.modules
    (package / "__init__.py").write_text("import os\n")
    assert "has changed" in refusal("acme_consent.losses", experiment)


def test_a_module_of_the_same_name_elsewhere_is_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, experiment: Path
) -> None:
    for name in ("mine", "theirs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "acme_shadowed.py").write_text(f"WHOSE = {name!r}\n")
    monkeypatch.syspath_prepend(str(tmp_path / "mine"))
    record_consent(experiment.read_bytes(), ["acme_shadowed"])
    monkeypatch.syspath_prepend(str(tmp_path / "theirs"))
    assert "has changed" in refusal("acme_shadowed", experiment)


def test_a_record_of_another_user_counts_for_nothing(
    plugin: Path, experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_consent(experiment.read_bytes(), [str(plugin)])
    user = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    assert "no run of yours" in refusal(plugin, experiment)


def test_what_cannot_be_recorded_is_said_with_what_is_lost(
    plugin: Path, experiment: Path, tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("a file")
    lost = record_consent(experiment.read_bytes(), [str(plugin)])
    assert lost is not None
    assert str(plugin) in lost
    assert "--trust" in lost


def test_experiments_without_plugins_leave_no_record(tmp_path: Path) -> None:
    assert record_consent(b"name: plain\n", []) is None
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("signs", "is_of_results"),
    [
        (("experiment.yaml",), False),
        (("run.json",), False),
        (("experiment.yaml", "run.json"), True),
        (("experiment.yaml", "checkpoints/last.pt"), True),
        (("experiment.yaml", "checkpoints/mine.pt"), False),
        (("study.yaml", "journal.log"), True),
    ],
)
def test_a_file_lies_in_results_wherever_it_is_below_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signs: tuple[str, ...], is_of_results: bool
) -> None:
    folder = tmp_path / "folder"
    for sign in signs:
        (folder / sign).parent.mkdir(parents=True, exist_ok=True)
        (folder / sign).touch()
    deep = folder / "eval" / "other"
    deep.mkdir(parents=True)
    (deep / "own.yaml").touch()
    (tmp_path / "link.yaml").symlink_to(deep / "own.yaml")
    (tmp_path / "linked").symlink_to(deep)
    for file in (deep / "own.yaml", tmp_path / "link.yaml", tmp_path / "linked" / "own.yaml"):
        assert lies_in_results(file) == is_of_results
    elsewhere = tmp_path / "elsewhere.yaml"
    elsewhere.touch()
    (deep / "linked.yaml").symlink_to(elsewhere)
    monkeypatch.chdir(deep)
    for name in ("own.yaml", "linked.yaml"):
        assert lies_in_results(Path(name)) == is_of_results
    assert not lies_in_results(elsewhere)
