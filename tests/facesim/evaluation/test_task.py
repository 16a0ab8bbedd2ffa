"""What a protocol is given to evaluate its scores with."""

from pathlib import Path

import numpy as np
import pytest

from facesim.discovery import load_installed_plugins
from facesim.evaluation.calibration import choose_operating_points
from facesim.evaluation.evaluate import Thresholds
from facesim.evaluation.task import EvaluationTask
from facesim.interfaces import Comparisons, Evaluator, FaceTable, Measurement, System, protocols
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.interfaces.protocol import Protocol
from facesim.interfaces.scores import LabelledScores

load_installed_plugins()


@pytest.mark.parametrize("loss", [0.25, None])
def test_the_loss_that_a_protocol_states_is_that_of_the_result(loss: float | None) -> None:
    same = np.arange(80) < 40
    first = np.arange(80) % 40
    scores = np.random.default_rng(0).normal(size=80) + same
    scored = LabelledScores.of(scores, same, first, np.where(same, first, (first + 1) % 40))

    class WithLoss(Protocol):
        def plan(self, *_: object) -> Comparisons:
            raise NotImplementedError

        def measure(
            self, comparisons: Comparisons, table: FaceTable, system: System, evaluator: Evaluator
        ) -> Measurement:
            return Measurement(evaluator.evaluate(scored, loss))

    none = np.empty(0, np.int64)
    with protocols.isolated():
        protocols("with_loss")(WithLoss)
        spec, table = protocols.spec("with_loss"), FaceTable(Path(), none, none, none)
        metrics = built_metrics(standard_metrics())
        task = EvaluationTask(spec, Comparisons(), table, metrics, 0, 1000)
        thresholds = Thresholds(choose_operating_points(scored.roc()), "val")
        assert task.measure(object(), thresholds).result.loss == loss  # type: ignore[arg-type]
