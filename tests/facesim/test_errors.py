"""The nearest names, as a suggestion."""

import pytest

from facesim import FacesimError, PluginError
from facesim.errors import PluginFailure, count, did_you_mean, listed, nearest

LOSSES = ["arcface", "contrastive", "cosface", "learned", "multi_similarity"]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("contrastiv", "contrastive"),
        ("Contrastive", "contrastive"),
        ("CONTRASTIVE", "contrastive"),
        ("constrative", "contrastive"),
        ("lerned", "learned"),
        ("multisimilarity", "multi_similarity"),
    ],
)
def test_a_typo_finds_the_name(wrong: str, right: str) -> None:
    assert did_you_mean(wrong, LOSSES) == f" (did you mean {right!r}?)"


def test_several_near_names_are_all_told_nearest_first() -> None:
    assert nearest("cosfaces", LOSSES) == ["cosface", "arcface"]
    assert did_you_mean("cosfaces", LOSSES) == " (did you mean 'cosface' or 'arcface'?)"


@pytest.mark.parametrize("wrong", ["", "xyz", "optimizer"])
def test_a_name_like_no_other_suggests_nothing(wrong: str) -> None:
    assert did_you_mean(wrong, LOSSES) == ""
    assert did_you_mean(wrong, []) == ""


def test_names_keep_their_case() -> None:
    assert nearest("multisimilarityloss", ["MultiSimilarityLoss"]) == ["MultiSimilarityLoss"]


def test_a_plugin_error_is_a_facesim_error() -> None:
    assert issubclass(PluginError, FacesimError)


def test_what_was_refused_is_not_said_to_have_failed() -> None:
    tried, refused = (PluginFailure("m", "o", "why", attempted=each) for each in (True, False))
    assert "failed" in str(tried)
    assert "failed" not in str(refused)


def test_counts_follow_their_number() -> None:
    assert count(1, "pair") == "1 pair"
    assert count(6000, "pair") == "6,000 pairs"
    assert count(12, "identity") == "12 identities"
    assert count(6, "epoch") == "6 epochs"
    assert count(2, "batch") == "2 batches"
    assert count(20, "photograph") == "20 photographs"
    assert count(3, "process") == "3 processes"


def test_names_are_listed_as_in_a_sentence() -> None:
    assert listed(["train"]) == "train"
    assert listed(["train", "val"]) == "train and val"
    assert listed(["train", "val", "test"]) == "train, val and test"
