"""Experiments that come with facesim, by their names."""

from pathlib import Path

import pytest

from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.experiment.nodes import ExperimentError
from facesim.experiment.shipped import experiment_file, shipped_experiment, shipped_experiments

FOLDER = Path(__file__).parents[3] / "experiments"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_experiment_of_the_checkout_is_shipped() -> None:
    assert shipped_experiments() == sorted(path.stem for path in FOLDER.glob("*.yaml"))
    assert shipped_experiment("quickstart") == FOLDER / "quickstart.yaml"


@pytest.mark.parametrize("name", ["quickstart", "facesim:quickstart"])
def test_a_name_without_folder_and_suffix_is_a_shipped_one(name: str) -> None:
    assert experiment_file(Path(name)) == FOLDER / "quickstart.yaml"


def test_a_file_of_the_working_directory_comes_first(elsewhere: Path) -> None:
    (elsewhere / "quickstart").write_text("name: mine\n")
    assert experiment_file(Path("quickstart")) == Path("quickstart")
    assert experiment_file(Path("facesim:quickstart")) == FOLDER / "quickstart.yaml"


def test_a_folder_of_that_name_does_not(elsewhere: Path) -> None:
    (elsewhere / "quickstart").mkdir()
    assert experiment_file(Path("quickstart")) == FOLDER / "quickstart.yaml"


@pytest.mark.parametrize("name", ["quickstart.yaml", "./quickstart.yaml", "mine/quickstart"])
def test_a_path_is_nothing_but_a_path(name: str) -> None:
    assert experiment_file(Path(name)) == Path(name)
    with pytest.raises(ExperimentError, match="no such file"):
        load_experiment(Path(name))


def test_a_missing_file_of_a_shipped_name_says_how_to_name_the_shipped_one() -> None:
    with pytest.raises(ExperimentError, match=r"no such file.*`quickstart`, .* comes with facesim"):
        load_experiment(Path("experiments/quickstart.yaml"))


def test_an_unknown_name_lists_the_shipped_ones_and_the_nearest() -> None:
    with pytest.raises(FacesimError) as error:
        load_experiment(Path("quickstrat"))
    told = str(error.value)
    assert told.startswith("quickstrat: there is no such file")
    assert "(did you mean 'quickstart'" in told
    assert ", ".join(shipped_experiments()) in told


def test_a_file_of_the_working_directory_without_its_suffix_is_guessed(elsewhere: Path) -> None:
    (elsewhere / "mine.yaml").write_text("name: mine\n")
    with pytest.raises(FacesimError, match=r"no such file \(did you mean 'mine.yaml'"):
        load_experiment(Path("mine"))


def test_a_file_that_extends_an_unknown_one_is_told_where(elsewhere: Path) -> None:
    (elsewhere / "mine.yaml").write_text("name: mine\nextends: facesim:celeba_lite\n")
    with pytest.raises(ExperimentError, match=r"^mine.yaml:2:10: extends: .*mean 'celeba_lite0'"):
        load_experiment(Path("mine.yaml"))
