import numpy as np

from facesim.evaluation.evaluate_curve import evaluate_curve
from facesim.evaluation.evaluate_scores import evaluate_scores
from facesim.evaluation.roc import Roc


def test_counted_pairs_evaluate_as_the_pairs_themselves_do() -> None:
    generator = np.random.default_rng(0)
    same = np.arange(200) % 2 == 0
    first = generator.integers(10, size=200)
    second = np.where(same, first, (first + 3) % 10)
    scores = np.round(generator.normal(size=200) + same, 1)
    levels = np.unique(scores)[::-1]
    genuine, impostor = (
        np.array([(scores[kind] == level).sum() for level in levels]) for kind in (same, ~same)
    )
    counted = evaluate_curve(Roc.of_counts(levels, genuine, impostor), 10)
    assert counted == evaluate_scores(scores, same, first, second)
