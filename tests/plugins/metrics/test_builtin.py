"""What every registered metric promises."""

import math

import pytest

from facesim import Metric, Roc, metrics
from facesim.discovery import load_installed_plugins

load_installed_plugins()
PERFECT = Roc.of_scores([0.9, 0.8] * 500 + [0.2, 0.1] * 500, [True] * 1000 + [False] * 1000)
REVERSED = Roc.of_scores([0.2, 0.1] * 500 + [0.9, 0.8] * 500, [True] * 1000 + [False] * 1000)
PARAMETERS = {"tar_at_far": {"far": 5e-3}, "fnmr_at_fmr": {"fmr": 5e-3}}
BUILT: dict[str, Metric] = {
    plugin.name: metrics.spec(plugin.name, **PARAMETERS.get(plugin.name, {})).build()
    for plugin in metrics
}


@pytest.mark.parametrize("name", BUILT)
def test_it_prefers_a_perfect_system_to_a_reversed_one(name: str) -> None:
    metric = BUILT[name]
    if metric.undefined_reason(PERFECT) is not None:
        assert "not measurable with 1,000 impostors" in (metric.undefined_reason(PERFECT) or "")
        return
    perfect, reversed_ = (metric.value(roc, 0.5) for roc in (PERFECT, REVERSED))
    assert metric.better(perfect, than=reversed_)
    assert not metric.better(reversed_, than=perfect)


@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("same", [[], [True, True], [False, False]])
def test_it_either_exists_or_says_why_not(name: str, same: list[bool]) -> None:
    roc = Roc.of_scores([0.3, 0.7][: len(same)], same)
    reason = BUILT[name].undefined_reason(roc)
    assert reason is not None or math.isfinite(BUILT[name].value(roc, 0.5))


@pytest.mark.parametrize("name", BUILT)
def test_its_values_lie_within_its_range(name: str) -> None:
    metric = BUILT[name]
    low, high = metric.range
    for roc in (PERFECT, REVERSED):
        if metric.undefined_reason(roc) is None:
            assert low <= metric.value(roc, 0.5) <= high


@pytest.mark.parametrize("name", BUILT)
def test_it_has_a_label(name: str) -> None:
    assert BUILT[name].label


def test_the_parameters_of_a_metric_are_in_its_name() -> None:
    assert BUILT["tar_at_far"].name == "tar_at_far_5e-3"
    assert BUILT["fnmr_at_fmr"].name == "fnmr_at_fmr_5e-3"
    assert [name for name in BUILT if metrics.get(name).required] == [
        "fnmr_at_fmr",
        "tar_at_far",
    ]


def test_what_a_report_shows_first() -> None:
    shown = {name for name, metric in BUILT.items() if metric.headline}
    assert shown == {"accuracy", "balanced_accuracy", "eer", "fmr", "fnmr", "roc_auc"}
    assert shown <= {name for name, metric in BUILT.items() if metric.standard}


@pytest.mark.parametrize(("tar", "fnmr"), [("tar_at_far_1e-2", "fnmr_at_fmr_1e-2")])
def test_fnmr_at_fmr_is_what_tar_at_far_leaves(tar: str, fnmr: str) -> None:
    assert BUILT[tar].value(PERFECT, 0) == 1 - BUILT[fnmr].value(PERFECT, 0)
    assert BUILT[tar].point(PERFECT) == BUILT[fnmr].point(PERFECT)


GENUINE, IMPOSTOR = (Roc.of_scores([0.9, 0.8], [same] * 2) for same in (True, False))
MIXED = Roc.of_scores([0.9, 0.8, 0.2, 0.7, 0.3, 0.1, 0.25, 0.15], [True] * 3 + [False] * 5)


@pytest.mark.parametrize("name", BUILT)
def test_which_pairs_it_is_a_proportion_of_and_needs(name: str) -> None:
    """Of three genuine and five impostor pairs."""
    metric = BUILT[name]
    trials, alone = {
        "accuracy": (8, {"genuine", "impostor"}),
        "fmr": (5, {"impostor"}),
        "fnmr": (3, {"genuine"}),
        "tar": (3, {"genuine"}),
    }.get(name, (None, set[str]()))
    assert metric.trials(MIXED) == trials
    rocs = {"genuine": GENUINE, "impostor": IMPOSTOR}
    assert {kind for kind, roc in rocs.items() if metric.undefined_reason(roc) is None} == alone


def test_numbers_and_percentages_and_what_depends_on_the_shares() -> None:
    numbers = {name: metric.range for name, metric in BUILT.items() if metric.unit == "number"}
    assert numbers == {"d_prime": (-math.inf, math.inf), "roc_auc": (0.0, 1.0)}
    assert {metric.range for name, metric in BUILT.items() if name != "d_prime"} == {(0.0, 1.0)}
    assert [name for name, metric in BUILT.items() if metric.depends_on_shares] == ["accuracy"]
