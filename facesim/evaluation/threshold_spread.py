"""How far a threshold varies over the people that it is chosen on."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from pydantic import FiniteFloat

from facesim.arrays import Int64Array
from facesim.evaluation.identity_jackknife import IdentityJackknife
from facesim.evaluation.uncertainty import MOST_UNDEFINED
from facesim.interfaces.roc import Roc
from facesim.interfaces.scores import LabelledScores
from facesim.json_files import JsonModel

RESAMPLES = 200
"""They are used for a standard error, which so many give within some 5%."""

QUANTILES = 50
"""Of the thresholds of all resamples, as many are kept."""


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


def resampled_weights(people: IdentityJackknife, seed: int, resamples: int) -> Iterator[Int64Array]:
    """How often each pair, int64 [P], counts in resamples of the identities.

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
    for _ in range(resamples):
        drawn = generator.integers(people.identities, size=people.identities)
        # The last entry stands for the missing second identity of genuine pairs.
        times = np.append(np.bincount(drawn, minlength=people.identities), 1)
        yield times[people.first] * times[people.second]


def threshold_spreads(
    scored: LabelledScores, rules: Mapping[str, Callable[[Roc], float]], *, seed: int = 0
) -> dict[str, ThresholdSpread | None]:
    """The spread of the threshold of each rule, over resamples of the identities of the pairs.

    Args:
        scored: the pairs on which thresholds are chosen.
        rules: from a curve to a threshold, by name; ``nan`` where it finds none.
        seed: of the resamples.

    Returns:
        By name; None for a rule that finds no threshold in most resamples.
    """
    people = IdentityJackknife.of(scored)
    chosen = np.array(
        [
            [rule(roc) for rule in rules.values()]
            for roc in map(scored.roc, resampled_weights(people, seed, RESAMPLES))
        ]
    ).reshape(RESAMPLES, len(rules))
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
