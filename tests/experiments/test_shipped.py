"""Experiments that come with facesim, loaded by their names from an empty folder."""

from pathlib import Path

import pytest

import facesim
from facesim.experiment.loading import load_experiment

FOLDER = Path(__file__).parents[2] / "experiments"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_name_is_loaded_as_its_file_is() -> None:
    named = facesim.load_experiment("quickstart", {"train.epochs": 2})
    assert (named.name, named.train.epochs) == ("quickstart", 2)
    of_file = load_experiment(FOLDER / "quickstart.yaml", ["train.epochs=2"])
    assert named.as_data() == of_file.as_data()


def test_a_file_may_extend_a_shipped_one(elsewhere: Path) -> None:
    (elsewhere / "mine.yaml").write_text("extends: facesim:celeba_lite0\nname: mine\n")
    experiment = load_experiment(Path("mine.yaml"))
    assert experiment.name == "mine"
    # a path in a shipped file is relative to that file, as in any other
    assert experiment.data.exclude is not None
    assert experiment.data.exclude.file == FOLDER / "celeba_leaks.csv"
