"""L2 normalisation of embeddings."""

from torch import Tensor, nn
from torch.nn import functional


class UnitLength(nn.Module):
    """Scales every row to Euclidean length 1; a row of zeros stays."""

    def forward(self, embeddings: Tensor) -> Tensor:
        """Embeddings float [B, D] -> float32 [B, D]."""
        return functional.normalize(embeddings.float())
