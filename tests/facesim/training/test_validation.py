"""What the log says about the health of a training."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

from facesim.evaluation.embedding import Embedder
from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.interfaces import PairSet, heads
from facesim.processes import Processes
from facesim.reporters import SilentReporter
from facesim.runs.run import Run
from facesim.training.build import prepare
from facesim.training.validation import validate


class Listening(SilentReporter):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def say(self, text: str) -> None:
        self.heard.append(text)


def val_lines(file: Path, out: Path, *overrides: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The log's lines of val, and what the reader was told, of a run of one short epoch."""
    short = ["train.epochs=1", "sampler.pairs_per_image=0.4"]
    reporter = Listening()
    run = Run.begin(load_experiment(file, [*short, *overrides]), out, Processes(reporter))
    run.complete()
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "val"], reporter.heard


@pytest.fixture
def blind_head() -> Iterator[None]:
    """Registers a head that embeds all faces alike."""
    with heads.isolated():

        @heads("blind")
        class Blind(nn.Module):
            def __init__(self, features: int) -> None:
                super().__init__()
                self.linear = nn.Linear(features, 4)

            def forward(self, features: Tensor) -> Tensor:
                embeddings: Tensor = self.linear(features * 0)
                return embeddings

        yield


def test_each_epoch_logs_scores_embeddings_and_margin(tiny_file: Path, tmp_path: Path) -> None:
    ((line,), _) = val_lines(tiny_file, tmp_path)
    assert line["impostor_score_q05"] <= line["impostor_score_q50"] <= line["impostor_score_q95"]
    assert line["genuine_score_q05"] <= line["genuine_score_q95"]
    assert line["embedding_variance"] > 0
    assert 1 <= line["effective_rank"] <= 4
    assert 0 <= line["impostors_inside_margin"] <= 1


def test_the_chance_loss_is_that_of_the_share_of_genuine_pairs(
    tiny: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    components = prepare(tiny)
    asked: list[float] = []
    loss = type(components.network.loss)
    monkeypatch.setattr(loss, "chance_loss", lambda _, share: asked.append(share))
    embedder = Embedder(components.network, components.val.inputs, 8, Processes())
    rows = np.array([[0, 1], [0, 4], [0, 8], [1, 12]])
    validate(embedder, components.val, PairSet(rows, np.arange(4) == 0), components.metrics)
    assert asked == [0.25]


@pytest.mark.usefixtures("blind_head")
def test_a_collapse_is_named_in_the_log_and_to_the_reader(tiny_file: Path, tmp_path: Path) -> None:
    ((line,), heard) = val_lines(tiny_file, tmp_path, "head=blind")
    point, stuck = line["warnings"]
    assert "collapsed to a point" in point
    assert "worse than chance after 1 epoch: " in stuck
    assert [text for text in heard if text.startswith("epoch 1: warning: ")] == [
        f"epoch 1: warning: {point}",
        f"epoch 1: warning: {stuck}",
    ]
