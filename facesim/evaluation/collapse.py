"""Signs that a training has failed in a way that its loss curve hides, and what to try."""

from collections.abc import Iterator

from facesim.evaluation.embedding_spread import EmbeddingSpread

WARMUP_EPOCHS = 2
"""A network that was just initialised looks collapsed: it is judged after so many epochs."""

POINT_VARIANCE = 1e-4
"""Embeddings whose variance is a smaller share of their squared length are one point: one per cent
of the length is where networks start, not where training takes them."""

LINE_RANK = 1.2
"""Embeddings of a lower effective rank lie on a line: one direction holds 96% of what the singular
values sum up to."""

CHANCE_LOSS = 0.98
"""A loss of this share of its chance value, or more, has gained nothing..."""

CHANCE_AUC = 0.55
"""...if the scores hardly order the pairs either; a loss is high, too, where an embedding's scale
is wrong though its order is right."""


def collapse_warnings(
    spread: EmbeddingSpread,
    *,
    loss: float | None,
    chance_loss: float | None,
    roc_auc: float | None,
    epochs_done: int,
    epochs: int,
) -> tuple[str, ...]:
    """Name what looks like a failed training, one sentence each with what to try.

    Args:
        spread: of the embeddings of val.
        loss: the mean loss on val, if the loss has one there.
        chance_loss: its `facesim.Loss.chance_loss` on these pairs, if it knows one.
        roc_auc: area under the ROC curve on val, if there are pairs of both kinds.
        epochs_done: epochs that are trained.
        epochs: of the whole run; its end is judged however short it was.
    """
    if epochs_done < min(WARMUP_EPOCHS, epochs):
        return ()
    return (*_of_spread(spread), *_of_loss(loss, chance_loss, roc_auc, epochs_done))


def _of_spread(spread: EmbeddingSpread) -> Iterator[str]:
    if spread.relative_variance < POINT_VARIANCE:
        yield (
            "all faces get nearly the same embedding: its variance is "
            f"{spread.relative_variance:.1e} of its squared length. The network has collapsed to "
            "a point, or not left the one where it began; try a lower optimizer.lr, or a higher "
            "one if the loss has hardly moved, and a sampler that shows more identities a batch"
        )
    elif spread.dimensions > 1 and spread.effective_rank < LINE_RANK:
        yield (
            f"the embeddings lie on a line: their effective rank is {spread.effective_rank:.2f} "
            f"of {spread.dimensions}. The network tells faces apart in one way only; try a lower "
            "optimizer.lr, a sampler that shows more identities a batch, or another loss"
        )


def _of_loss(
    loss: float | None, chance_loss: float | None, roc_auc: float | None, epochs_done: int
) -> Iterator[str]:
    if loss is None or chance_loss is None or roc_auc is None:
        return
    if loss >= CHANCE_LOSS * chance_loss and roc_auc < CHANCE_AUC:
        yield (
            f"the loss on val is stuck at its chance value after {epochs_done} epochs: {loss:.4f}, "
            f"where {chance_loss:.4f} needs no look at the faces, and the area under the ROC curve "
            f"is {roc_auc:.3f}. Try a higher or a lower optimizer.lr and fewer frozen stages of "
            "the backbone, and look whether the training table names the right identities"
        )
