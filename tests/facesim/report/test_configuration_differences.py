"""Where the experiments of several runs differ."""

from collections.abc import Callable

from facesim.report.configuration_differences import configuration_differences
from facesim.runs.directory import RunDirectory


def test_only_keys_that_differ_are_listed_with_the_value_of_each_run(
    build_run: Callable[..., RunDirectory],
) -> None:
    plain = build_run("one").experiment()
    other = build_run("two", out_dim=8).experiment()
    reseeded = other.model_copy(update={"seed": 3})
    found = configuration_differences([plain, other, reseeded])
    assert {each.key: each.values for each in found} == {
        "name": ("one", "two", "two"),
        "seed": ("0", "0", "3"),
        "head.out_dim": ("4", "8", "8"),
    }


def test_equal_experiments_differ_in_nothing(build_run: Callable[..., RunDirectory]) -> None:
    experiment = build_run().experiment()
    assert configuration_differences([experiment, experiment]) == ()
