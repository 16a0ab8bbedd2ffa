import math

import numpy as np
import pytest

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.evaluation.attribute_values import AttributeValues
from facesim.evaluation.identity_jackknife import INTERVAL_NAME, IdentityJackknife
from facesim.evaluation.slices import SIMULTANEOUS, Slice, Slices, measure_slices
from facesim.interfaces.roc_block import PairWeights
from facesim.interfaces.scores import LabelledScores

IMAGES, PEOPLE, PAIRS = 200, 40, 3000
RANDOM = np.random.default_rng(0)
IDENTITIES = np.arange(IMAGES) % PEOPLE
GENUINE = np.arange(PAIRS) % 2 == 0


def draw_rows() -> Int64Array:
    first = RANDOM.integers(IMAGES, size=PAIRS)
    step = np.where(GENUINE, PEOPLE * RANDOM.integers(1, 5, PAIRS), RANDOM.integers(1, 40, PAIRS))
    return np.stack([first, (first + step) % IMAGES], axis=1)


ROWS = draw_rows()
FIRST, SECOND = IDENTITIES[ROWS].T
# The hard half of the people is accepted by mistake more often; glasses come and go.
HARD = AttributeValues("skin", ("easy", "hard"), (IDENTITIES % 2).astype(np.int64))
GLASSES = AttributeValues(
    "glasses", ("no", "yes"), RANDOM.choice([-1, 0, 1], IMAGES, p=[0.1, 0.6, 0.3])
)
SCORES = RANDOM.normal(size=PAIRS) + 2.0 * GENUINE
SCORES[~GENUINE & (FIRST % 2 == 1) & (SECOND % 2 == 1)] += 0.8


def measured(
    attributes: list[AttributeValues], scores: FloatArray = SCORES, resamples: int = 200
) -> Slices:
    return measure_slices(
        attributes,
        ROWS,
        LabelledScores.of(scores, GENUINE, FIRST, SECOND),
        threshold=1.0,
        seed=0,
        resamples=resamples,
    )


def naive_rates(attribute: AttributeValues, value: str) -> dict[str, tuple[int, float]]:
    """Pairs and rate of errors of each kind, in a loop over the pairs."""
    total, errors = {"fmr": 0, "fnmr": 0}, {"fmr": 0, "fnmr": 0}
    for (i, j), score, same in zip(ROWS.tolist(), SCORES.tolist(), GENUINE.tolist(), strict=True):
        code = attribute.values.index(value)
        if attribute.codes[i] == code and attribute.codes[j] == code:
            kind = "fnmr" if same else "fmr"
            total[kind] += 1
            errors[kind] += (score >= 1.0) != same
    return {kind: (total[kind], errors[kind] / total[kind]) for kind in total}


@pytest.mark.parametrize("attribute", [HARD, GLASSES], ids=lambda found: found.name)
def test_a_slice_holds_the_pairs_with_its_value_on_both_sides(attribute: AttributeValues) -> None:
    for found in measured([attribute]).slices:
        naive = naive_rates(attribute, found.value)
        assert (found.impostor, found.fmr.value) == naive["fmr"]
        assert (found.genuine, found.fnmr.value) == naive["fnmr"]
        assert found.pairs == found.genuine + found.impostor
        correct = found.impostor * (1 - naive["fmr"][1]) + found.genuine * (1 - naive["fnmr"][1])
        assert found.accuracy.value == pytest.approx(correct / found.pairs)
        assert not found.few_pairs


def test_pairs_across_values_or_of_unknown_value_are_in_no_slice() -> None:
    inside = sum(found.pairs for found in measured([GLASSES]).slices)
    assert 0 < inside < PAIRS


def test_intervals_are_those_of_the_jackknife_over_all_identities() -> None:
    found = measured([HARD, GLASSES]).slices[1]
    inside: BoolArray = (FIRST % 2 == 1) & (SECOND % 2 == 1) & ~GENUINE
    jackknife = IdentityJackknife.of(LabelledScores.of(SCORES, GENUINE, FIRST, SECOND))

    def fmr(weights: PairWeights) -> FloatArray:
        each = [weights.of_curve(at, GENUINE) for at in range(len(weights))]
        return np.array([[w[inside & (SCORES >= 1.0)].sum() / w[inside].sum()] for w in each])

    composition = jackknife.composition(np.flatnonzero(inside))
    expected = (
        jackknife.deletions(fmr, 0)
        .uncertainty(0, composition)
        .interval(found.fmr.value or math.nan, is_rate=True)
    )
    assert (found.fmr.low, found.fmr.high) == pytest.approx((expected.low, expected.high))
    assert found.fmr.interval == INTERVAL_NAME


def test_among_forty_columns_of_coin_flips_no_gap_is_claimed() -> None:
    claims = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        ease, commonness = 0.7 * random.normal(size=PEOPLE), 0.4 * random.normal(size=PEOPLE)
        scores = random.normal(size=PAIRS)
        scores += np.where(GENUINE, 2 + ease[FIRST], commonness[FIRST] + commonness[SECOND])
        flips = random.integers(2, size=(40, PEOPLE))
        columns = [
            AttributeValues(f"rnd{at}", ("0", "1"), flip[IDENTITIES])
            for at, flip in enumerate(flips)
        ]
        gap = measured(columns, scores).worst_gap
        assert gap is not None
        assert gap.compared == 80
        assert gap.difference.interval == SIMULTANEOUS
        assert gap.difference.low is not None
        claims += gap.difference.low > 0
    assert claims <= 1


