"""One result of k folds: people in k parts, each compared by a network trained without them.

The value is the mean over the k networks on people whom they have not seen, and the interval says
how far it would be another on other people, the networks as they are: LeDell, Petersen and van der
Laan, "Computationally efficient confidence intervals for cross-validated area under the ROC curve
estimates", 2015; Bayle et al., "Cross-validation confidence intervals for test error", 2020. Each
person is in one fold, so that the jackknife over people leaves their pairs out of that fold alone.
What other training sets would change is not in it (Bengio and Grandvalet, "No unbiased estimator of
the variance of k-fold cross-validation", 2004); the spread over the folds shows part of that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facesim.arrays import FloatArray
from facesim.errors import FacesimError
from facesim.evaluation.calibration import BEST_ACCURACY, OperatingPoint
from facesim.evaluation.evaluate import Thresholds, evaluate_scores
from facesim.evaluation.headline import choose_headline
from facesim.evaluation.pooling import weakest_support
from facesim.interfaces.metric import Metric
from facesim.interfaces.result import EvaluationResult
from facesim.interfaces.scores import LabelledScores


@dataclass(frozen=True, eq=False)
class MeasuredFold:
    """The test of one fold.

    Attributes:
        scored: its comparisons; their people are numbered over all folds.
        points: the thresholds that the fold's network got on the fold's own val.
        loss: mean loss over the comparisons; None where it was not measured.
    """

    scored: LabelledScores
    points: Sequence[OperatingPoint]
    loss: float | None = None

    def point(self, name: str) -> OperatingPoint | None:
        """Its operating point of a name; None where there is none, or no threshold."""
        found = next((at for at in self.points if at.name == name), None)
        return None if found is None or found.threshold is None else found

    def margins(self, name: str = BEST_ACCURACY) -> FloatArray:
        """Scores less the fold's own threshold, float64 [P]: accepted iff at least 0."""
        point = self.point(name)
        if point is None or point.threshold is None:
            return self.scored.scores
        # A difference of floats has the sign of the comparison.
        return self.scored.scores - point.threshold


def pooled_scores(folds: Sequence[MeasuredFold], name: str = BEST_ACCURACY) -> LabelledScores:
    """The comparisons of all folds, each score less its fold's threshold of an operating point.

    Raises:
        FacesimError: there is no fold, or a person is in two.
    """
    people = [np.union1d(each.scored.first, each.scored.second) for each in folds]
    if not folds or len(np.unique(np.concatenate(people))) < sum(map(len, people)):
        raise FacesimError("folds are pooled where each person is in one of them, and only in one")
    scored = [each.scored for each in folds]
    return LabelledScores(
        np.concatenate([each.margins(name) for each in folds]),
        np.concatenate([each.same for each in scored]),
        np.concatenate([each.first for each in scored]),
        np.concatenate([each.second for each in scored]),
        np.repeat(np.arange(len(folds)), [len(each) for each in scored]),
    )


def evaluate_folds(
    folds: Sequence[MeasuredFold], metrics: Mapping[str, Metric], *, seed: int, resamples: int
) -> EvaluationResult:
    """Evaluate the comparisons of all folds together.

    The threshold of the result is 0, of scores less their fold's own threshold. A metric at a
    threshold is of all comparisons, each decided by its own fold's; another metric, and what is
    read at a target FMR, is the mean over the folds, as `facesim.evaluation.pooling` has it.

    Args:
        folds: in order.
        metrics: what is measured, by name.
        seed: of what is drawn for intervals.
        resamples: draws for those that need draws.

    Raises:
        FacesimError: a person is in two folds, or a fold has no operating point of the headline.
    """
    together = pooled_scores(folds)
    fewest = min(int(np.count_nonzero(~each.scored.same)) for each in folds)
    genuine = int(np.count_nonzero(together.same))
    headline = choose_headline(genuine, len(together) - genuine, measured_on=fewest)
    measured = {**metrics, **({} if headline is None else {headline.name: headline})}
    names = [at.name for at in folds[0].points]
    source = f"the val of each of {len(folds)} folds, whose own is subtracted from its scores"

    def at(name: str, measured: Mapping[str, Metric]) -> EvaluationResult:
        point = _point_of_all(folds, name)
        return evaluate_scores(
            together if name == BEST_ACCURACY else pooled_scores(folds, name),
            measured,
            thresholds=Thresholds([point.model_copy(update={"name": BEST_ACCURACY})], source),
            loss=_loss(folds),
            seed=seed,
            resamples=resamples,
        )

    result = at(BEST_ACCURACY, measured)
    points = tuple(
        (result if name == BEST_ACCURACY else at(name, {}))
        .operating_points[0]
        .model_copy(update={"name": name})
        for name in names
    )
    head = None if headline is None else headline.name
    return result.model_copy(update={"operating_points": points, "headline": head})


def _point_of_all(folds: Sequence[MeasuredFold], name: str) -> OperatingPoint:
    """The threshold 0 of scores less each fold's; none if one fold has none."""
    points = [each.point(name) for each in folds]
    without = next((at for at, point in enumerate(points) if point is None), None)
    if without is None:
        support = weakest_support([None if at is None else at.support for at in points])
        return OperatingPoint(name=name, threshold=0.0, support=support)
    found = next((at.reason for at in folds[without].points if at.name == name), None)
    reason = f"fold {without + 1}: {found or 'there is no such threshold'}"
    return OperatingPoint(name=name, threshold=None, reason=reason)


def _loss(folds: Sequence[MeasuredFold]) -> float | None:
    losses = [each.loss for each in folds if each.loss is not None]
    if len(losses) < len(folds):
        return None
    return float(np.average(losses, weights=[len(each.scored) for each in folds]))
