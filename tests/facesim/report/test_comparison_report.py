"""The comparison of runs as a page and on the terminal."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest

from facesim.atomic import write_text
from facesim.console import Console
from facesim.interfaces.result import EvaluationResult
from facesim.page import Plot, Table, Text
from facesim.report.comparison_report import (
    comparison_blocks,
    comparison_page,
    configuration_list,
    configuration_matrix,
    metrics_shown,
    metrics_table,
    support_table,
)
from facesim.report.formatting import metric_value, spread
from facesim.report.rendering import render
from facesim.runs.comparison import Comparison, compare_groups, compare_runs
from facesim.runs.run import Run
from facesim.terminal.results import print_comparison
from tests.facesim.report.small_result import METRICS, at_target, small_result

Build = Callable[..., Run]
LOSSES = {"contrastive": 1.0, "{name: arcface, margin: 0.3}": 2.5, "triplet": 1.5}


def printed(comparison: Comparison, width: int = 200, *, every: bool = False) -> str:
    screen = io.StringIO()
    print_comparison(Console(file=screen, width=width), comparison, every=every)
    return screen.getvalue()


def nine_runs(build_run: Build) -> Comparison:
    """Three losses, each with three seeds."""
    runs = [
        build_run("tiny", skill, loss=loss, seed=seed)
        for (loss, skill), seed in product(LOSSES.items(), (0, 1, 2))
    ]
    return compare_runs(runs)


def notes(comparison: Comparison) -> str:
    return " ".join(each.text for each in comparison_blocks(comparison) if isinstance(each, Text))


def test_nine_runs_are_three_groups_the_best_first(build_run: Build) -> None:
    comparison = nine_runs(build_run)
    table = metrics_table(comparison, metrics_shown(comparison))
    assert [row[0] for row in table.rows] == [
        "loss=arcface\n(3 seeds)",
        "loss=triplet\n(3 seeds)",
        "loss=contrastive\n(reference, 3 seeds)",
    ]
    metric, best = comparison.metrics["accuracy"], comparison.ranked[0]
    mean, deviation = best.mean(metric), best.deviation(metric)
    assert deviation is not None
    assert table.rows[0][1].splitlines() == [
        metric_value(metric, mean),
        f"± {spread(metric, deviation)}",
        "better",
    ]
    assert "The intervals of 2 differences to loss=contrastive hold together" in notes(comparison)


def test_one_seed_says_so_instead_of_a_spread(build_run: Build) -> None:
    runs = [build_run("weak", 0.5, seed=seed) for seed in (1, 2)]
    comparison = compare_runs([*runs, build_run("strong", 3.0)])
    table = metrics_table(comparison, metrics_shown(comparison))
    rows = {row[0].splitlines()[0]: row for row in table.rows}
    assert rows["strong"][0].endswith("(one seed)")
    assert "±" not in rows["strong"][1]
    assert "±" in rows["weak"][1]
    assert "Of strong: one seed says nothing of how much other seeds would differ" in (
        notes(comparison)
    )
    assert "no verdict of one seed" in printed(comparison)


def test_runs_of_one_experiment_are_a_mean_and_single_runs(build_run: Build) -> None:
    comparison = compare_runs([build_run("same", seed=seed) for seed in (0, 1, 2)])
    text = printed(comparison)
    assert "± " in text
    assert "(3 seeds)" in text
    for seed in (0, 1, 2):
        assert f"same, seed={seed}" in text
    assert "All runs are of one experiment, same" in text
    assert "reference" not in text


def test_the_five_most_telling_metrics_are_shown_or_all(build_run: Build) -> None:
    comparison = compare_runs([build_run("one"), build_run("two", 2.0)])
    names = [metric.name for metric in metrics_shown(comparison)]
    assert names == ["accuracy", "eer", "fmr", "fnmr", "roc_auc"]
    every = metrics_shown(comparison, every=True)
    assert len(every) > 5
    assert "balanced_accuracy" in {metric.name for metric in every}
    assert "tar_at_far_1e-6" not in {metric.name for metric in every}
    assert "Not measurable in any run: TAR at FAR 1e-2" in notes(comparison)
    assert "d-prime" not in printed(comparison)
    assert "d-prime" in printed(comparison, every=True)


def test_twenty_runs_with_long_names_fit_eighty_columns(build_run: Build) -> None:
    comparison = compare_runs([build_run("one"), build_run("two", 2.0)])
    first, second = comparison.groups
    labels = [
        f"optimizer.lr={lr}, sampler.pairs_per_image={pairs}, train.epochs={epochs}"
        for lr, pairs, epochs in product((0.0005, 0.001), (0.25, 1.0), (3, 10, 30, 100, 300))
    ]
    groups = [replace(first, label=labels[0])]
    groups += [replace(second, label=label) for label in labels[1:]]
    many = replace(
        comparison,
        groups=tuple(groups),
        configuration={"train.epochs": tuple(map(str, range(20)))},
    )
    for every in (False, True):
        lines = printed(many, 80, every=every).splitlines()
        assert max(map(len, lines)) <= 80
        text = "\n".join(lines)
        for word in ("Accuracy", "threshold", "Verdict", "(reference)", "train.epochs=300"):
            assert word in text


def test_a_verdict_stands_beside_the_value_and_in_the_table_of_differences(
    build_run: Build,
) -> None:
    comparison = compare_runs([build_run("strong", 3.0), build_run("weak", 0.5)])
    _, metrics, differences, *_ = comparison_blocks(comparison)
    assert isinstance(metrics, Table)
    assert isinstance(differences, Table)
    assert metrics.rows[0][0] == "strong\n(reference)"
    assert metrics.rows[1][1].splitlines()[-1] == "worse"
    (row,) = differences.rows
    assert row[0] == "weak"
    assert row[-1] == "worse"
    assert " to " in row[2]
    assert differences.caption == (
        "Accuracy minus that of strong, percentages in points, with 95% intervals over people"
    )


def test_that_runs_could_not_be_paired_is_a_warning(build_run: Build) -> None:
    comparison = compare_runs([build_run("one"), build_run("two", pairs_seed=1)])
    assert "as if it were independent" in printed(comparison)
    assert "as if it were independent" in render(comparison_page(comparison))


def test_that_runs_are_compared_on_shared_pairs_is_a_warning(build_run: Build) -> None:
    runs = [build_run("one"), build_run("two")]
    file = runs[1].directory.evaluation("test") / "scores.csv"
    lines = file.read_text().splitlines()
    write_text(file, "\n".join(lines[:-60]) + "\n")
    told = " ".join(printed(compare_runs(runs)).split())
    assert "two was evaluated on other pairs than one" in told
    assert "The differences are of the 300 pairs that both share, out of 360 and 360" in told


def test_page_and_terminal_say_the_same(build_run: Build) -> None:
    comparison = compare_runs([build_run("one"), build_run("two", out_dim=8)])
    page, terminal = render(comparison_page(comparison)), printed(comparison, every=True)
    for text in ("head.out_dim", "no difference shown", "Equal error rate", "TAR at FAR 1e-2"):
        assert text in page
        assert text in terminal


def test_the_rates_at_target_fmrs_say_what_they_rest_on(build_run: Build) -> None:
    comparison = compare_runs([build_run("one"), build_run("two", 2.0)])
    page = comparison_page(comparison)
    tables = [block for block in page.sections[1].blocks if isinstance(block, Table)]
    (support,) = (table for table in tables if table.columns == ("FMR", "Support"))
    rows = {row[0]: row[1] for row in support.rows}
    assert rows["1e-1"].startswith("unstable: 18 false matches of ")
    assert rows["1e-2, 1e-3, 1e-4, 1e-5, 1e-6"] == "not measurable"
    column = tables[0].columns.index("TAR at FAR 1e-1")
    assert "unstable" in tables[0].rows[0][column].splitlines()


def test_an_accuracy_on_unequal_kinds_stands_beside_that_of_one_answer(build_run: Build) -> None:
    comparison = compare_runs([build_run("one"), build_run("two", 2.0)])
    assert "one answer" not in notes(comparison)
    update = {"genuine": 90, "impostor": 270, "larger_class_share": 0.75}
    groups = []
    for group in comparison.groups:
        files = group.runs[0].files
        assert files.result is not None
        result = files.result.model_copy(update=update)
        run = replace(group.runs[0], files=replace(files, result=result))
        groups.append(replace(group, runs=(run,)))
    told = notes(replace(comparison, groups=tuple(groups)))
    assert "Of one answer for all, Accuracy: 75.00%." in told


def test_the_page_of_a_comparison_says_what_is_compared_with_what(build_run: Build) -> None:
    runs = [build_run("one"), build_run("two", 2.0), build_run("three", out_dim=8)]
    page = comparison_page(compare_runs(runs))
    assert (page.title, page.subtitle) == ("3 runs compared", "on test, each compared with one")
    assert [section.name for section in page.sections] == [
        *("result", "metrics", "configuration", "runs"),
    ]
    (configuration,) = page.sections[2].blocks
    assert isinstance(configuration, Table)
    assert configuration.rows == (
        ("name", "one", "two", "three"),
        ("head.out_dim", "4", "4", "8"),
    )
    _, table = page.sections[3].blocks
    assert isinstance(table, Table)
    places = {row[0]: row[1:] for row in table.rows}
    assert places["three"] == ("0", str(runs[2].path), "360", "240 pairs of val")


def test_the_page_of_nine_runs_has_a_curve_per_group_with_the_band_of_its_seeds(
    build_run: Build,
) -> None:
    page = comparison_page(nine_runs(build_run))
    assert page.title == "9 runs compared, 3 groups by seed"
    differences, roc = (each for each in page.sections[0].blocks if isinstance(each, Plot))
    (panel,) = roc.panels
    assert [(each.name, each.style, each.marks) for each in panel.series] == [
        (name, style, marks)
        for style, label in enumerate(["loss=contrastive", "loss=arcface", "loss=triplet"])
        for name, marks in (("", ("band",)), (label, ("steps",)))
    ]
    band, mean = panel.series[:2]
    for low, middle, high in zip(band.low, mean.y, band.high, strict=True):
        assert low is not None
        assert middle is not None
        assert high is not None
        assert low - 1e-12 <= middle <= high + 1e-12
    assert "the band reaches from the lowest to the highest" in roc.description
    assert {each.name: each.style for each in differences.panels[0].series if each.name} == {
        "loss=arcface": 1,
        "loss=triplet": 2,
    }
    assert len(roc.numbers.rows) == 9


def test_a_plot_has_as_many_series_as_can_be_told_apart(build_run: Build) -> None:
    comparison = compare_runs([build_run("one"), build_run("two", 2.0)])
    first, second = comparison.groups
    groups = (first, *(replace(second, label=f"run {at}") for at in range(15)))
    page = comparison_page(replace(comparison, groups=groups, configuration={}))
    differences, roc = (each for each in page.sections[0].blocks if isinstance(each, Plot))
    assert len({each.style for each in roc.panels[0].series}) == len(roc.panels[0].series) == 12
    assert len([each for each in differences.panels[0].series if each.name]) == 11
    for plot in (differences, roc):
        assert "The first 12 are drawn, 4 more are in the tables." in plot.description


def test_equal_experiments_are_said_not_to_differ(build_run: Build) -> None:
    run = build_run("one")
    assert configuration_matrix(compare_runs([run, run])) == (
        Text("The experiments do not differ.")
    )


def test_the_terminal_lists_the_keys_that_names_leave_out(build_run: Build) -> None:
    table = configuration_list(nine_runs(build_run))
    assert isinstance(table, Table)
    rows = {row[0]: row[1] for row in table.rows}
    assert "loss.name" not in rows
    assert rows["loss.scale"] == "-: loss=contrastive; loss=triplet\n64.0: loss=arcface"


def test_the_terminal_says_of_long_lists_what_differs_and_the_page_all(build_run: Build) -> None:
    lists = [
        json.dumps([{"name": "early_stopping", "metric": "eer", "patience": patience, "gain": 0.1}])
        for patience in (3, 5)
    ]
    comparison = compare_runs([build_run("one"), build_run("two")])
    comparison = replace(comparison, configuration={"callbacks": tuple(lists)})
    short, whole = configuration_list(comparison), configuration_matrix(comparison)
    assert isinstance(short, Table)
    assert isinstance(whole, Table)
    assert short.rows == (("callbacks", "early_stopping patience=3", "early_stopping patience=5"),)
    assert whole.rows == (("callbacks", *lists),)


def test_the_page_of_two_systems_says_the_seeds_of_each(build_run: Build) -> None:
    weak = [build_run("weak", 0.5, seed=seed) for seed in (1, 2)]
    strong = [build_run("strong", 3.0, out_dim=8, seed=seed) for seed in (1, 3, 2)]
    page = comparison_page(compare_groups(weak, strong))
    assert (page.title, page.subtitle) == ("3 runs against 2", "on test, each compared with weak")
    _, table = page.sections[3].blocks
    assert isinstance(table, Table)
    assert [row[:2] for row in table.rows] == [
        *(("strong, seed=1", "1"), ("strong, seed=2", "2"), ("strong, seed=3", "3")),
        *(("weak, seed=1", "1"), ("weak, seed=2", "2")),
    ]
    (configuration,) = page.sections[2].blocks
    assert isinstance(configuration, Table)
    assert configuration.columns == ("Key", "weak", "strong")
    assert ("head.out_dim", "4", "8") in configuration.rows


def test_differences_over_seeds_have_the_errors_of_people_and_of_seeds(build_run: Build) -> None:
    weak = [build_run("weak", 0.5, seed=seed) for seed in (1, 2)]
    strong = [build_run("strong", 3.0, seed=seed) for seed in (1, 2)]
    comparison = compare_groups(weak, strong)
    _, _, differences, *_ = comparison_blocks(comparison)
    assert isinstance(differences, Table)
    found = comparison.groups[1].differences["accuracy"]
    errors = (getattr(found, "identities_error"), getattr(found, "seeds_error"))  # noqa: B009
    assert differences.rows[0][3] == " / ".join(f"{100 * each:.2f}" for each in errors)
    assert "errors: of people / of seeds" in differences.caption


def test_the_least_supported_run_counts() -> None:
    """Of all seeds of all groups."""

    def result(*false_matches: int) -> EvaluationResult:
        rates = {
            name: at_target(target, 0.5, number, None, None)
            for (name, target), number in zip(
                {"tar_at_far_1e-1": 0.1, "tar_at_far_1e-2": 0.01}.items(),
                false_matches,
                strict=True,
            )
        }
        return small_result(metrics=rates)

    (table,) = support_table([result(40, 2), result(31, 2), result(35, 1)], METRICS)
    assert table.rows[0] == ("1e-1", "measured: 31 false matches of 7 identities")
    assert table.rows[1] == ("1e-2", "not measurable: 1 false match of 7 identities")
    assert support_table([small_result(metrics={})], METRICS) == ()


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_every_page_can_be_rendered(build_run: Build, seeds: tuple[int, ...]) -> None:
    systems = {"a": 1.0, "b": 2.0}
    runs = [build_run(*each, seed=seed) for each in systems.items() for seed in seeds]
    assert render(comparison_page(compare_runs(runs))).startswith("<")
