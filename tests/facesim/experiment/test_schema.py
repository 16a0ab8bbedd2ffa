from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from facesim.experiment.loading import load_experiment
from facesim.experiment.nodes import ExperimentError
from facesim.experiment.schema import Experiment, elsewhere, keys_at, type_at, value_at
from facesim.registry.type_descriptions import describe_type
from tests.facesim.experiment.conftest import SOURCE, SPLITS


def test_plugins_are_listed_by_place_in_the_order_of_the_kinds(whole: Callable[..., Path]) -> None:
    specs = load_experiment(whole("", "transforms: [flip, flip]\n")).specs()
    names = {place: [spec.name for spec in found] for place, found in specs.items()}
    assert list(names)[:4] == ["data.train", "data.val", "data.test", "data.source"]
    assert list(names)[4:7] == ["image.aligner", "transforms", "backbone"]
    assert names["transforms"] == ["flip", "flip"]
    assert (names["loss"], names["trackers"]) == (["contrastive"], [])
    assert names["image.aligner"] == []
    assert names["evaluate.protocol"] == ["pairs"]


def test_data_has_every_default_and_absolute_paths(
    whole: Callable[..., Path], tmp_path: Path
) -> None:
    data = load_experiment(whole()).as_data()
    assert data["image"] == {"size": [218, 178], "crop": None, "fit": "letterbox"}
    assert data["head"] == {"name": "mlp", "fc_dim": 128}
    assert data["scheduler"] == {"name": "constant"}
    assert data["data"]["train"]["table"] == str(tmp_path / "train.csv")


def test_a_saved_experiment_reads_back_as_the_same_data(
    whole: Callable[..., Path], tmp_path: Path
) -> None:
    experiment = load_experiment(whole())
    experiment.save(tmp_path / "again.yaml")
    assert load_experiment(tmp_path / "again.yaml").as_data() == experiment.as_data()


def test_a_source_and_its_split_are_in_the_saved_file_and_nothing_else_is(
    whole: Callable[..., Path], tmp_path: Path
) -> None:
    experiment = load_experiment(whole(SPLITS, SOURCE + "  split: {seed: 3}\n"))
    assert experiment.as_data()["data"] == {
        "source": {"name": "csv", "table": str(tmp_path / "people.csv"), "columns": ["img", "ids"]},
        "split": {"ratios": [0.7, 0.1, 0.2], "seed": 3, "stratify": []},
        "exclude": None,
        "workers": 2,
    }
    experiment.save(tmp_path / "again.yaml")
    assert load_experiment(tmp_path / "again.yaml").as_data() == experiment.as_data()
    assert next(place for place, specs in experiment.specs().items() if specs) == "data.source"


def test_given_splits_add_no_key_to_the_saved_file(whole: Callable[..., Path]) -> None:
    data = load_experiment(whole()).as_data()["data"]
    assert list(data) == ["train", "val", "test", "exclude", "workers"]


def test_other_data_beside_a_source_takes_the_place_of_its_part(
    whole: Callable[..., Path],
) -> None:
    test = "data.test={name: csv, table: other.csv}"
    data = load_experiment(whole(SPLITS, SOURCE + "  split: {}\n"), [test]).data
    assert data.dataset_of("val") == data.dataset_of("train") == data.source
    assert data.dataset_of("test") == data.test != data.source


def test_a_search_needs_an_epoch(whole: Callable[..., Path]) -> None:
    search = "search: {space: {optimizer.lr: {float: [0.1, 1]}}}\n"
    assert load_experiment(whole("", search)).search is not None
    with pytest.raises(ExperimentError, match=r"a search needs train\.epochs of 1 or more"):
        load_experiment(whole("", search), ["train.epochs=0"])


DATA = {"a": {"b": [10, {"c": 20}]}, "loss": {"name": "learned"}, "head": "mlp"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((), DATA),
        (("a", "b", 0), 10),
        (("a", "b", "1", "c"), 20),
        (("a", "b", 2), None),
        (("a", "b", "x"), None),
        (("a", "b", "-1"), None),
        (("a", "b", "9" * 5000), None),
        (("a", "b", 0, "d"), None),
        (("no", "such"), None),
    ],
)
def test_a_value_is_found_by_keys_and_indices(path: Sequence[str | int], value: Any) -> None:
    assert value_at(DATA, path) == value


def test_the_keys_of_a_plugin_are_those_of_the_named_one() -> None:
    assert keys_at(Experiment, ("loss",), DATA) == ["name", "hidden", "symmetric"]
    assert keys_at(Experiment, ("head",), DATA) == ["name", "fc_dim"]
    assert keys_at(Experiment, ("loss",), {"loss": "no_such"}) == []
    assert keys_at(Experiment, ("seed",), DATA) == []


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (("train", "epochs"), "a whole number >= 0 and <= 1000000"),
        (("loss", "hidden", 5), "a whole number > 0"),
        (("image", "crop", 0), "a whole number >= 0 and <= 1048576"),
        (("image", "crop", 3), "a whole number > 0 and <= 1048576"),
        (("transforms", 1), "a transform"),
        (("lint", "self_pair"), "'error', 'warning' or 'off'"),
    ],
)
def test_a_type_is_found_in_sections_plugins_lists_and_mappings(
    path: tuple[str | int, ...], words: str
) -> None:
    assert describe_type(type_at(Experiment, path, DATA)) == words


def test_nothing_has_no_type() -> None:
    assert type_at(Experiment, ("train", "epochs", "more"), DATA) is None


def test_a_key_at_the_wrong_level_is_found_elsewhere() -> None:
    assert elsewhere(Experiment, "epochs", DATA) == ["train.epochs"]
    assert elsewhere(Experiment, "fc_dim", DATA) == ["head.fc_dim"]
    assert elsewhere(Experiment, "name", DATA) == []
