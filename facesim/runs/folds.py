"""One evaluation of the runs of k folds: each person tested once, by a network without them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from facesim.data.linter.findings import LintReport, findings_over_folds
from facesim.errors import FacesimError
from facesim.evaluation.acquisition import measured_acquisition
from facesim.evaluation.attribute_values import choose_attributes
from facesim.evaluation.baselines import Baseline
from facesim.evaluation.calibration import OperatingPoint
from facesim.evaluation.differences import MetricDifference, ScoredRun, paired_differences
from facesim.evaluation.folds import MeasuredFold, evaluate_folds, pooled_scores
from facesim.evaluation.headline import metrics_of_result
from facesim.evaluation.slices import Slices, measure_slices
from facesim.experiment.measured_metrics import measured_metrics
from facesim.experiment.schema import Experiment
from facesim.folders import make_folder
from facesim.interfaces import FaceTable, PairSet
from facesim.interfaces.metric import Metric
from facesim.interfaces.protocol import Measurement, ScoredPairs
from facesim.interfaces.result import Estimate, EvaluationResult
from facesim.interfaces.scores import LabelledScores
from facesim.runs.directory import RunDirectory
from facesim.runs.evaluation_files import EvaluationOutcome, write_results
from facesim.runs.evaluation_plan import OWN
from facesim.runs.run_files import RunFiles
from facesim.runs.scored_pairs import ScoredImages, read_baseline_scores
from facesim.seeds import derive_seed
from facesim.training.build import Tables


def evaluate_together(
    directory: RunDirectory, experiment: Experiment, folds: Sequence[RunFiles], tables: Tables
) -> EvaluationResult:
    """Evaluate the test comparisons of all folds as one, and write ``eval/test``.

    A score in ``scores.csv`` is the fold's less the fold's own threshold, so that 0 decides every
    pair; the column `network` says the fold. The scores themselves are in the folds' directories.

    Args:
        directory: of the run that the folds are of.
        experiment: of that run.
        folds: read with their own evaluations, in order.
        tables: where the tables are kept that are read.

    Raises:
        FacesimError: a fold has not been evaluated, or an image of its pairs is not in the source.
    """
    table = tables.read("test", experiment).table
    measured = [_MeasuredRun(files, table) for files in folds]
    seed = derive_seed(experiment.evaluate.seed, "bootstrap")
    metrics, resamples = measured_metrics(experiment), experiment.evaluate.resamples
    tested = [each.fold for each in measured]
    result = evaluate_folds(tested, metrics, seed=seed, resamples=resamples)
    acquired = None if table.acquisition is None else measured_acquisition(table.acquisition)
    protocol = experiment.evaluate.protocol.name
    result = result.model_copy(update={"protocol": protocol, "acquisition": acquired})
    scored = pooled_scores(tested)
    numbers = np.repeat(np.arange(1, len(folds) + 1), [len(each.pairs) for each in measured])
    pairs = PairSet(np.concatenate([each.rows for each in measured]), scored.same)
    probabilities = [each.pairs.probabilities for each in measured]
    known = [each for each in probabilities if each is not None]
    found = EvaluationOutcome(
        table,
        findings_over_folds([each.lint or LintReport() for each in folds]),
        None,
        Measurement(result, ScoredPairs(pairs, scored.scores, network=numbers)),
        _baselines(measured, result, metrics),
        _slices(experiment, table, pairs, scored, seed),
        np.concatenate(known) if len(known) == len(folds) else None,
    )
    folder = directory.evaluation(OWN)
    make_folder(folder)
    write_results(folder, experiment, found)
    return result


class _MeasuredRun:
    """The own evaluation of a fold's run, its pairs as rows of the source.

    Args:
        files: the run.
        table: of the source.
    """

    def __init__(self, files: RunFiles, table: FaceTable) -> None:
        if files.result is None or files.pairs is None or files.calibration is None:
            raise FacesimError(f"{files.path} was not evaluated; `facesim eval` does it")
        self.result, self.pairs = files.result, files.pairs
        self.rows = ScoredImages.find(self.pairs, table).rows
        scored = LabelledScores.of_pairs(
            self.pairs.scores, PairSet(self.rows, self.pairs.same), table.identities
        )
        self.fold = MeasuredFold(scored, files.calibration.operating_points, self.result.loss)
        self.baselines = {each.name: each for each in files.baselines}
        folder = RunDirectory(files.path).evaluation(OWN)
        self.baseline_scores = read_baseline_scores(folder, len(self.pairs))

    def baseline(self, name: str) -> MeasuredFold | None:
        """A baseline on the same comparisons; None where its scores were not kept."""
        if name not in self.baseline_scores:
            return None
        points = [
            OperatingPoint(
                name=at.name, threshold=at.threshold, reason=at.reason, support=at.support
            )
            for at in self.baselines[name].result.operating_points
        ]
        scored = replace(self.fold.scored, scores=self.baseline_scores[name])
        return MeasuredFold(scored, points)


def _slices(
    experiment: Experiment, table: FaceTable, pairs: PairSet, scored: LabelledScores, seed: int
) -> Slices | None:
    attributes, notes = choose_attributes(table.attributes, experiment.evaluate.slices)
    if not (attributes or notes):
        return None
    resamples = experiment.evaluate.resamples
    found = measure_slices(
        attributes, pairs.rows, scored, threshold=0.0, seed=seed, resamples=resamples
    )
    return found.model_copy(update={"notes": tuple(notes)})


def _baselines(
    runs: Sequence[_MeasuredRun], trained: EvaluationResult, metrics: Mapping[str, Metric]
) -> tuple[Baseline, ...]:
    """Each baseline over the folds; those that were not measured in all of them are left out."""
    names = [name for name in runs[0].baselines if all(name in each.baselines for each in runs)]
    return tuple(_baseline(name, runs, trained, metrics) for name in names)


def _baseline(
    name: str,
    runs: Sequence[_MeasuredRun],
    trained: EvaluationResult,
    metrics: Mapping[str, Metric],
) -> Baseline:
    """A baseline over the folds, evaluated as the trained networks are and paired with them."""
    folds = [each.baseline(name) for each in runs]
    kept = [each for each in folds if each is not None]
    if len(kept) < len(runs):
        number = folds.index(None) + 1
        return _without_scores(name, runs, trained, metrics, number)
    result = evaluate_folds(kept, metrics, seed=trained.seed, resamples=trained.resamples)
    differences = paired_differences(
        ScoredRun(pooled_scores(kept), result.threshold),
        ScoredRun(pooled_scores([each.fold for each in runs]), trained.threshold),
        metrics_of_result(trained, metrics),
        seed=trained.seed,
    )
    return Baseline(
        name=name,
        description=runs[0].baselines[name].description,
        result=result.model_copy(update={"protocol": trained.protocol}),
        differences=differences,
    )


def _without_scores(
    name: str,
    runs: Sequence[_MeasuredRun],
    trained: EvaluationResult,
    metrics: Mapping[str, Metric],
    number: int,
) -> Baseline:
    """The means over folds of which one was tested before the scores of baselines were kept."""
    reason = f"fold {number} was tested by an older facesim, which kept no scores of baselines"
    weights = [each.result.pairs for each in runs]
    results = [each.baselines[name].result for each in runs]
    means, differences = {}, []
    for metric in metrics_of_result(trained, metrics):
        values = [
            each.metrics[metric].value if metric in each.metrics else None for each in results
        ]
        known = [value for value in values if value is not None]
        mean = float(np.average(known, weights=weights)) if len(known) == len(runs) else None
        means[metric] = Estimate(value=mean, reason=reason)
        own = trained.metrics[metric].value
        difference = None if mean is None or own is None else own - mean
        differences.append(MetricDifference(metric=metric, difference=difference, reason=reason))
    reasons = {"threshold": "each fold has its own", "loss": "not measured"}
    result = trained.model_copy(
        update={
            "metrics": means,
            "operating_points": (),
            "wilson": {},
            "threshold": None,
            "threshold_source": "the val of each fold",
            "loss": None,
            "reasons": reasons,
        }
    )
    description = runs[0].baselines[name].description
    return Baseline(
        name=name, description=description, result=result, differences=tuple(differences)
    )
