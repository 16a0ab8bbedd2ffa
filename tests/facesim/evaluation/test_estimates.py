import numpy as np
import pytest

from facesim.evaluation.bootstrap_interval import INTERVAL_NAME
from facesim.evaluation.estimates import MetricQuery, Resampling, answer
from facesim.evaluation.identity_bootstrap import IdentityBootstrap
from facesim.evaluation.metrics import ACCURACY, D_PRIME, EER, FAR, ROC_AUC
from facesim.evaluation.result import Estimate
from facesim.evaluation.roc import SortedPairs

QUESTIONS: list[MetricQuery] = [(ACCURACY, 0.7), (FAR, None), (ROC_AUC, None), (EER, None)]


def ask(
    questions: list[MetricQuery], *, genuine_share: float = 0.5, seed: int = 0, resamples: int = 60
) -> dict[MetricQuery, Estimate]:
    generator = np.random.default_rng(0)
    same = generator.random(400) < genuine_share
    first = generator.integers(15, size=400)
    second = np.where(same, first, (first + 3) % 15)
    pairs = SortedPairs.of(generator.normal(size=400) + same, same)
    bootstrap = IdentityBootstrap.of(first, second, same)
    resampling = Resampling(pairs, bootstrap, seed, resamples)
    return resampling.with_intervals(answer(questions, pairs.roc()))


def test_every_value_lies_in_its_interval() -> None:
    answers = ask([*QUESTIONS, (D_PRIME, None)])
    for question in ((ACCURACY, 0.7), (ROC_AUC, None), (EER, None), (D_PRIME, None)):
        found = answers[question]
        assert found.value is not None
        assert found.low is not None
        assert found.high is not None
        assert found.low < found.value < found.high
        assert found.interval == INTERVAL_NAME


def test_intervals_repeat_for_a_seed_and_change_with_it() -> None:
    assert ask(QUESTIONS) == ask(QUESTIONS)
    assert ask(QUESTIONS) != ask(QUESTIONS, seed=1)


def test_values_do_not_depend_on_resamples() -> None:
    without, with_ = ask(QUESTIONS, resamples=0), ask(QUESTIONS)
    assert [found.value for found in without.values()] == [f.value for f in with_.values()]
    assert {found.interval for found in without.values()} == {None}


def test_a_threshold_that_is_missing_is_a_reason() -> None:
    assert ask(QUESTIONS)[FAR, None] == Estimate(value=None, reason="there is no threshold")


@pytest.mark.parametrize("genuine_share", [0.0, 1.0])
def test_one_kind_of_pairs_has_an_accuracy_and_no_area(genuine_share: float) -> None:
    answers = ask(QUESTIONS, genuine_share=genuine_share)
    assert answers[ACCURACY, 0.7].low is not None
    assert answers[ROC_AUC, None].value is None
    assert "there is no" in (answers[ROC_AUC, None].reason or "")
