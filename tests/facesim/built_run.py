"""Run directories as `facesim run` leaves them, built without training."""

import json
from pathlib import Path

import numpy as np

from facesim.data.pair_sets import draw_pair_set
from facesim.discovery import load_installed_plugins
from facesim.evaluation.attribute_values import choose_attributes
from facesim.evaluation.baselines import Baseline, KeptCurve
from facesim.evaluation.calibration import calibrate, choose_operating_points
from facesim.evaluation.diagnostics import QUANTILES
from facesim.evaluation.differences import ScoredRun, paired_differences
from facesim.evaluation.evaluate import Thresholds, evaluate_scores
from facesim.evaluation.provenance import Provenance
from facesim.evaluation.slices import measure_slices
from facesim.experiment.loading import load_experiment
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.interfaces.protocol import ScoredPairs
from facesim.interfaces.scores import LabelledScores
from facesim.json_files import write_json
from facesim.runs.directory import RunDirectory
from facesim.runs.run import Run
from facesim.runs.scored_pairs import write_scored_pairs

load_installed_plugins()
METRICS = built_metrics(standard_metrics())

BUILT = """
name: {name}
seed: {seed}
data:
  train: {{name: synthetic_faces, identities: 4, images_per_identity: 4, size: 16}}
  val: {{name: synthetic_faces, identities: 4, images_per_identity: 4, first_identity: 4, size: 16}}
  test: {{name: synthetic_faces, identities: 24, images_per_identity: 5, first_identity: 8,
          size: 16}}
image: {{size: [16, 16]}}
backbone: {{name: small_cnn, width: 4}}
head: {{name: mlp, fc_dim: 8, out_dim: {out_dim}}}
sampler: {{name: random_pairs, pairs_per_image: 1.0}}
loss: {loss}
optimizer: adam
train: {{epochs: 3, batch_size: 8}}
"""


def build_run_in(
    folder: Path,
    name: str,
    skill: float = 1.5,
    *,
    pairs_seed: int = 0,
    out_dim: int = 4,
    seed: int = 0,
    loss: str = "contrastive",
) -> Run:
    """Build, in a folder, a finished run of 360 test pairs of 24 drawn people.

    Args:
        folder: where.
        name: of the experiment.
        skill: how far its scores separate genuine from impostor pairs.
        pairs_seed: of its test pairs.
        out_dim: of the embeddings that the experiment declares.
        loss: that it declares.
        seed: of the training; a quarter of a score's noise is its own.
    """
    file = folder / f"{name}.yaml"
    file.write_text(BUILT.format(name=name, out_dim=out_dim, seed=seed, loss=loss))
    experiment = load_experiment(file)
    run = Run(RunDirectory.create(folder / "runs", experiment))
    _write_log(run)
    _write_evaluation(run, skill, pairs_seed)
    return run


def _write_log(run: Run) -> None:
    entries: list[dict[str, object]] = []
    for epoch in (1, 2, 3):
        step = 10 * epoch
        rate = 0.7 + 0.05 * epoch
        entries += [
            {"kind": "train", "step": step - 5, "epoch": epoch, "loss": 2.0 / epoch, "lr": 1e-3},
            {"kind": "train", "step": step, "epoch": epoch, "loss": 1.8 / epoch, "lr": 1e-3},
            {
                "kind": "val",
                "step": step,
                "epoch": epoch,
                "loss": 1.9 / epoch,
                "accuracy": rate,
                "effective_rank": 2.0 + epoch,
                "embedding_relative_variance": 0.2 * epoch,
                "impostors_inside_margin": 0.9 / epoch,
                **{f"genuine_score_q{end:02d}": end / 50 - 1 for end in QUANTILES},
                **{f"impostor_score_q{end:02d}": end / 50 - 2 for end in QUANTILES},
                "warnings": [],
            },
        ]
    lines = [json.dumps(entry) for entry in [*entries, {"kind": "finished"}]]
    (run.path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    start = {"command": ["/somewhere/facesim", "run", "built.yaml"], "python": "3.11.7"}
    (run.path / "environment.json").write_text(json.dumps([start]))


def _write_evaluation(run: Run, skill: float, pairs_seed: int) -> None:
    table = run.experiment.data.dataset_of("test").build()
    pairs = draw_pair_set(table, 3.0, 0.5, pairs_seed)
    noise = np.random.default_rng(1).normal(size=len(pairs))
    if run.experiment.seed:
        own = np.random.default_rng(run.experiment.seed + 1).normal(size=len(pairs))
        noise = 0.75**0.5 * noise + 0.5 * own
    scores = skill * pairs.same + noise
    scored = LabelledScores.of_pairs(scores, pairs, table.identities)
    calibration = calibrate(
        scored,
        split="val",
        pairs_sha256="0" * 64,
        provenance=Provenance(preprocessing="16 x 16", score="contrastive", checkpoint="best"),
    )
    thresholds = Thresholds(calibration.operating_points, "240 pairs of val")
    result = evaluate_scores(scored, METRICS, thresholds=thresholds, resamples=50)
    assert calibration.probability is not None
    probabilities = calibration.probability.probability(scores)
    folder = run.directory.evaluation("test")
    folder.mkdir()
    write_scored_pairs(folder, table, ScoredPairs(pairs, scores), probabilities)
    write_json(folder / "metrics.json", result)
    write_json(run.path / "calibration.json", calibration)
    by_chance = LabelledScores.of_pairs(noise, pairs, table.identities)
    chosen = Thresholds(choose_operating_points(by_chance.roc()), "240 pairs of val")
    of_chance = evaluate_scores(by_chance, METRICS, thresholds=chosen, resamples=50)
    chance = Baseline(
        name="chance",
        description="a random score",
        result=of_chance,
        differences=paired_differences(
            ScoredRun(by_chance, of_chance.threshold),
            ScoredRun(scored, result.threshold),
            METRICS,
            seed=0,
        ),
        curve=KeptCurve.of(by_chance.roc()),
    )
    write_json(folder / "baselines.json", [chance])
    slices = measure_slices(
        choose_attributes(table.attributes[["freckles"]], True)[0],
        pairs.rows,
        scored,
        threshold=result.threshold or 0.0,
        seed=0,
        resamples=50,
    )
    write_json(folder / "slices.json", slices)
    finding = {
        "rule": "dominant_identity",
        "severity": "warning",
        "message": "one identity holds 30% of the pairs",
        "rows": ["identity 8"],
    }
    (run.path / "lint.json").write_text(json.dumps({"findings": [finding]}))
