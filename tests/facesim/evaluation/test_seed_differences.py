"""Verdicts over people and seeds together."""

import math

import numpy as np
import pytest

from facesim.discovery import load_installed_plugins
from facesim.errors import FacesimError
from facesim.evaluation.differences import ScoredRun
from facesim.evaluation.intervals import student_t_quantile
from facesim.evaluation.seed_differences import (
    ONE_SEED,
    SEEDS_INTERVAL,
    SeedDifference,
    differences_over_seeds,
    judged,
)
from facesim.evaluation.uncertainty import Composition, Uncertainty
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.interfaces.metric import MeanLoss
from facesim.interfaces.scores import LabelledScores

load_installed_plugins()
METRICS = built_metrics(standard_metrics())
ACCURACY = {"accuracy": METRICS["accuracy"]}
PEOPLE, PAIRS = 24, 1000
RANDOM = np.random.default_rng(0)
SAME = np.arange(PAIRS) % 2 == 0
FIRST = RANDOM.integers(PEOPLE, size=PAIRS)
SECOND = np.where(SAME, FIRST, (FIRST + RANDOM.integers(1, PEOPLE, size=PAIRS)) % PEOPLE)
NOISE = RANDOM.normal(size=PAIRS)


def runs(quality: float, seeds: int, *, own_people: float = 0.0, seed: int = 0) -> list[ScoredRun]:
    """Trainings of a system that differ a little, on the same pairs."""
    random = np.random.default_rng(seed)
    people = own_people * random.normal(size=PEOPLE)[FIRST]
    return [
        ScoredRun(
            LabelledScores.of(
                NOISE + (quality + people) * SAME + 0.05 * random.normal(size=PAIRS),
                SAME,
                FIRST,
                SECOND,
            ),
            0.5,
        )
        for _ in range(seeds)
    ]


def compared(
    first: list[ScoredRun], second: list[ScoredRun], *, paired: bool = True
) -> SeedDifference:
    found = differences_over_seeds(first, second, ACCURACY, paired=paired, seed=0)
    return found["accuracy"]


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("seeds", [2, 3])
def test_a_clear_difference_is_shown_in_its_direction(seeds: int, paired: bool) -> None:
    weak, strong = runs(0.5, seeds), runs(2.5, seeds, seed=1)
    found = compared(weak, strong, paired=paired)
    assert found.difference == pytest.approx(np.mean(found.second) - np.mean(found.first))
    assert (found.better, found.interval, found.reason) == ("second", SEEDS_INTERVAL, None)
    assert compared(strong, weak, paired=paired).better == "first"


def test_one_seed_has_an_interval_over_people_and_no_verdict() -> None:
    found = compared(runs(0.5, 1), runs(2.5, 1))
    assert (found.low or 0) > 0
    assert (found.better, found.reason, found.seeds_error) == (None, ONE_SEED, None)


def test_sides_need_not_have_as_many_seeds() -> None:
    found = compared(runs(0.5, 3), runs(2.5, 2, seed=1), paired=False)
    assert (len(found.first), len(found.second), found.better) == (3, 2, "second")
    with pytest.raises(FacesimError, match="3 and 2 runs cannot be compared seed by seed"):
        compared(runs(0.5, 3), runs(2.5, 2))
    for first, second, paired in ((0, 2, True), (0, 2, False), (2, 0, False), (0, 0, True)):
        told = f"^{first} and {second} runs cannot be compared{' seed by seed' * paired}$"
        with pytest.raises(FacesimError, match=told):
            compared(runs(0.5, first), runs(2.5, second), paired=paired)


def test_the_interval_adds_the_squares_of_people_and_of_seeds() -> None:
    people = Uncertainty(0.0004, 0.0, 0.0, 0, 40, Composition((100, 0), (21.0, 0.0)), 20.0)
    first, second = [0.80, 0.81, 0.82], [0.83, 0.85, 0.84]
    found = judged(MeanLoss(), first, second, paired=True, people=people)
    of_seeds = np.std([0.03, 0.04, 0.02], ddof=1) / math.sqrt(3)
    reach = math.hypot(
        student_t_quantile(0.975, 20) * 0.02, student_t_quantile(0.975, 2) * of_seeds
    )
    assert (found.low, found.high) == pytest.approx((0.03 - reach, 0.03 + reach))
    assert (found.identities_error, found.seeds_error) == pytest.approx((0.02, of_seeds))


def test_without_the_scores_of_pairs_there_is_a_difference_and_no_verdict() -> None:
    found = judged(MeanLoss(), [0.5, 0.6], [0.1, 0.1], paired=True, people=None)
    assert found.difference == pytest.approx(-0.45)
    assert (found.low, found.better) == (None, None)
    assert found.reason == "the scores of single pairs are not known"


def test_runs_on_other_pairs_of_the_same_people_are_compared_less_sharply() -> None:
    half = np.arange(PAIRS) < PAIRS // 2

    def part(run: ScoredRun, which: np.ndarray) -> ScoredRun:
        scored = run.scored
        columns = (scored.scores, scored.same, scored.first, scored.second)
        return ScoredRun(LabelledScores(*(each[which] for each in columns)), run.threshold)

    first, second = runs(1.0, 3), runs(1.2, 3, seed=1)
    same = compared([part(run, half) for run in first], [part(run, half) for run in second])
    other = compared([part(run, half) for run in first], [part(run, ~half) for run in second])
    assert (other.identities_error or 0) > 1.2 * (same.identities_error or 0) > 0


def test_a_metric_that_one_run_lacks_has_a_reason() -> None:
    first, second = runs(0.5, 2), runs(1.5, 2)
    second[1] = ScoredRun(second[1].scored, None)
    found = differences_over_seeds(first, second, METRICS, paired=True, seed=0)
    assert found["accuracy"].reason == "there is no threshold"
    assert found["roc_auc"].better == "second"


@pytest.mark.parametrize("seeds", [2, 3, 10])
def test_equal_systems_are_seldom_called_different_whatever_the_seeds(seeds: int) -> None:
    """A short form of ``tests/benchmarks/seed_verdicts.py`` at the spreads of real faces."""
    random = np.random.default_rng(seeds)
    people, trainings, identities = 0.0053, 0.00085, 40
    false, repeats = 0, 600
    for _ in range(repeats):
        differences = random.normal(0, people) + random.normal(0, trainings, seeds)
        variance = people**2 * random.chisquare(identities - 1) / (identities - 1)
        known = Uncertainty(
            variance,
            0.0,
            0.0,
            0,
            identities,
            Composition((1000, 0), (float(identities), 0.0)),
            identities - 1.0,
        )
        found = judged(MeanLoss(), [0.0] * seeds, differences.tolist(), paired=True, people=known)
        false += found.better is not None
    assert false / repeats < 0.05 + 3 * math.sqrt(0.05 * 0.95 / repeats)


def test_one_seed_on_either_side_has_no_verdict() -> None:
    for first, second in ((runs(0.5, 1), runs(2.5, 3)), (runs(0.5, 3), runs(2.5, 1))):
        found = compared(first, second, paired=False)
        assert (found.low or 0) > 0
        assert (found.better, found.reason, found.seeds_error) == (None, ONE_SEED, None)
