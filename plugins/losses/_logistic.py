"""The logistic loss on pairs whose score is a logit."""

import math

from torch import Tensor
from torch.nn import functional

from facesim import Loss, PairBatch


class LogisticLoss(Loss):
    """Cross-entropy of telling genuine pairs from impostors by the score, which is a logit.

    The loss is the mean over the pairs, and 0 where there are none.
    """

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        """Embeddings float [B, D] of ``batch.images`` -> the mean cross-entropy of a pair."""
        logits = self.score(*batch.gather(embeddings))
        costs = functional.binary_cross_entropy_with_logits(
            logits, batch.same.float(), reduction="sum"
        )
        return costs / max(len(logits), 1)

    def chance_loss(self, genuine_share: float) -> float:
        """The entropy of the labels, with the logit of the share of genuine pairs for all."""
        shares = (genuine_share, 1 - genuine_share)
        return -sum(share * math.log(share) for share in shares if share)
