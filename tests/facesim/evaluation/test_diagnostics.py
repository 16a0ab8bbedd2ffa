import math

import numpy as np
import pytest

from facesim.arrays import FloatArray
from facesim.evaluation.diagnostics import (
    EmbeddingSpread,
    collapse_warnings,
    effective_rank,
    embedding_spread,
    training_health,
)


def draw(images: int = 200, dimensions: int = 16, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(size=(images, dimensions))


def naive_rank(rows: FloatArray) -> float:
    singular = np.linalg.svd(rows, compute_uv=False).tolist()
    entropy = 0.0
    for value in singular:
        if value > 0:
            entropy -= value / sum(singular) * math.log(value / sum(singular))
    return math.exp(entropy)


@pytest.mark.parametrize("shape", [(200, 16), (5, 16), (16, 5), (2, 1)])
def test_effective_rank_is_that_of_the_definition(shape: tuple[int, int]) -> None:
    rows = draw(*shape) * np.arange(1, shape[1] + 1)
    assert effective_rank(rows) == pytest.approx(naive_rank(rows), rel=1e-6)


@pytest.mark.parametrize("directions", [1, 2, 7])
def test_equally_strong_directions_are_counted(directions: int) -> None:
    assert effective_rank(np.eye(7)[:directions]) == pytest.approx(directions)


def test_variance_is_the_mean_squared_distance_from_the_mean() -> None:
    embeddings = draw() + 3.0
    mean = embeddings.mean(axis=0)
    naive = sum(math.dist(row, mean) ** 2 for row in embeddings) / len(embeddings)
    length = sum(math.hypot(*row) ** 2 for row in embeddings) / len(embeddings)
    spread = embedding_spread(embeddings)
    assert spread.variance == pytest.approx(naive)
    assert spread.relative_variance == pytest.approx(naive / length)
    assert spread.dimensions == 16


@pytest.mark.parametrize("value", [0.0, 0.1, 1e4])
def test_equal_embeddings_are_a_point_in_spite_of_rounding(value: float) -> None:
    spread = embedding_spread(np.full((100, 16), value, np.float32))
    assert spread.relative_variance == pytest.approx(0, abs=1e-12)
    assert spread.effective_rank == 1


def test_embeddings_on_a_line_have_rank_one_wherever_the_line_lies() -> None:
    line = np.linspace(-1, 1, 100)[:, None] * draw(1) + draw(1, seed=1)
    spread = embedding_spread(line.astype(np.float32))
    assert spread.effective_rank == pytest.approx(1, abs=1e-3)
    assert spread.relative_variance > 0.01


def test_isotropic_embeddings_have_nearly_full_rank() -> None:
    assert embedding_spread(draw(2000)).effective_rank > 15.9


def test_many_embeddings_are_measured_by_evenly_spaced_ones() -> None:
    embeddings = draw(20_000)
    spread, exact = embedding_spread(embeddings), embeddings.var(axis=0).sum()
    assert spread.variance == pytest.approx(exact, rel=0.02)
    assert spread.effective_rank == pytest.approx(16, rel=0.01)


def test_one_image_spreads_nowhere() -> None:
    assert embedding_spread(draw(1)).effective_rank == 1


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


RANDOM = np.random.default_rng(0)
HEALTHY = RANDOM.normal(size=(300, 16))
ON_A_LINE = RANDOM.normal(size=(300, 1)) * RANDOM.normal(size=16) + 1e-3 * HEALTHY
A_POINT = np.ones((300, 16)) + 1e-3 * HEALTHY


def signs(
    embeddings: FloatArray | EmbeddingSpread = HEALTHY,
    loss: float | None = 0.5,
    chance_loss: float | None = 1.0,
    roc_auc: float | None = 0.8,
    epochs_done: int = 2,
    epochs: int = 10,
) -> tuple[str, ...]:
    spread = embeddings if isinstance(embeddings, EmbeddingSpread) else embedding_spread(embeddings)
    return collapse_warnings(
        spread,
        loss=loss,
        chance_loss=chance_loss,
        roc_auc=roc_auc,
        epochs_done=epochs_done,
        epochs=epochs,
    )


def test_a_healthy_training_gives_no_alarm() -> None:
    assert signs() == ()


@pytest.mark.parametrize("embeddings", [np.zeros((9, 4)), np.ones((9, 4)), A_POINT])
def test_a_point_is_named_with_what_to_try(embeddings: FloatArray) -> None:
    (sign,) = signs(embeddings)
    assert "collapsed to a point" in sign
    assert "try a lower optimizer.lr" in sign


def test_a_line_is_named_with_its_rank() -> None:
    (sign,) = signs(ON_A_LINE)
    assert "on a line: their effective rank is 1.0" in sign
    assert "try a lower optimizer.lr" in sign


def test_embeddings_of_one_number_cannot_but_lie_on_a_line() -> None:
    assert signs(HEALTHY[:, :1]) == ()


def test_two_equal_directions_are_no_line() -> None:
    flat = np.pad(HEALTHY[:, :2], ((0, 0), (0, 14)))
    assert signs(flat) == ()


def test_a_loss_at_chance_is_named_with_both_values() -> None:
    (sign,) = signs(loss=0.9981, roc_auc=0.503, epochs_done=3)
    assert (
        "stuck at its chance value after 3 epochs: 0.9981, where a constant score gives 1.0000"
        in sign
    )
    assert "Try a higher or a lower optimizer.lr" in sign


@pytest.mark.parametrize(
    ("loss", "said"), [(1.09, "is stuck at its chance"), (1.11, "is worse than chance")]
)
def test_a_loss_far_above_chance_is_not_stuck_there(loss: float, said: str) -> None:
    """Seen as "stuck at its chance value after 1 epochs: 1.5033, where 0.6931 ..."."""
    (sign,) = signs(loss=loss * 0.6931, chance_loss=0.6931, roc_auc=0.5, epochs_done=1, epochs=1)
    assert f"{said}" in sign
    assert "after 1 epoch: " in sign
    assert ("look whether the loss on train falls" in sign) == (loss > 1.1)


@pytest.mark.parametrize(
    ("loss", "chance_loss", "roc_auc"),
    [
        (0.9, 1.0, 0.51),  # gains, a little
        (1.3, 1.0, 0.7),  # orders the pairs, at a wrong scale
        (None, 1.0, 0.5),  # exists for the training identities only
        (1.0, None, 0.5),  # does not know its chance value
        (1.0, 1.0, None),  # pairs of one kind only
    ],
)
def test_a_loss_is_not_called_stuck_for_less(
    loss: float | None, chance_loss: float | None, roc_auc: float | None
) -> None:
    assert signs(loss=loss, chance_loss=chance_loss, roc_auc=roc_auc) == ()


def test_the_first_epoch_is_not_judged_unless_it_is_the_last() -> None:
    assert signs(A_POINT, epochs_done=1) == ()
    assert signs(A_POINT, epochs_done=1, epochs=1)


def test_all_signs_are_named_at_once() -> None:
    assert len(signs(ON_A_LINE, loss=1.0, roc_auc=0.5)) == 2
