"""Logistic loss on pairs whose score is a logit."""

import math

from torch import Tensor
from torch.nn import functional

from facesim import Loss, PairBatch


class LogisticLoss(Loss):
    """Binary cross-entropy of classifying pairs as genuine by the score, which is a logit.

    The loss is the mean over the pairs, and 0 if there are none.
    """

    score_unit = "logit"

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        """Embeddings float [B, D] of ``batch.images`` -> the mean cross-entropy of a pair."""
        logits = self.score(*batch.gather(embeddings))
        costs = functional.binary_cross_entropy_with_logits(
            logits, batch.same.float(), reduction="sum"
        )
        return costs / max(len(logits), 1)

    def chance_loss(self, genuine_share: float) -> float:
        """The entropy of the labels: the same logit, that of the genuine share, for all pairs."""
        shares = (genuine_share, 1 - genuine_share)
        return -sum(share * math.log(share) for share in shares if share)
