"""Where two experiments differ, by dotted key."""

from collections.abc import Callable
from pathlib import Path

from facesim.experiment.differences import differences, is_within
from facesim.experiment.loading import load_experiment


def test_equal_experiments_do_not_differ(whole: Callable[..., Path]) -> None:
    assert differences(load_experiment(whole()), load_experiment(whole())) == {}


def test_a_key_is_named_with_both_values(whole: Callable[..., Path]) -> None:
    before = load_experiment(whole())
    after = load_experiment(whole(), ["train.epochs=77", "image.crop=[1, 2, 3, 4]"])
    assert differences(before, after) == {
        "image.crop": "None -> [1, 2, 3, 4]",
        "train.epochs": "10 -> 77",
    }


def test_another_plugin_differs_in_its_name_and_in_what_only_one_of_them_has(
    whole: Callable[..., Path],
) -> None:
    before = load_experiment(whole())
    after = load_experiment(whole(), ["loss=learned"])
    assert differences(before, after) == {
        "loss.name": "contrastive -> learned",
        "loss.margin": "2.0 -> nothing",
        "loss.hidden": "nothing -> [64, 64]",
        "loss.symmetric": "nothing -> True",
    }


def test_a_key_is_within_a_section_and_not_within_one_that_begins_alike() -> None:
    assert is_within("data.val.root", ("image", "data.val"))
    assert is_within("image", ("image",))
    assert not is_within("data.value", ("data.val",))
