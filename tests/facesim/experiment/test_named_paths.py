"""What paths of an experiment lead to is compared, and not where they lie."""

from collections.abc import Callable
from pathlib import Path

import pytest

from facesim.experiment.differences import differences
from facesim.experiment.loading import load_experiment
from facesim.experiment.named_paths import named_paths, portable_data
from facesim.experiment.schema import Experiment
from tests.facesim.experiment.conftest import WHOLE

Load = Callable[..., Experiment]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """The experiment as it lies in a folder of this name, with weights of this content."""

    def loaded(folder: str, weights: str = "w", *overrides: str) -> Experiment:
        here = tmp_path / folder
        here.mkdir(exist_ok=True)
        (here / "weights.pt").write_text(weights)
        text = WHOLE.replace("depth: 18", f"weights: {here}/weights.pt")
        file = here / "whole.yaml"
        file.write_text(text.replace("table: ", f"table: {here}/"))
        return load_experiment(file, overrides)

    return loaded


def test_paths_are_named_with_their_keys(load: Load, tmp_path: Path) -> None:
    found = dict(named_paths(load("one")))
    assert found["backbone", "weights"] == str(tmp_path / "one/weights.pt")
    assert found["data", "val", "table"] == str(tmp_path / "one/val.csv")


def test_an_experiment_whose_files_lie_elsewhere_is_the_same(load: Load) -> None:
    one, two = load("one"), load("two")
    assert one.as_data() != two.as_data()
    assert portable_data(one) == portable_data(two)


def test_files_of_other_content_differ_by_their_digests(load: Load) -> None:
    changed = differences(portable_data(load("one")), portable_data(load("two", "x")))
    assert list(changed) == ["backbone.weights"]
    assert changed["backbone.weights"].count("a file, SHA-256 ") == 2


def test_what_is_no_path_differs_as_it_is(load: Load) -> None:
    other = load("two", "w", "train.epochs=9")
    assert list(differences(portable_data(load("one")), portable_data(other))) == ["train.epochs"]
