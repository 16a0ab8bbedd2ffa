"""Where two experiments differ, by dotted key."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from facesim.experiment.differences import differences, differing_values, is_within
from facesim.experiment.loading import load_experiment


def data(file: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    return load_experiment(file, overrides).as_data()


def test_equal_experiments_do_not_differ(whole: Callable[..., Path]) -> None:
    assert differences(data(whole()), data(whole())) == {}


def test_a_key_is_named_with_both_values(whole: Callable[..., Path]) -> None:
    before = data(whole())
    after = data(whole(), ["train.epochs=77", "image.crop=[1, 2, 3, 4]"])
    assert differences(before, after) == {
        "image.crop": "null -> [1, 2, 3, 4]",
        "train.epochs": "10 -> 77",
    }


def test_another_plugin_differs_in_its_name_and_in_what_only_one_of_them_has(
    whole: Callable[..., Path],
) -> None:
    before = data(whole())
    after = data(whole(), ["loss=learned"])
    assert differences(before, after) == {
        "loss.name": "contrastive -> learned",
        "loss.margin": "2.0 -> nothing",
        "loss.hidden": "nothing -> [64, 64]",
        "loss.symmetric": "nothing -> true",
    }


def test_only_keys_that_differ_are_listed_with_the_value_of_each_document() -> None:
    found = differing_values(
        [
            {"name": "one", "head": {"out_dim": 4}, "seed": 0},
            {"name": "one", "head": {"out_dim": 8}, "seed": 0, "loss": "learned"},
            {"name": "one", "head": {"out_dim": 8}, "seed": 3},
        ]
    )
    assert found == {
        "head.out_dim": ("4", "8", "8"),
        "seed": ("0", "0", "3"),
        "loss": (None, "learned", None),
    }


def test_values_are_told_as_in_json_and_text_as_it_is() -> None:
    values = ["é", ["é", 1], {}, True, 0.5]
    told = ["é", '["é", 1]', "{}", "true", "0.5"]
    before, after = ({"key": value} for value in (2, None))
    for value, text in zip(values, told, strict=True):
        assert differences(before, {"key": value}) == {"key": f"2 -> {text}"}
        assert differences({"key": value}, after) == {"key": f"{text} -> null"}


def test_one_document_differs_from_nothing() -> None:
    assert differing_values([{"seed": 0}]) == {}


def test_a_value_of_null_is_not_a_key_that_is_missing() -> None:
    assert differing_values([{"seed": 0}, {"seed": 0, "crop": None}]) == {"crop": (None, "null")}


def test_a_key_is_within_a_section_and_not_within_one_that_begins_alike() -> None:
    assert is_within("data.val.root", ("image", "data.val"))
    assert is_within("image", ("image",))
    assert not is_within("data.value", ("data.val",))
