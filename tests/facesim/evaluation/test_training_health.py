import numpy as np
import pytest

from facesim.evaluation.training_health import training_health

RANDOM = np.random.default_rng(0)
EMBEDDINGS = RANDOM.normal(size=(40, 8)).astype(np.float32)
SCORES = RANDOM.normal(size=100).astype(np.float32)
SAME = np.arange(100) % 3 == 0


def naive_quantile(values: list[float], share: float) -> float:
    """Linear between the two neighbours in the sorted list."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def test_quantiles_of_both_kinds_are_those_of_a_sorted_list() -> None:
    values = training_health(EMBEDDINGS, SCORES, SAME, impostor_margin=None).values()
    for kind, chosen in (("genuine", SAME), ("impostor", ~SAME)):
        for per_cent in (5, 25, 50, 75, 95):
            naive = naive_quantile(SCORES[chosen].tolist(), per_cent / 100)
            assert values[f"{kind}_score_q{per_cent:02d}"] == pytest.approx(naive)


def test_impostors_inside_the_margin_score_above_it() -> None:
    scores, same = np.array([-3.0, -1.0, -2.0, -0.5, -1.5]), np.array([0, 0, 0, 1, 0], bool)
    health = training_health(EMBEDDINGS, scores, same, impostor_margin=-2.0)
    assert health.impostors_inside_margin == 2 / 4
    assert health.values()["impostors_inside_margin"] == 0.5


def test_what_does_not_exist_is_not_logged() -> None:
    values = training_health(EMBEDDINGS, SCORES, np.ones(100, bool), impostor_margin=0.0).values()
    assert not [name for name in values if "impostor" in name]
    assert {"embedding_variance", "effective_rank", "genuine_score_q50"} <= values.keys()
    assert "impostors_inside_margin" not in (
        training_health(EMBEDDINGS, SCORES, SAME, impostor_margin=None).values()
    )
