"""Warnings of embedding collapse and of a loss stuck at chance."""

from collections.abc import Iterator

from facesim.evaluation.embedding_spread import EmbeddingSpread

WARMUP_EPOCHS = 2
"""A freshly initialised network looks collapsed, so the checks begin after these epochs."""

POINT_VARIANCE = 1e-4
"""Embeddings whose variance is a smaller share of their squared length have collapsed to a point: a
standard deviation of 1% of the length is where networks start, not where training ends."""

LINE_RANK = 1.2
"""Embeddings of a lower effective rank lie on a line: one direction holds 96% of the sum of the
singular values."""

CHANCE_LOSS = 0.98
"""A loss at or above this share of its chance value has not improved..."""

CHANCE_AUC = 0.55
"""...if the AUC is low as well: a loss is also high where the scale of the embeddings is wrong but
the order of the scores is right."""


def collapse_warnings(
    spread: EmbeddingSpread,
    *,
    loss: float | None,
    chance_loss: float | None,
    roc_auc: float | None,
    epochs_done: int,
    epochs: int,
) -> tuple[str, ...]:
    """One sentence per sign of failed training, with what to try.

    Args:
        spread: of the embeddings of val.
        loss: the mean loss on val, if the loss has one there.
        chance_loss: its `facesim.Loss.chance_loss` on these pairs, if it has one.
        roc_auc: area under the ROC curve on val, if there are pairs of both kinds.
        epochs_done: completed epochs.
        epochs: of the whole run; the last epoch is always checked.
    """
    if epochs_done < min(WARMUP_EPOCHS, epochs):
        return ()
    return (*_of_spread(spread), *_of_loss(loss, chance_loss, roc_auc, epochs_done))


def _of_spread(spread: EmbeddingSpread) -> Iterator[str]:
    if spread.relative_variance < POINT_VARIANCE:
        yield (
            "all faces get nearly the same embedding: the variance is "
            f"{spread.relative_variance:.1e} of the squared length. The network has collapsed to a "
            "point, or not left its initial one; try a lower optimizer.lr, or a higher one if the "
            "loss has hardly changed, and a sampler with more identities per batch"
        )
    elif spread.dimensions > 1 and spread.effective_rank < LINE_RANK:
        yield (
            f"the embeddings lie on a line: their effective rank is {spread.effective_rank:.2f} "
            f"of {spread.dimensions}. The network uses a single direction; try a lower "
            "optimizer.lr, a sampler with more identities per batch, or another loss"
        )


def _of_loss(
    loss: float | None, chance_loss: float | None, roc_auc: float | None, epochs_done: int
) -> Iterator[str]:
    if loss is None or chance_loss is None or roc_auc is None:
        return
    if loss >= CHANCE_LOSS * chance_loss and roc_auc < CHANCE_AUC:
        yield (
            f"the loss on val is stuck at its chance value after {epochs_done} epochs: {loss:.4f}, "
            f"where a constant score gives {chance_loss:.4f}, and the area under the ROC curve is "
            f"{roc_auc:.3f}. Try a higher or a lower optimizer.lr and fewer frozen stages of the "
            "backbone, and check the identities of the training table"
        )
