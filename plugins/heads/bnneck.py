"""BNNeck: a projection followed by batch normalisation."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from facesim import heads
from facesim_plugins.heads._unit_length import UnitLength


@heads("bnneck")
def bnneck(
    features: int,
    *,
    out_dim: Annotated[int, Field(gt=0, le=8192, description="width of the embedding")] = 16,
    normalize: Annotated[bool, Field(description="scale the embedding to length 1")] = False,
) -> nn.Module:
    """Project the features, then standardise every dimension of the embedding.

    The batch normalisation has a learned scale and no shift, so that the embeddings stay centred at
    the origin, which cosines refer to. In the paper it is between the features of the triplet loss
    and the classifier; here every loss gets its output, which the paper uses for comparisons.

    In training a batch of one image is normalised by the running statistics, and does not change
    them: a single image has no variance.

    Reference:
        Luo, Gu, Liao, Lai, Jiang: Bag of Tricks and A Strong Baseline for Deep Person
        Re-Identification (2019).
    """
    neck = (nn.Linear(features, out_dim, bias=False), _Neck(out_dim))
    return nn.Sequential(*neck, UnitLength()) if normalize else nn.Sequential(*neck)


class _Neck(nn.BatchNorm1d):
    """Batch normalisation whose shift stays 0, for any number of images."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.bias.requires_grad_(False)

    def forward(self, projected: Tensor) -> Tensor:
        """Float [B, D] -> float32 [B, D]."""
        projected = projected.float()
        if self.training and len(projected) < 2:
            return functional.batch_norm(
                projected, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(projected)
