"""How far a threshold varies over the people that it is chosen on."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from pydantic import FiniteFloat

from facesim.arrays import FloatArray
from facesim.evaluation.identity_jackknife import IdentityJackknife
from facesim.evaluation.uncertainty import MOST_UNDEFINED
from facesim.interfaces.roc_block import PairWeights, RocBlock, rows_of_block
from facesim.interfaces.scores import LabelledScores
from facesim.json_files import JsonModel

RESAMPLES = 200
"""They are used for a standard error, which so many give within some 5%."""

QUANTILES = 50
"""Of the thresholds of all resamples, as many are kept."""


Rule = Callable[[RocBlock], FloatArray]
"""B curves to a threshold of each, float64 [B]; ``nan`` where it finds none."""


class ThresholdSpread(JsonModel):
    """Thresholds that a rule would have chosen on other people.

    Attributes:
        thresholds: `QUANTILES` of those that it chooses on resamples of the identities, ascending.
        effective_identities: of the pairs of the choice.
    """

    thresholds: tuple[FiniteFloat, ...]
    effective_identities: FiniteFloat

    @property
    def degrees(self) -> float:
        """Degrees of freedom of a variance of these."""
        return self.effective_identities - 1


def resampled_weights(
    people: IdentityJackknife, seed: int, resamples: int
) -> Iterator[PairWeights]:
    """How often each pair counts in resamples of the identities, in blocks.

    A resample draws as many identities as there are, with replacement. A genuine pair then counts
    as often as its identity was drawn, an impostor pair the product of how often its two were, as
    if the pairs of the drawn people had been compared. The best threshold jumps, so that deleting
    single identities says little of it.
    Owen, "The pigeonhole bootstrap", 2007; Bolle et al., "Error analysis of pattern recognition
    systems: the subsets bootstrap", 2004.

    Args:
        people: the identities of the P pairs.
        seed: of the draws.
        resamples: their number.
    """
    generator = np.random.default_rng(seed)
    most = rows_of_block(len(people.first))
    for start in range(0, resamples, most):
        rows = min(most, resamples - start)
        drawn = generator.integers(people.identities, size=(rows, people.identities))
        # The last entry stands for the missing second identity of genuine pairs.
        times = np.ones((rows, people.identities + 1), np.int32)
        for row, identities in zip(times, drawn, strict=True):
            row[:-1] = np.bincount(identities, minlength=people.identities)
        weights = np.take(times, people.first, axis=1)
        weights *= np.take(times, people.second, axis=1)
        yield PairWeights.of_rows(weights)


def threshold_spreads(
    scored: LabelledScores, rules: Mapping[str, Rule], *, seed: int = 0
) -> dict[str, ThresholdSpread | None]:
    """The spread of the threshold of each rule, over resamples of the identities of the pairs.

    Args:
        scored: the pairs on which thresholds are chosen.
        rules: by name.
        seed: of the resamples.

    Returns:
        By name; None for a rule that finds no threshold in most resamples.
    """
    people = IdentityJackknife.of(scored)
    chosen = np.concatenate(
        [
            np.stack([rule(curves) for rule in rules.values()], axis=1)
            for curves in map(scored.rocs, resampled_weights(people, seed, RESAMPLES))
        ]
    )
    effective = people.composition().identities
    spreads: dict[str, ThresholdSpread | None] = {}
    for name, thresholds in zip(rules, chosen.T, strict=True):
        found = thresholds[np.isfinite(thresholds)]
        if len(found) < (1 - MOST_UNDEFINED) * RESAMPLES:
            spreads[name] = None
            continue
        levels = (np.arange(QUANTILES) + 0.5) / QUANTILES
        quantiles = np.quantile(found, levels, method="inverted_cdf")
        spreads[name] = ThresholdSpread(
            thresholds=tuple(quantiles.tolist()), effective_identities=effective
        )
    return spreads
