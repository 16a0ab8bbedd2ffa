import numpy as np
import pytest

from facesim.arrays import FloatArray
from facesim.evaluation.collapse import collapse_warnings
from facesim.evaluation.embedding_spread import EmbeddingSpread, embedding_spread

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
