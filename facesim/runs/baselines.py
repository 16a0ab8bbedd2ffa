"""What systems that learnt nothing reach on the pairs of an evaluation."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from facesim.atomic import write_text
from facesim.errors import FacesimError
from facesim.evaluation.baseline import FILE, Baseline, baselines_to_json, measure_baseline
from facesim.evaluation.pair_identities import effective_pair_identities
from facesim.evaluation.paired_difference import ScoredRun
from facesim.evaluation.scoring import ScoredPairs
from facesim.experiment.schema import Experiment
from facesim.interfaces import PairSet
from facesim.model.untrained import PIXELS_SIDE, raw_pixels, untouched_backbone
from facesim.runs.evaluation_plan import EvaluationPlan
from facesim.runs.protocols import EvaluationOutcome
from facesim.runs.scorer import Evaluator
from facesim.seeds import derive_seed
from facesim.training.build import Split, load_split
from facesim.training.evaluation_pairs import evaluation_pairs
from facesim.training.make_inputs import make_inputs

Scores = npt.NDArray[np.floating]


@dataclass(frozen=True)
class _Untrained:
    """A system that is not trained.

    Attributes:
        name: of the baseline.
        description: how it scores a pair.
        scores: float [P] of the pairs of a split.
    """

    name: str
    description: str
    scores: Callable[[Split, PairSet], Scores]


def write_baselines(plan: EvaluationPlan, measured: EvaluationOutcome, scorer: Evaluator) -> None:
    """Score the pairs of an evaluation without any training, and write ``baselines.json``.

    No file is there afterwards if the experiment asks for none, nor under the exhaustive protocol:
    the pictures' 1,024 numbers would take an hour to compare with each other.

    Args:
        plan: what is evaluated.
        measured: the trained system on the same pairs.
        scorer: of the trained network; its cached trunk is that of the untouched backbone, too.

    Raises:
        FacesimError: an image cannot be used, or val cannot be read.
    """
    file = plan.folder / FILE
    if measured.scored is None or not plan.experiment.evaluate.baselines:
        file.unlink(missing_ok=True)
        return
    baselines = list(_measure(plan, measured, measured.scored, scorer))
    write_text(file, baselines_to_json(baselines))


def _measure(
    plan: EvaluationPlan, measured: EvaluationOutcome, trained: ScoredPairs, scorer: Evaluator
) -> Iterator[Baseline]:
    test, pairs, experiment = measured.test, trained.pairs, plan.experiment
    val, val_pairs = _val(plan, scorer)
    first, second = effective_pair_identities(pairs, test.table.identities)
    is_k_fold = experiment.evaluate.protocol == "k_fold"
    for system in (_chance(experiment), _pixels(scorer), _backbone(scorer)):
        yield measure_baseline(
            system.name,
            system.description,
            val_scores=system.scores(val, val_pairs),
            val_same=val_pairs.same,
            scores=system.scores(test, pairs),
            trained=ScoredRun(trained.scores, measured.result.threshold),
            same=pairs.same,
            first_identities=first,
            second_identities=second,
            folds=pairs.fold if is_k_fold else None,
            seed=measured.result.seed,
            resamples=measured.result.resamples,
        )


def _val(plan: EvaluationPlan, scorer: Evaluator) -> tuple[Split, PairSet]:
    """What the baselines' thresholds are chosen on."""
    try:
        val = load_split(plan.experiment, "val", scorer.network)
        return val, evaluation_pairs(plan.val_pairs_file, plan.experiment, val)
    except FacesimError as error:
        raise FacesimError(
            f"{error}\nBaselines choose their thresholds on val; without it, write "
            "`evaluate.baselines: false`"
        ) from None


def _chance(experiment: Experiment) -> _Untrained:
    def scores(split: Split, pairs: PairSet) -> Scores:
        seed = derive_seed(experiment.seed, "chance", split.name)
        return np.random.default_rng(seed).random(len(pairs))

    return _Untrained("chance", "a random score for each pair", scores)


def _pixels(trained: Evaluator) -> _Untrained:
    experiment = trained.experiment
    size = {"size": (PIXELS_SIDE, PIXELS_SIDE)}
    small = experiment.model_copy(update={"image": experiment.image.model_copy(update=size)})
    network = raw_pixels(trained.network.device)
    scorer = Evaluator(network, small, trained.processes)

    def scores(split: Split, pairs: PairSet) -> Scores:
        inputs = make_inputs(small, network, split.table, (), split.digests)
        return scorer.score(replace(split, inputs=inputs), pairs).scores

    return _Untrained(
        "raw_pixels",
        f"the cosine of the two pictures, grey and mean-centred at {PIXELS_SIDE} x {PIXELS_SIDE} "
        "pixels",
        scores,
    )


def _backbone(trained: Evaluator) -> _Untrained:
    experiment = trained.experiment
    network = untouched_backbone(experiment, trained.network.device)
    scorer = Evaluator(network, experiment, trained.processes)
    return _Untrained(
        "untouched_backbone",
        f"the cosine of the pooled features of backbone {experiment.backbone.name!r} as it was "
        "before training",
        lambda split, pairs: scorer.score(split, pairs).scores,
    )
