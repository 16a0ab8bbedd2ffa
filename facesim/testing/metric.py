"""Contract of metrics."""

import math

import numpy as np

from facesim.interfaces import LabelledScores, Metric, PairWeights
from facesim.registry import Spec
from facesim.testing.contract import Contract, promises_of_every_kind, require

PAIRS = 2000

METRIC: Contract[Metric] = Contract("metric", promises_of_every_kind())


@METRIC.promise(hint="invert higher_is_better, or the sign of value()")
def better_scores_have_a_better_value(spec: Spec[Metric]) -> None:
    """Perfectly separated scores are better than perfectly reversed ones."""
    metric = spec.build()
    perfect, reversed_ = (_scored(separation).roc() for separation in (50.0, -50.0))
    if metric.undefined_reason(perfect) is not None:
        return
    values = metric.value(perfect, 0.0), metric.value(reversed_, 0.0)
    worse = metric.better(values[1], than=values[0])
    require(not worse, f"separated {values[0]:g}, reversed {values[1]:g}: the latter is better")


@METRIC.promise(
    hint="return from undefined_reason() what is missing, or else a finite number from value()"
)
def value_exists_or_has_a_reason(spec: Spec[Metric]) -> None:
    """On any set of pairs it has a finite value or a reason why it is undefined."""
    metric, scored = spec.build(), _scored(1.0)
    for kept in (slice(0), slice(0, 1), slice(0, None, 2), slice(1, None, 2), slice(None)):
        some = LabelledScores.of(
            scored.scores[kept], scored.same[kept], scored.first[kept], scored.second[kept]
        )
        roc = some.roc()
        if metric.undefined_reason(roc) is None:
            value = metric.value(roc, 0.5)
            observed = f"{value} of {roc.genuine} genuine, {roc.impostor} impostor pairs; no reason"
            require(math.isfinite(value), observed)


@METRIC.promise(hint="widen `range`, or scale the value")
def value_lies_within_the_range(spec: Spec[Metric]) -> None:
    """Every value lies within its range."""
    metric = spec.build()
    low, high = metric.range
    for separation in (-50.0, -1.0, 0.0, 1.0, 50.0):
        roc = _scored(separation).roc()
        if metric.undefined_reason(roc) is None:
            value = metric.value(roc, separation / 2)
            require(low <= value <= high, f"the value is {value:g}, the range {low:g} to {high:g}")


@METRIC.promise(hint="use the counts of the curve, or weight roc.labelled by roc.weights")
def weights_stand_for_repeated_pairs(spec: Spec[Metric]) -> None:
    """A pair with weight 2 counts as two pairs with the same score."""
    metric, scored = spec.build(), _scored(1.0)
    weights = np.random.default_rng(1).integers(0, 3, PAIRS)
    repeated = LabelledScores.of(
        *(
            np.repeat(each, weights)
            for each in (scored.scores, scored.same, scored.first, scored.second)
        )
    )
    if metric.undefined_reason(scored.roc(weights)) is not None:
        return
    values = [metric.value(roc, 0.5) for roc in (scored.roc(weights), repeated.roc())]
    close = math.isclose(*values, rel_tol=1e-9, abs_tol=1e-12)
    require(close, f"weighted {values[0]:g}, repeated {values[1]:g}")


@METRIC.promise(hint="compute in values() what value() computes, or do not override it")
def values_of_a_block_are_those_of_its_curves(spec: Spec[Metric]) -> None:
    """Curves of other weights have the values together that each has alone, ``nan`` included."""
    metric, scored = spec.build(), _scored(1.0)
    if type(metric).values is Metric.values:  # which calls value()
        return
    distinct = np.random.default_rng(2).integers(0, 3, (4, PAIRS))
    distinct[1], distinct[2] = scored.same, 0
    curves = scored.rocs(
        PairWeights(distinct, np.array([0, 1, 2, 3, 0, 3]), np.array([0, 1, 2, 3, 3, 2]))
    )
    thresholds = np.array([0.5, 0.0, 0.5, -0.5, 0.1, 0.5])
    found = np.asarray(metric.values(curves, thresholds))
    require(found.shape == (6,), f"values of shape {found.shape} for 6 curves")
    for at, (roc, threshold) in enumerate(zip(curves, thresholds.tolist(), strict=True)):
        value = metric.value(roc, threshold)
        close = np.isclose(found[at], value, rtol=1e-9, atol=1e-12, equal_nan=True)
        require(bool(close), f"curve {at}: {value:g} alone, {found[at]:g} in a block")


@METRIC.promise(hint="draw nothing, and keep no state between calls")
def same_pairs_have_the_same_value(spec: Spec[Metric]) -> None:
    """The same pairs give the same value each time."""
    metric, roc = spec.build(), _scored(1.0).roc()
    if metric.undefined_reason(roc) is None:
        values = [metric.value(roc, 0.5) for _ in range(2)]
        require(values[0] == values[1], f"first {values[0]:g}, then {values[1]:g}")


@METRIC.promise(hint="set the class attribute `label`")
def it_has_a_label(spec: Spec[Metric]) -> None:
    """It has a label for tables."""
    label = getattr(spec.build(), "label", "")
    require(isinstance(label, str) and bool(label.strip()), f"the label is {label!r}")


def _scored(separation: float) -> LabelledScores:
    """Pairs whose genuine scores are ``separation`` standard deviations higher."""
    random = np.random.default_rng(0)
    same = np.arange(PAIRS) % 2 == 0
    first = random.integers(20, size=PAIRS)
    second = np.where(same, first, (first + random.integers(1, 20, PAIRS)) % 20)
    scores = random.normal(size=PAIRS) + separation * (same - 0.5)
    return LabelledScores.of(scores, same, first, second)
