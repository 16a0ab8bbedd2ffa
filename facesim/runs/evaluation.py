"""Measuring a trained run: thresholds from val, figures from test."""

from facesim.evaluation.result import EvaluationResult
from facesim.experiment.schema import Experiment
from facesim.model.devices import pick_device
from facesim.model.network import SiameseNetwork, build_network
from facesim.processes import Processes
from facesim.runs.attribute_slices import write_slices
from facesim.runs.baselines import write_baselines
from facesim.runs.directory import RunDirectory
from facesim.runs.evaluation_files import begin_files, write_files
from facesim.runs.evaluation_plan import OWN, EvaluationPlan, own_plan
from facesim.runs.protocols import measure
from facesim.runs.scorer import Evaluator
from facesim.runs.thresholds import thresholds_for
from facesim.training.build import load_split
from facesim.training.checkpoint import load_network, read_checkpoint
from facesim.training.evaluation_pairs import evaluation_pairs, is_exhaustive
from facesim.training.lint import lint_evaluation
from facesim.training.trunk_file import load_trunk


def evaluate_run(
    run: RunDirectory,
    *,
    checkpoint: str,
    processes: Processes,
) -> EvaluationResult:
    """Choose thresholds on val with a checkpoint of a run, and measure its own test data with them.

    Writes ``calibration.json``, ``eval/test/``, and ``pairs/`` where it is not there yet.

    Args:
        run: the run.
        checkpoint: ``best``, ``last`` or the name of a periodic one.
        processes: show what is being embedded.

    Raises:
        FacesimError: the checkpoint or the data cannot be read.
        ProtocolError: the pairs are not those that the run began with, and break a rule.
    """
    return evaluate(own_plan(run, checkpoint), processes)


def evaluate(plan: EvaluationPlan, processes: Processes) -> EvaluationResult:
    """Carry out one evaluation of a run.

    Raises:
        FacesimError: the checkpoint or the data cannot be read, or no thresholds apply.
        ProtocolError: the linter found what would make the figures worthless.
    """
    network = load_trained(plan.run, plan.experiment, plan.checkpoint)
    scorer = Evaluator(network, plan.experiment, processes)
    test = load_split(plan.experiment, "test", network)
    begin_files(plan)
    pairs = None
    if not is_exhaustive(plan.experiment, test):
        pairs = evaluation_pairs(plan.pairs_file, plan.experiment, test)
    lint = lint_evaluation(plan.name, plan.experiment, test, pairs)
    lint.require_no_errors()
    if plan.name != OWN:  # of its own pairs the run has said it before it began
        for line in (*(f"{plan.name}: {note}" for note in test.table.notes), *lint.findings):
            processes.reporter.say(str(line))
    calibration = thresholds_for(plan, scorer)
    measured = measure(plan, test, pairs, calibration, scorer)
    write_baselines(plan, measured, scorer)
    write_slices(plan, measured)
    write_files(plan, lint, calibration, measured)
    return measured.result


def load_trained(run: RunDirectory, experiment: Experiment, checkpoint: str) -> SiameseNetwork:
    """The network of a run with the weights of one of its checkpoints.

    Raises:
        FacesimError: there is no such checkpoint, or it belongs to another experiment.
    """
    path = run.checkpoints.file(checkpoint)
    content = read_checkpoint(path)
    network = build_network(experiment, content["num_identities"], pick_device(experiment.device))
    load_trunk(run.trunk_file, network)
    load_network(path, content, network)
    return network