def test_an_interval_among_more_gaps_is_wider() -> None:
    few = measured([HARD]).worst_gap
    random = np.random.default_rng(1)
    noise = [
        AttributeValues(f"rnd{at}", ("0", "1"), random.integers(2, size=PEOPLE)[IDENTITIES])
        for at in range(30)
    ]
    many = measured([HARD, *noise]).worst_gap
    assert few is not None
    assert many is not None
    assert (few.attribute, few.difference.value) == (many.attribute, many.difference.value)
    assert (few.difference.low or 0) > (many.difference.low or 0) > 0


def test_the_worst_gap_is_named_with_its_interval() -> None:
    slices = measured([GLASSES, HARD])
    gap, (easy, hard) = slices.worst_gap, slices.slices[2:]
    assert gap is not None
    assert (gap.attribute, gap.rate, gap.worst, gap.best) == ("skin", "fmr", "hard", "easy")
    assert gap.compared == 4
    assert gap.difference.value == pytest.approx((hard.fmr.value or 0) - (easy.fmr.value or 0))
    assert gap.difference.low is not None
    assert gap.difference.low > 0


def test_a_significant_gap_comes_before_a_wider_one_of_few_people() -> None:
    # Two people with glasses, never taken for each other; nobody's interval can rest on two.
    few = AttributeValues("hat", ("no", "yes"), np.isin(IDENTITIES, [0, 1]).astype(np.int64))
    scores = SCORES.copy()
    scores[GENUINE & (FIRST < 2)] = 0.0
    slices = measured([few, HARD], scores)
    hat = slices.slices[1]
    assert hat.genuine >= 30
    assert hat.fnmr.value == 1
    assert hat.fnmr.low is None
    assert slices.worst_gap is not None
    assert slices.worst_gap.attribute == "skin"


def test_slices_of_few_pairs_are_marked_and_not_compared() -> None:
    rare = AttributeValues("rare", ("no", "yes"), (IDENTITIES == 3).astype(np.int64))
    slices = measured([rare])
    assert [found.few_pairs for found in slices.slices] == [False, True]
    assert slices.slices[1].impostor == 0
    assert slices.slices[1].fmr.value is None
    assert slices.slices[1].fmr.reason
    assert slices.worst_gap is None or slices.worst_gap.rate == "fnmr"


def test_a_value_that_no_pair_has_on_both_sides_has_no_rates() -> None:
    alone = AttributeValues("alone", ("no", "yes"), (np.arange(IMAGES) == 0).astype(np.int64))
    found: Slice = measured([alone]).slices[1]
    assert (found.pairs, found.accuracy.value, found.few_pairs) == (0, None, True)


def test_without_attributes_there_are_no_slices() -> None:
    slices = measured([])
    assert (slices.slices, slices.worst_gap, slices.pairs) == ((), None, PAIRS)


def test_without_resamples_there_are_rates_and_no_intervals() -> None:
    slices = measured([HARD], resamples=0)
    assert slices.slices[0].fmr.value is not None
    assert slices.slices[0].fmr.low is None
    assert slices.worst_gap is not None
    assert slices.worst_gap.difference.low is None


def test_the_result_survives_json() -> None:
    slices = measured([HARD, GLASSES])
    assert Slices.model_validate_json(slices.model_dump_json()) == slices


@pytest.mark.parametrize(("pairs", "few"), [(30, False), (29, True)])
def test_thirty_pairs_of_either_kind_are_enough_to_be_compared(pairs: int, *, few: bool) -> None:
    """Of each of two values, as many genuine and impostor pairs of people of their own."""
    people = np.arange(4 * pairs).repeat(2)
    genuine = people[: 4 * pairs].reshape(-1, 2)
    impostor = np.stack([people[4 * pairs :][::2], np.roll(people[4 * pairs :][::2], 2)], axis=1)
    first, second = np.concatenate([genuine, impostor]).T
    rows = np.arange(2 * len(first)).reshape(-1, 2)
    codes = np.repeat(np.arange(len(first)) % 2, 2)
    found = measure_slices(
        [AttributeValues("skin", ("light", "dark"), codes)],
        rows,
        LabelledScores.of(np.zeros(len(first)), first == second, first, second),
        threshold=1.0,
        seed=0,
        resamples=0,
    )
    assert [(each.genuine, each.impostor, each.few_pairs) for each in found.slices] == [
        (pairs, pairs, few)
    ] * 2
    assert (found.worst_gap is None) == few


def test_the_gap_is_that_of_a_loop_over_all_values_of_each_rate() -> None:
    found = measured([HARD, GLASSES], resamples=0)
    gap = found.worst_gap
    assert gap is not None
    gaps = {
        (attribute.name, rate, a, b): naive_rates(attribute, a)[rate][1]
        - naive_rates(attribute, b)[rate][1]
        for attribute in (HARD, GLASSES)
        for rate in ("fmr", "fnmr")
        for a in attribute.values
        for b in attribute.values
    }
    key = max(gaps, key=lambda each: gaps[each])
    assert (gap.attribute, gap.rate, gap.worst, gap.best) == key
    assert gap.difference.value == pytest.approx(gaps[key])
    assert gap.difference.low is None
    assert gap.compared == 4
