"""Evaluation of a trained run: thresholds from val, metrics on test."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from hashlib import sha256

from facesim.arrays import FloatArray
from facesim.data.linter.evaluation import LintedEvaluation, NamedImages, lint_evaluation
from facesim.data.linter.findings import LintReport
from facesim.errors import FacesimError
from facesim.evaluation.acquisition import measured_acquisition
from facesim.evaluation.attribute_values import choose_attributes
from facesim.evaluation.baselines import Baseline, measure_baseline, scored_run
from facesim.evaluation.calibration import Calibration, calibrate
from facesim.evaluation.evaluate import Thresholds
from facesim.evaluation.slices import Slices, measure_slices
from facesim.evaluation.task import EvaluationTask
from facesim.experiment.decisions import decided
from facesim.experiment.measured_metrics import measured_metrics
from facesim.experiment.schema import Experiment
from facesim.interfaces import PairSet
from facesim.interfaces.protocol import Measurement
from facesim.interfaces.result import EvaluationResult
from facesim.interfaces.scores import LabelledScores
from facesim.model.build import build_network
from facesim.model.devices import pick_device
from facesim.model.network import SiameseNetwork
from facesim.processes import Processes
from facesim.runs.directory import RunDirectory, RunFile
from facesim.runs.environment import read_decisions
from facesim.runs.evaluation_files import EvaluationOutcome, begin_files, write_files
from facesim.runs.evaluation_plan import OWN, EvaluationPlan
from facesim.runs.follower import share_trained
from facesim.runs.suspects import look_for_suspects
from facesim.runs.systems import (
    TRAINED,
    NetworkSystem,
    baseline_systems,
    calibration_of_the_run,
    provenance,
)
from facesim.seeds import derive_seed
from facesim.training.build import Split, Tables, load_split
from facesim.training.checkpoint import load_network, read_checkpoint
from facesim.training.engines import use_engine
from facesim.training.evaluation_pairs import evaluation_pairs, plan_comparisons
from facesim.training.trunk_file import load_trunk


def evaluate(plan: EvaluationPlan, tables: Tables, processes: Processes) -> EvaluationResult:
    """Carry out one evaluation of a run.

    Writes the plan's folder, the thresholds if new ones are chosen, and pairs that are not there
    yet.

    Args:
        plan: what is evaluated.
        tables: where the tables are kept that are read.
        processes: show what is being embedded.

    Raises:
        FacesimError: the checkpoint or the data cannot be read, or no thresholds apply.
        ProtocolError: the linter found what would make the metrics worthless.
    """
    network = load_trained(plan.directory, plan.experiment, plan.checkpoint)
    share_trained(processes, network)
    test = load_split(plan.experiment, "test", network, tables)
    begin_files(plan)
    task = evaluation_task(plan, test)
    val = _Val(plan, network, tables)
    pairs = {} if task.comparisons.pairs is None else {plan.name: task.comparisons.pairs}
    if plan.draws_val:
        pairs[plan.val_name] = val.pairs
    lint = _lint(plan, tables, pairs, processes)
    lint.require_no_errors()
    if plan.name != OWN:  # of its own pairs the run has said it before it began
        for line in (*(f"{plan.name}: {note}" for note in test.table.notes), *lint.findings):
            processes.reporter.say(str(line))
    system = NetworkSystem(network, test, plan.experiment, processes, TRAINED)
    calibration = _calibration(plan, system, val)
    source = f"{calibration.pairs:,} pairs of val, checkpoint {plan.checkpoint}"
    measured = task.measure(system, Thresholds(calibration.operating_points, source))
    if test.table.acquisition is not None:
        acquired = measured_acquisition(test.table.acquisition)
        result = measured.result.model_copy(update={"acquisition": acquired})
        measured = replace(measured, result=result)
    baselines = _baselines(plan, task, measured, system, val, calibration)
    split = plan.experiment.data.split
    is_fold = plan.name == OWN and split is not None and split.fold is not None
    slices = _slices(plan, task, measured)
    suspects = look_for_suspects(plan, network, tables, processes)
    for line in suspects:
        processes.reporter.say(str(line))
    lint = lint.model_copy(update={"findings": (*lint.findings, *suspects)})
    found = EvaluationOutcome(
        test.table,
        lint,
        calibration,
        measured,
        tuple(each for each, _ in baselines),
        slices,
        # The folds together are compared with a baseline pair by pair.
        baseline_scores={each.name: scores for each, scores in baselines} if is_fold else {},
    )
    write_files(plan, found)
    return measured.result


def load_trained(
    directory: RunDirectory, experiment: Experiment, checkpoint: str
) -> SiameseNetwork:
    """The network of a run with the weights of one of its checkpoints, run by the run's engine.

    Raises:
        FacesimError: there is no such checkpoint, it belongs to another experiment, or the engine
            is not available here.
    """
    path = directory.checkpoints.file(checkpoint)
    content = read_checkpoint(path)
    network = build_network(experiment, content["num_identities"], pick_device(experiment.device))
    load_trunk(directory.path / RunFile.TRUNK, network)
    load_network(path, content, network)
    use_engine(network, decided(experiment, read_decisions(directory.path)))
    return network


class _Val:
    """The split on which thresholds are chosen, read when it is first asked for.

    Args:
        plan: whose val it is.
        network: for what its images become.
        tables: where the tables are kept that are read.
    """

    def __init__(self, plan: EvaluationPlan, network: SiameseNetwork, tables: Tables) -> None:
        self._plan = plan
        self._network = network
        self._tables = tables

    @cached_property
    def split(self) -> Split:
        return load_split(self._plan.experiment, "val", self._network, self._tables)

    @cached_property
    def pairs(self) -> PairSet:
        plan = self._plan
        draws = plan.experiment if plan.recalibrates else plan.trained
        return evaluation_pairs(plan.val_pairs_file, draws, self.split)

    @property
    def pairs_sha256(self) -> str:
        return sha256(self._plan.val_pairs_file.read_bytes()).hexdigest()

    def pairs_of(self, calibration: Calibration) -> PairSet:
        """The pairs, if thresholds were chosen on these very ones."""
        pairs = self.pairs
        if self.pairs_sha256 != calibration.pairs_sha256:
            raise FacesimError(
                f"{self._plan.val_pairs_file} does not hold the pairs that the thresholds were "
                f"chosen on; `facesim eval {self._plan.directory.path}` chooses them again"
            )
        return pairs


def _lint(
    plan: EvaluationPlan, tables: Tables, pairs: Mapping[str, PairSet], processes: Processes
) -> LintReport:
    """Lint what is measured against every split that the run has seen."""
    own, other = plan.trained, plan.experiment
    run, unread = {}, {}
    for name in ("train", "val", "test"):
        try:
            run[name] = NamedImages(name, tables.read(name, own))
        except FacesimError as error:
            unread[name] = str(error)
    calibration = None
    if plan.draws_val:
        calibration = NamedImages(plan.val_name, tables.read("val", other))
    linted = LintedEvaluation(
        NamedImages(plan.name, tables.read("test", other)),
        calibration,
        run,
        unread,
        is_new=plan.has_other_images,
    )
    return lint_evaluation(plan.experiment, linted, pairs, processes)


def evaluation_task(plan: EvaluationPlan, test: Split) -> EvaluationTask:
    """What a plan measures on its test data, whichever system it is measured for."""
    experiment = plan.experiment
    return EvaluationTask(
        experiment.evaluate.protocol,
        plan_comparisons(experiment, test, plan.pairs_file),
        test.table,
        measured_metrics(experiment),
        seed=derive_seed(experiment.evaluate.seed, "bootstrap"),
        resamples=experiment.evaluate.resamples,
    )


def _calibration(plan: EvaluationPlan, system: NetworkSystem, val: _Val) -> Calibration:
    """Thresholds and probabilities: chosen on val, or taken from where the run chose them."""
    if not plan.recalibrates:
        return calibration_of_the_run(plan, system.network, system.processes.reporter.say)
    on_val = replace(system, split=val.split)
    return calibrate(
        LabelledScores.of_pairs(
            on_val.score_pairs(val.pairs).scores, val.pairs, val.split.table.identities
        ),
        split="val",
        pairs_sha256=val.pairs_sha256,
        provenance=provenance(plan, system.network),
    )


def _baselines(
    plan: EvaluationPlan,
    task: EvaluationTask,
    measured: Measurement,
    system: NetworkSystem,
    val: _Val,
    calibration: Calibration,
) -> list[tuple[Baseline, FloatArray]]:
    """The baselines on the same comparisons, with thresholds from the same pairs of val.

    Each comes with its scores, float64 [P].

    There are none if the experiment asks for none, nor where the scores of single pairs are not
    kept: the 1,024 numbers of each image would take an hour to compare pair by pair.
    """
    if measured.scored is None or not plan.experiment.evaluate.baselines:
        return []
    try:
        val_split, val_pairs = val.split, val.pairs_of(calibration)
    except FacesimError as error:
        raise FacesimError(
            f"{error}\nBaselines choose their thresholds on val; without it, write "
            "`evaluate.baselines: false`"
        ) from None
    return [
        measure_baseline(baseline, val_pairs, task, measured)
        for baseline in baseline_systems(system, val_split)
    ]


def _slices(plan: EvaluationPlan, task: EvaluationTask, measured: Measurement) -> Slices | None:
    """The error rates by attribute.

    There are none if the experiment asks for none, the table has no attributes, there is no
    threshold, or no score of a single pair was kept.

    Raises:
        FacesimError: an attribute that the experiment names is not in the table.
    """
    threshold = measured.result.threshold
    attributes, notes = choose_attributes(task.table.attributes, plan.experiment.evaluate.slices)
    if measured.scored is None or threshold is None or not (attributes or notes):
        return None
    found = measure_slices(
        attributes,
        measured.scored.pairs.rows,
        scored_run(measured, task.table).scored,
        threshold=threshold,
        seed=task.seed,
        resamples=task.resamples,
    )
    return found.model_copy(update={"notes": tuple(notes)})
