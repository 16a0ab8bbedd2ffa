"""Differences of runs to the first of them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from facesim.atomic import write_text
from facesim.errors import FacesimError
from facesim.runs.compared_runs import open_runs
from facesim.runs.comparison import compare_runs
from facesim.runs.run import Run


def test_runs_on_the_same_pairs_are_paired(build_run: Callable[..., Run]) -> None:
    comparison = compare_runs([build_run("weak", 0.5), build_run("strong", 3.0)])
    weak, strong = comparison.groups
    assert strong.why_unpaired is None
    assert weak.differences == {}
    assert strong.differences["accuracy"].better == "second"
    assert strong.differences["eer"].better == "second"
    assert (strong.differences["eer"].difference or 0) < 0


def test_a_run_does_not_differ_from_its_like(build_run: Callable[..., Run]) -> None:
    comparison = compare_runs([build_run("one"), build_run("two")])
    differences = comparison.groups[1].differences
    assert {each.better for each in differences.values()} == {None}
    assert differences["accuracy"].difference == 0.0


def test_runs_on_other_pairs_are_compared_as_if_they_were_independent(
    build_run: Callable[..., Run],
) -> None:
    comparison = compare_runs([build_run("one"), build_run("two", pairs_seed=1)])
    assert comparison.groups[1].shared_pairs is None
    assert comparison.groups[1].why_unpaired == (
        "it was evaluated on other pairs: the two runs share 7 of their 180 and 180 impostor pairs"
    )
    found = comparison.groups[1].differences["accuracy"]
    assert None not in (found.low, found.difference, found.high)
    assert (found.low or 0) < (found.difference or 0) < (found.high or 0)


def test_runs_that_share_most_of_their_pairs_are_compared_on_those(
    build_run: Callable[..., Run],
) -> None:
    """In any order, and with either file first; of what one run lacks nothing is known."""
    weak, strong = build_run("weak", 0.5), build_run("strong", 3.0)
    whole = compare_runs([weak, strong]).groups[1].differences["accuracy"]
    file = strong.directory.evaluation("test") / "scores.csv"
    scores = pd.read_csv(file, dtype={"identity1": str, "identity2": str})
    turned = {
        "file1": "file2",
        "file2": "file1",
        "identity1": "identity2",
        "identity2": "identity1",
    }
    write_text(file, scores.rename(columns=turned)[::-1].to_csv(index=False))
    reordered = compare_runs([weak, strong]).groups[1]
    assert (reordered.shared_pairs, reordered.why_unpaired) == (None, None)
    assert reordered.differences["accuracy"] == whole
    write_text(file, scores[scores.index % 4 > 0].to_csv(index=False))
    part = compare_runs([weak, strong]).groups[1]
    assert (part.shared_pairs, part.why_unpaired) == (270, None)
    kept = pd.read_csv(weak.directory.evaluation("test") / "scores.csv")[scores.index % 4 > 0]
    assert part.differences["accuracy"].difference == pytest.approx(
        accuracy(scores.loc[kept.index], strong) - accuracy(kept, weak)
    )


def test_a_run_on_a_part_of_the_pairs_is_compared_on_its_own(build_run: Callable[..., Run]) -> None:
    """All of its pairs are shared, however few they are of the other's."""
    weak, strong = build_run("weak", 0.5), build_run("strong", 3.0)
    file = strong.directory.evaluation("test") / "scores.csv"
    scores = pd.read_csv(file, dtype={"identity1": str, "identity2": str})
    write_text(file, scores[scores.index % 4 == 0].to_csv(index=False))
    for first, second in ((weak, strong), (strong, weak)):
        part = compare_runs([first, second]).groups[1]
        assert (part.shared_pairs, part.why_unpaired) == (90, None)


def accuracy(scores: pd.DataFrame, run: Run) -> float:
    result = run.read().result
    assert result is not None
    assert result.threshold is not None
    return float(((scores["score"] >= result.threshold) == scores["same"]).mean())


def test_three_runs_are_compared_with_the_first(build_run: Callable[..., Run]) -> None:
    runs = [build_run("one"), build_run("two", 2.0), build_run("three", 2.5)]
    comparison = compare_runs(runs)
    assert [len(run.differences) > 0 for run in comparison.groups] == [False, True, True]
    first, second, third = (run.results[0].metrics["accuracy"].value for run in comparison.groups)
    assert first is not None
    assert [run.differences["accuracy"].difference for run in comparison.groups[1:]] == [
        pytest.approx((value or 0) - first) for value in (second, third)
    ]


