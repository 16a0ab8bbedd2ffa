"""The experiment as a whole: its plugins by place, its data and its file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from facesim.experiment.loading import load_experiment
from facesim.experiment.nodes import ExperimentError


def test_plugins_are_listed_by_place_in_the_order_of_the_kinds(whole: Callable[..., Path]) -> None:
    specs = load_experiment(whole("", "transforms: [flip, flip]\n")).specs()
    names = {place: [spec.name for spec in found] for place, found in specs.items()}
    assert list(names)[:5] == ["data.train", "data.val", "data.test", "transforms", "backbone"]
    assert names["transforms"] == ["flip", "flip"]
    assert (names["loss"], names["trackers"]) == (["contrastive"], [])
    assert names["evaluate.protocol"] == ["pairs"]


def test_data_has_every_default_and_absolute_paths(
    whole: Callable[..., Path], tmp_path: Path
) -> None:
    data = load_experiment(whole()).as_data()
    assert data["image"] == {"size": [218, 178], "crop": None}
    assert data["head"] == {"name": "mlp", "fc_dim": 128}
    assert data["scheduler"] == {"name": "constant"}
    assert data["data"]["train"]["table"] == str(tmp_path / "train.csv")


def test_a_saved_experiment_reads_back_as_the_same_data(
    whole: Callable[..., Path], tmp_path: Path
) -> None:
    experiment = load_experiment(whole())
    experiment.save(tmp_path / "again.yaml")
    assert load_experiment(tmp_path / "again.yaml").as_data() == experiment.as_data()


def test_a_search_needs_an_epoch(whole: Callable[..., Path]) -> None:
    search = "search: {space: {optimizer.lr: {float: [0.1, 1]}}}\n"
    assert load_experiment(whole("", search)).search is not None
    with pytest.raises(ExperimentError, match=r"a search needs train\.epochs of 1 or more"):
        load_experiment(whole("", search), ["train.epochs=0"])
