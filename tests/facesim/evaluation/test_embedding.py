"""Scores of pairs from embeddings that are computed once per image."""

import numpy as np
import pytest

from facesim.evaluation.embedding import Embedder, score_pairs
from facesim.experiment.schema import Experiment
from facesim.interfaces import PairSet
from facesim.processes import Processes
from facesim.training.build import prepare


def test_pairs_have_the_same_scores_however_many_are_scored_at_a_time(
    tiny: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    components = prepare(tiny)
    identities = components.val.table.identities
    embedder = Embedder(components.network, components.val.inputs, 8, Processes())
    rows = np.stack(np.triu_indices(8, 1), axis=1).astype(np.int64)
    pairs = PairSet(rows, identities[rows[:, 0]] == identities[rows[:, 1]])
    whole = score_pairs(embedder, pairs, identities)
    assert len(np.unique(whole.scores)) > len(rows) / 2
    monkeypatch.setattr("facesim.evaluation.embedding._PAIRS_AT_A_TIME", 4)
    np.testing.assert_allclose(
        score_pairs(embedder, pairs, identities).scores, whole.scores, rtol=1e-5
    )
