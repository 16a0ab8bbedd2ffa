"""What a system that learnt nothing of the task reaches on the same pairs: the yardstick."""

from collections.abc import Sequence
from pathlib import Path

import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from facesim.errors import FacesimError
from facesim.evaluation.evaluate_scores import evaluate_scores
from facesim.evaluation.k_fold import k_fold_accuracy
from facesim.evaluation.metric_difference import MetricDifference
from facesim.evaluation.operating_points import choose_operating_points
from facesim.evaluation.paired_difference import ScoredRun, paired_differences
from facesim.evaluation.result import EvaluationResult
from facesim.evaluation.roc import Roc

FILE = "baselines.json"


class Baseline(BaseModel):
    """One entry of ``baselines.json``.

    Attributes:
        name: ``chance``, ``raw_pixels`` or ``untouched_backbone``.
        description: how it scores a pair, in one sentence.
        result: its figures on the same pairs, with a threshold of its own from val.
        differences: by how much the trained system exceeds it, metric by metric; ``second`` is
            the trained system.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str
    result: EvaluationResult
    differences: tuple[MetricDifference, ...]

    def gain(self, metric: str) -> MetricDifference:
        """What training added to the metric of this name."""
        return next(found for found in self.differences if found.metric == metric)


def measure_baseline(
    name: str,
    description: str,
    *,
    val_scores: npt.ArrayLike,
    val_same: npt.ArrayLike,
    scores: npt.ArrayLike,
    trained: ScoredRun,
    same: npt.ArrayLike,
    first_identities: npt.ArrayLike,
    second_identities: npt.ArrayLike,
    folds: npt.ArrayLike | None = None,
    seed: int,
    resamples: int,
) -> Baseline:
    """Choose thresholds on val, measure P pairs with them, and compare with the trained system.

    Args:
        name: of the baseline.
        description: how it scores a pair.
        val_scores: its scores of the pairs of val.
        val_same: which of these are genuine.
        scores: float [P], its scores of the pairs to measure.
        trained: the trained system's scores of the same pairs in the same order.
        same: bool [P].
        first_identities: int [P], the identity of each pair's first image.
        second_identities: int [P], the identity of its second image.
        folds: int [P], the fold of each pair, where the protocol is k-fold.
        seed: of the resamples.
        resamples: how many.

    Raises:
        FacesimError: lengths differ, a score is NaN or infinite, or ``same`` contradicts the
            identities.
    """
    val = Roc.of_scores(val_scores, val_same)
    pairs = (same, first_identities, second_identities)
    result = evaluate_scores(
        scores,
        *pairs,
        operating_points=choose_operating_points(val),
        threshold_source=f"{val.genuine + val.impostor:,} pairs of val",
        seed=seed,
        resamples=resamples,
    )
    if folds is not None:
        k_fold = k_fold_accuracy(scores, same, folds)
        result = result.model_copy(update={"protocol": "k_fold", "k_fold": k_fold})
    differences = paired_differences(
        ScoredRun(scores, result.threshold), trained, *pairs, seed=seed, resamples=resamples
    )
    return Baseline(name=name, description=description, result=result, differences=differences)


_BASELINES = TypeAdapter(tuple[Baseline, ...])


def baselines_to_json(baselines: Sequence[Baseline]) -> str:
    """The text of ``baselines.json``."""
    return _BASELINES.dump_json(tuple(baselines), indent=2).decode() + "\n"


def read_baselines(folder: Path) -> tuple[Baseline, ...]:
    """Read the ``baselines.json`` of an evaluation's folder; none where there is no such file.

    Raises:
        FacesimError: it is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return ()
    try:
        return _BASELINES.validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise FacesimError(
            f"{path}: {where}: {first['msg']}; `facesim eval` writes it again"
        ) from None
