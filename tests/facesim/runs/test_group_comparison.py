"""Comparison of systems with several seeds each."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from facesim.atomic import write_text
from facesim.cli.program import app
from facesim.errors import FacesimError
from facesim.evaluation.seed_differences import ONE_SEED, SEEDS_INTERVAL, SeedDifference
from facesim.page import Table
from facesim.report.comparison_files import write_comparison
from facesim.report.comparison_report import comparison_blocks
from facesim.runs.comparison import Comparison, compare_groups, compare_runs
from facesim.runs.run import Run

Build = Callable[..., Run]
SYSTEMS = (("weak", 0.5), ("strong", 3.0))


def paired(found: Comparison) -> bool:
    """Whether the second group was compared seed by seed."""
    difference = found.groups[1].differences["roc_auc"]
    assert isinstance(difference, SeedDifference)
    return difference.paired


def two_systems(build_run: Build, strong: float = 3.0) -> tuple[list[Run], list[Run]]:
    weak = [build_run("weak", 0.5, seed=seed) for seed in (1, 2)]
    return weak, [build_run("strong", strong, out_dim=8, seed=seed) for seed in (2, 1)]


def test_runs_with_the_same_seeds_are_paired(build_run: Build) -> None:
    found = compare_groups(*two_systems(build_run))
    assert paired(found)
    assert [group.seeds for group in found.groups] == [(1, 2), (1, 2)]
    assert found.groups[1].differences["roc_auc"].better == "second"
    assert found.configuration == {"head.out_dim": ("4", "8"), "name": ("weak", "strong")}


def test_runs_with_other_seeds_are_not_paired_and_told_to_be(build_run: Build) -> None:
    weak, strong = two_systems(build_run)
    third = build_run("strong", 3.0, out_dim=8, seed=3)
    found = compare_groups(weak, [*strong, third])
    assert not paired(found)
    assert found.groups[1].differences["roc_auc"].better == "second"
    told = " ".join(str(block) for block in comparison_blocks(found))
    assert "their seeds are not those of weak (1, 2), each once: strong (1, 2, 3)." in told
    assert "strong\\n(3 seeds)" in told


def test_alike_systems_do_not_differ(build_run: Build) -> None:
    found = compare_groups(*two_systems(build_run, strong=0.5))
    assert {each.better for each in found.groups[1].differences.values()} == {None}


def test_runs_of_one_side_that_differ_in_more_than_the_seed_are_a_warning(build_run: Build) -> None:
    weak, strong = two_systems(build_run)
    other = build_run("strong", 3.0, out_dim=16, seed=3)
    found = compare_groups(weak, [strong[0], other])
    assert found.groups[1].differing == ("head.out_dim",)
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
    assert "over people and seeds" in result.output
    assert "better" in result.output
    page = out.read_text(encoding="utf-8")
    assert "2 runs against 2" in page
    assert "errors: of people / of seeds" in page
    assert "Not measurable in any run: TAR at FAR 1e-" in page


def test_one_run_a_side_has_no_verdict(build_run: Build, tmp_path: Path) -> None:
    weak, strong = two_systems(build_run)
    found = compare_groups(weak[:1], strong[1:])
    assert found.groups[1].differences["roc_auc"].better is None
    page = write_comparison(found, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "one seed says nothing of how much other seeds would differ" in page


def test_two_runs_with_one_seed_are_not_paired_by_it(build_run: Build) -> None:
    """Which of the one side would belong to which of the other?"""
    sides = [[build_run(name, skill, seed=1) for _ in range(2)] for name, skill in SYSTEMS]
    found = compare_groups(*sides)
    assert [group.seeds for group in found.groups] == [(1, 1), (1, 1)]
    assert not paired(found)


def test_a_metric_that_could_not_be_compared_hides_no_other(build_run: Build) -> None:
    found = compare_groups(*two_systems(build_run))
    weak, strong = found.groups
    first = next(iter(found.metrics))
    lost = strong.differences[first].model_copy(update={"difference": None, "reason": "undefined"})
    strong = replace(strong, differences={**strong.differences, first: lost})
    told = comparison_blocks(replace(found, groups=(weak, strong)), every=True)
    tables = [each for each in told if isinstance(each, Table) and "Verdict" in each.columns]
    assert tables[0].rows[0][-1] == "undefined"
    assert all(
        table.rows[0][-1] in ("better", "worse", "no difference shown") for table in tables[1:]
    )
    assert "Not compared: Accuracy, undefined." in str(told)


def test_three_groups_are_each_compared_with_the_first(build_run: Build) -> None:
    """Their intervals hold together, so each is wider than that of the pair alone."""
    systems = {"weak": 0.5, "middle": 1.0, "strong": 3.0}
    runs = [build_run(*each, seed=seed) for each in systems.items() for seed in (1, 2)]
    found = compare_runs(runs)
    assert [group.label for group in found.groups] == [*systems]
    for at, group in enumerate(found.groups[1:], start=1):
        alone = compare_runs([*runs[:2], *runs[2 * at : 2 * at + 2]]).groups[1]
        for name in ("accuracy", "roc_auc"):
            together, apart = group.differences[name], alone.differences[name]
            assert together.difference == pytest.approx(apart.difference)
            assert (together.low or 0) < (apart.low or 0)
            assert (together.high or 0) > (apart.high or 0)
            assert apart.interval == SEEDS_INTERVAL
            assert together.interval == f"{SEEDS_INTERVAL}_simultaneous"


def test_a_group_of_one_seed_has_an_interval_over_people_and_no_verdict(build_run: Build) -> None:
    weak = [build_run("weak", 0.5, seed=seed) for seed in (1, 2)]
    strong = compare_runs([*weak, build_run("strong", 3.0)]).groups[1].differences["roc_auc"]
    assert (strong.low or 0) > 0
    assert (strong.better, strong.reason) == (None, ONE_SEED)


def test_scores_that_were_not_kept_cost_a_group_its_interval_alone(build_run: Build) -> None:
    systems = {"weak": 0.5, "middle": 1.0, "strong": 3.0}
    runs = [build_run(*each, seed=seed) for each in systems.items() for seed in (1, 2)]
    (runs[5].directory.evaluation("test") / "scores.csv").unlink()
    found = compare_runs(runs)
    _, middle, strong = found.groups
    assert middle.differences["accuracy"].low is not None
    assert strong.differences["accuracy"].low is None
    assert (strong.differences["accuracy"].difference or 0) > 0
    assert strong.why_unpaired is not None
    assert "strong has no interval: the scores of single pairs" in str(comparison_blocks(found))
    with pytest.raises(FacesimError, match="were not kept"):
        compare_groups(runs[:2], runs[4:])


def test_the_command_compares_evaluations_of_the_asked_name(build_run: Build) -> None:
    sides = two_systems(build_run)
    for run in (*sides[0], *sides[1]):
        run.directory.evaluation("test").rename(run.directory.evaluation("other"))
    paths = [[str(run.path) for run in side] for side in sides]
    for against in (paths[1], [paths[1][0], "--against", paths[1][1]]):
        asked = ["compare", *paths[0], "--against", *against, "--name", "other"]
        found = CliRunner().invoke(app, asked)
        assert found.exit_code == 0, found.output
        assert "Accuracy minus that of strong" in " ".join(found.output.split())


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
    assert found.groups[1].differences["roc_auc"].better == "second"
