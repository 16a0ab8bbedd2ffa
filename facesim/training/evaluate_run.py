"""Measuring a trained run: thresholds from val, figures from test."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd

from facesim.atomic import replacing, write_text
from facesim.evaluation.calibration import Calibration, Provenance, calibrate
from facesim.evaluation.evaluate_scores import evaluate_scores
from facesim.evaluation.pair_identities import listed_identities
from facesim.evaluation.result import EvaluationResult
from facesim.evaluation.scoring import ScoredPairs, score_pairs
from facesim.experiment.schema import Experiment
from facesim.model.devices import pick_device
from facesim.model.network import SiameseNetwork, build_network
from facesim.reporter import Reporter
from facesim.seeds import derive_seed
from facesim.training.checkpoint import checkpoint_digest, load_network, read_checkpoint
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

    Writes ``calibration.json``, ``eval/test/``, and ``pairs/`` where it is not there yet.

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

    def score(split: Split) -> ScoredPairs:
        return score_pairs(
            network,
            split.inputs,
            split.table,
            evaluation_pairs(run.pairs_file(split.name), experiment, split),
            batch_size=experiment.evaluate.batch_size,
            reporter=reporter,
            title=f"embedding {split.name}",
            check=check,
        )

    val = load_split(experiment, "val", network)
    test = load_split(experiment, "test", network)
    calibration = _calibrate(run, experiment, score(val), checkpoint)
    scored = score(test)
    result = _measure(experiment, calibration, test, scored, checkpoint)
    write_text(run.calibration_file, calibration.to_json())
    _write(run.evaluation("test"), test, scored, calibration, result)
    return result


def load_trained(run: RunDirectory, experiment: Experiment, checkpoint: str) -> SiameseNetwork:
    """The network of a run with the weights of one of its checkpoints.

    Raises:
        FacesimError: there is no such checkpoint, or it belongs to another experiment.
    """
    path = run.checkpoint(checkpoint)
    content = read_checkpoint(path)
    network = build_network(experiment, content["num_identities"], pick_device(experiment.device))
    load_network(path, content, network)
    return network


def _calibrate(
    run: RunDirectory, experiment: Experiment, scored: ScoredPairs, checkpoint: str
) -> Calibration:
    """Thresholds and probabilities from the scores of val."""
    return calibrate(
        scored.scores,
        scored.pairs.same,
        split="val",
        pairs_sha256=sha256(run.pairs_file("val").read_bytes()).hexdigest(),
        provenance=Provenance(
            preprocessing=experiment.image.model_dump_json(),
            score=json.dumps(experiment.loss.as_node(), sort_keys=True),
            checkpoint=checkpoint_digest(run.checkpoint(checkpoint)),
        ),
    )


def _measure(
    experiment: Experiment,
    calibration: Calibration,
    split: Split,
    scored: ScoredPairs,
    checkpoint: str,
) -> EvaluationResult:
    return evaluate_scores(
        scored.scores,
        scored.pairs.same,
        *listed_identities(scored.pairs, split.table.identities),
        operating_points=calibration.operating_points,
        threshold_source=f"{calibration.pairs:,} pairs of val, checkpoint {checkpoint}",
        loss=scored.loss,
        seed=derive_seed(experiment.seed, "bootstrap"),
        resamples=experiment.evaluate.resamples,
    )


def _write(
    folder: Path,
    split: Split,
    scored: ScoredPairs,
    calibration: Calibration,
    result: EvaluationResult,
) -> None:
    """The figures, and beside them every pair with its score and probability."""
    folder.mkdir(parents=True, exist_ok=True)
    files = np.asarray(split.table.files)[scored.pairs.rows]
    columns = {
        "file1": files[:, 0],
        "file2": files[:, 1],
        "same": scored.pairs.same.astype(int),
        "score": scored.scores,
    }
    if calibration.probability is not None:
        columns["probability"] = calibration.probability.probability(scored.scores)
    with replacing(folder / "scores.csv") as file:
        pd.DataFrame(columns).to_csv(file, index=False, lineterminator="\n")
    write_text(folder / "metrics.json", result.to_json())
