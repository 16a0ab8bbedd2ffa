"""Comparison of systems with several seeds each."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from facesim.atomic import write_text
from facesim.cli.application import app
from facesim.errors import FacesimError
from facesim.page import Table
from facesim.report.comparison_report import comparison_blocks, write_comparison
from facesim.runs.group_comparison import compare_groups
from facesim.runs.run import Run

Build = Callable[..., Run]
SYSTEMS = (("weak", 0.5), ("strong", 3.0))


def two_systems(build_run: Build, strong: float = 3.0) -> tuple[list[Run], list[Run]]:
    weak = [build_run("weak", 0.5, seed=seed) for seed in (1, 2)]
    return weak, [build_run("strong", strong, out_dim=8, seed=seed) for seed in (2, 1)]


def test_runs_with_the_same_seeds_are_paired(build_run: Build) -> None:
    found = compare_groups(*two_systems(build_run))
    assert found.paired
    assert (found.first.seeds, found.second.seeds) == ((1, 2), (1, 2))
    assert found.differences["roc_auc"].better == "second"
    assert found.configuration == {"head.out_dim": ("4", "8"), "name": ("weak", "strong")}


def test_runs_with_other_seeds_are_not_paired_and_told_to_be(build_run: Build) -> None:
    weak, strong = two_systems(build_run)
    third = build_run("strong", 3.0, out_dim=8, seed=3)
    found = compare_groups(weak, [*strong, third])
    assert not found.paired
    assert found.differences["roc_auc"].better == "second"
    told = " ".join(str(block) for block in comparison_blocks(found))
    assert "other seeds (1, 2 and 1, 2, 3)" in told
    assert "3 runs of strong against 2 runs of weak: means" in told


def test_alike_systems_do_not_differ(build_run: Build) -> None:
    found = compare_groups(*two_systems(build_run, strong=0.5))
    assert {each.better for each in found.differences.values()} == {None}


def test_runs_of_one_side_that_differ_in_more_than_the_seed_are_a_warning(build_run: Build) -> None:
    weak, strong = two_systems(build_run)
    other = build_run("strong", 3.0, out_dim=16, seed=3)
    found = compare_groups(weak, [strong[0], other])
    assert found.second.differing == ("head.out_dim",)
    told = " ".join(str(block) for block in comparison_blocks(found))
    assert "The runs of strong differ in more than the seed: head.out_dim." in told


def test_a_run_stands_on_one_side_once(build_run: Build) -> None:
    weak, strong = two_systems(build_run)
    with pytest.raises(FacesimError, match="is named twice"):
        compare_groups(weak, [*strong, weak[0]])
    with pytest.raises(FacesimError, match="each side"):
        compare_groups(weak, [])


def test_the_command_takes_several_runs_a_side(build_run: Build, tmp_path: Path) -> None:
    weak, strong = ([str(run.path) for run in side] for side in two_systems(build_run))
    out = tmp_path / "compared.html"
    command = ["compare", *strong, "--against", *weak, "--out", str(out)]
    result = CliRunner().invoke(app, command, env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert "of strong, over people and seeds together" in result.output
    assert "better" in result.output
    page = out.read_text(encoding="utf-8")
    assert "2 runs against 2" in page
    assert "standard errors over people / seeds" in page
    assert "Not compared: TAR at FAR 1e-" in page


def test_one_run_a_side_has_no_verdict(build_run: Build, tmp_path: Path) -> None:
    weak, strong = two_systems(build_run)
    found = compare_groups(weak[:1], strong[1:])
    assert found.differences["roc_auc"].better is None
    page = write_comparison(found, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "one seed says nothing of how much other seeds would differ" in page


def test_rates_at_target_fmrs_say_what_the_least_supported_run_rests_on(build_run: Build) -> None:
    found = compare_groups(*two_systems(build_run))
    (support,) = (
        block
        for block in comparison_blocks(found)
        if isinstance(block, Table) and block.columns[0] == "FMR"
    )
    fewest = [
        min(
            each.identities or 0
            for files in side.files
            if files.result is not None
            and (each := files.result.metrics["tar_at_far_1e-1"].support) is not None
        )
        for side in (found.first, found.second)
    ]
    assert support.rows == (
        ("1e-1", *(f"unstable: 18 false matches of {people} identities" for people in fewest)),
        ("1e-2, 1e-3, 1e-4, 1e-5, 1e-6", "not measurable", "not measurable"),
    )


def test_two_runs_with_one_seed_are_not_paired_by_it(build_run: Build) -> None:
    """Which of the one side would belong to which of the other?"""
    sides = [[build_run(name, skill, seed=1) for _ in range(2)] for name, skill in SYSTEMS]
    found = compare_groups(*sides)
    assert (found.first.seeds, found.second.seeds) == ((1, 1), (1, 1))
    assert not found.paired


def test_a_metric_that_could_not_be_compared_hides_no_other(build_run: Build) -> None:
    found = compare_groups(*two_systems(build_run))
    first = next(iter(found.metrics))
    without = found.differences[first].model_copy(
        update={"difference": None, "reason": "undefined"}
    )
    comparison = replace(found, differences={**found.differences, first: without})
    tables = [each for each in comparison_blocks(comparison) if isinstance(each, Table)]
    (table,) = (each for each in tables if "Reference" in each.columns)
    listed = [row[0] for row in table.rows]
    assert listed == [
        metric.label
        for name, metric in found.metrics.items()
        if name != first and found.differences[name].difference is not None
    ]


def test_the_command_compares_evaluations_of_the_asked_name(build_run: Build) -> None:
    sides = two_systems(build_run)
    for run in (*sides[0], *sides[1]):
        run.directory.evaluation("test").rename(run.directory.evaluation("other"))
    paths = [[str(run.path) for run in side] for side in sides]
    for against in (paths[1], [paths[1][0], "--against", paths[1][1]]):
        asked = ["compare", *paths[0], "--against", *against, "--name", "other"]
        found = CliRunner().invoke(app, asked)
        assert found.exit_code == 0, found.output
        assert "2 runs of weak against 2 runs of strong" in " ".join(found.output.split())


def test_pairs_that_contradict_the_identities_are_compared_as_they_are_listed(
    build_run: Build,
) -> None:
    sides = two_systems(build_run)
    for run in (*sides[0], *sides[1]):
        file = run.directory.evaluation("test") / "scores.csv"
        scores = pd.read_csv(file, dtype=str)
        scores.loc[scores.index[scores["same"] == "1"][:2], "same"] = "0"
        write_text(file, scores.to_csv(index=False))
    found = compare_groups(*sides)
    assert found.differences["roc_auc"].better == "second"
