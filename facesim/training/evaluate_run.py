"""Measuring a trained run: thresholds from val, figures from test."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from facesim.atomic import replacing, write_text
from facesim.evaluation.evaluate_scores import evaluate_scores
from facesim.evaluation.operating_points import choose_operating_points
from facesim.evaluation.result import EvaluationResult
from facesim.evaluation.roc import SortedPairs, checked_scores
from facesim.evaluation.scoring import ScoredPairs, score_pairs
from facesim.experiment.schema import Experiment
from facesim.model.devices import pick_device
from facesim.model.network import SiameseNetwork, build_network
from facesim.reporter import Reporter
from facesim.training.checkpoint import load_network, read_checkpoint
from facesim.training.evaluation_pairs import evaluation_pairs
from facesim.training.preparation import Split, load_split
from facesim.training.run_directory import RunDirectory


def evaluate_run(
    run: RunDirectory,
    *,
    checkpoint: str,
    reporter: Reporter,
    check: Callable[[], None] = lambda: None,
) -> EvaluationResult:
    """Choose thresholds on val with a checkpoint of a run, and measure test with them.

    Writes ``pairs/`` where it is not there yet, and ``eval/test/``.

    Args:
        run: the run.
        checkpoint: ``best``, ``last`` or the name of a periodic one.
        reporter: shows what is being embedded.
        check: called after each batch; may raise to stop.

    Raises:
        FacesimError: the checkpoint or the data cannot be read.
    """
    experiment = run.experiment()
    network = load_trained(run, experiment, checkpoint)
    scored = {}
    for name, dataset in (("val", experiment.data.val), ("test", experiment.data.test)):
        split = load_split(experiment, name, dataset)
        pairs = evaluation_pairs(run, experiment, split)
        scored[name] = (
            split,
            score_pairs(
                network,
                split.inputs,
                split.table,
                pairs,
                batch_size=experiment.evaluate.batch_size,
                reporter=reporter,
                title=f"embedding {name}",
                check=check,
            ),
        )
    result = _measure(scored["val"][1], *scored["test"], checkpoint=checkpoint)
    _write(run.evaluation("test"), *scored["test"], result=result)
    return result


def load_trained(run: RunDirectory, experiment: Experiment, checkpoint: str) -> SiameseNetwork:
    """The network of a run with the weights of one of its checkpoints.

    Raises:
        FacesimError: there is no such checkpoint, or it belongs to another experiment.
    """
    path = run.checkpoints / f"{checkpoint.removesuffix('.pt')}.pt"
    content = read_checkpoint(path)
    network = build_network(experiment, content["num_identities"], pick_device(experiment.device))
    load_network(path, content, network)
    return network


def _measure(
    val: ScoredPairs, split: Split, scored: ScoredPairs, *, checkpoint: str
) -> EvaluationResult:
    roc = SortedPairs.of(*checked_scores(val.scores, val.pairs.same)).roc()
    points = choose_operating_points(roc)
    first, second = split.table.identities[scored.pairs.rows].T
    return evaluate_scores(
        scored.scores,
        scored.pairs.same,
        first,
        second,
        operating_points=points,
        threshold_source=f"val ({len(val.scores)} pairs), checkpoint {checkpoint}",
        loss=scored.loss,
    )


def _write(folder: Path, split: Split, scored: ScoredPairs, *, result: EvaluationResult) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    files = np.asarray(split.table.files)[scored.pairs.rows]
    table = pd.DataFrame(
        {
            "file1": files[:, 0],
            "file2": files[:, 1],
            "same": scored.pairs.same.astype(int),
            "score": scored.scores,
        }
    )
    with replacing(folder / "scores.csv") as file:
        table.to_csv(file, index=False, lineterminator="\n")
    write_text(folder / "metrics.json", result.to_json())