def test_runs_are_told_apart_by_the_shortest_label(build_run: Callable[..., Run]) -> None:
    first, second = build_run("same"), build_run("same")
    labels = [run.label for run in compare_runs([first, second]).groups]
    assert labels == [first.path.name, second.path.name]
    assert [run.label for run in compare_runs([first, build_run("other")]).groups] == [
        "same",
        "other",
    ]


def test_only_what_differs_in_the_experiments_is_listed(
    build_run: Callable[..., Run],
) -> None:
    comparison = compare_runs([build_run("one"), build_run("two", out_dim=8)])
    listed = comparison.configuration
    assert listed == {"name": ("one", "two"), "head.out_dim": ("4", "8")}


def test_one_run_is_not_compared(build_run: Callable[..., Run]) -> None:
    with pytest.raises(FacesimError, match="two run directories"):
        compare_runs([build_run()])


def test_a_run_without_the_evaluation_is_named(build_run: Callable[..., Run]) -> None:
    runs = [build_run("one"), build_run("two")]
    (runs[1].directory.evaluation("test") / "metrics.json").unlink()
    with pytest.raises(FacesimError, match=r"two.* has no evaluation 'test'"):
        compare_runs(runs)


def test_a_metric_that_one_run_lacks_is_not_compared(build_run: Callable[..., Run]) -> None:
    runs = [build_run("one"), build_run("two"), build_run("three")]
    file = runs[2].directory.evaluation("test") / "metrics.json"
    content = json.loads(file.read_text())
    del content["metrics"]["roc_auc"]
    write_text(file, json.dumps(content))
    found = compare_runs(runs)
    assert "accuracy" in found.metrics
    assert "roc_auc" not in found.metrics
    assert all(set(run.differences) == set(found.metrics) for run in found.groups[1:])


def test_runs_without_scores_of_single_pairs_are_compared_as_if_independent(
    build_run: Callable[..., Run],
) -> None:
    runs = [build_run("weak", 0.5), build_run("strong", 3.0)]
    (runs[0].directory.evaluation("test") / "scores.csv").unlink()
    _, strong = compare_runs(runs).groups
    assert strong.why_unpaired is not None
    assert strong.why_unpaired.startswith("the scores of single pairs of weak / ")
    assert strong.why_unpaired.endswith(" were not kept")
    assert strong.differences["accuracy"].interval == "independent_95"


def test_the_intervals_of_several_differences_hold_together(
    build_run: Callable[..., Run],
) -> None:
    """Of pairs that are the same, and of others."""
    runs = [build_run("one"), build_run("two", 2.0), build_run("three", 2.5, pairs_seed=1)]
    several = compare_runs(runs).groups[1:]
    for run, group in zip(runs[1:], several, strict=True):
        alone = compare_runs([runs[0], run]).groups[1].differences["accuracy"]
        found = group.differences["accuracy"]
        assert found.difference == alone.difference
        assert (found.low or 0) < (alone.low or 0)
        assert (found.high or 0) > (alone.high or 0)
        assert found.interval == f"{alone.interval}_simultaneous"


def test_a_study_is_its_retrained_runs_since_trials_leave_test_alone(
    build_run: Callable[..., Run], tmp_path: Path
) -> None:
    study = tmp_path / "study"
    places = ("trials/0000/a", "trials/0001/a", "winner-1/0000/a", "winner-1/0001/a")
    for at, place in enumerate(places):
        run = build_run("a", loss="triplet" if at % 2 else "contrastive")
        (study / place).mkdir(parents=True)
        if place.startswith("trials"):
            shutil.rmtree(run.path / "eval")
        run.path.rename(study / place / "20260101-120000")
    runs, (passed,) = open_runs([study], "test")
    assert "2 runs with no evaluation 'test'" in passed
    labels = [group.label for group in compare_runs(runs).groups]
    assert labels == ["loss=contrastive", "loss=triplet"]
    with pytest.raises(FacesimError, match=r"the trials of a search, which leave test alone"):
        open_runs([study / "trials"], "test")
