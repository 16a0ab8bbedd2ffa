"""Reductions over those entries of a tensor that a mask keeps, finite where it keeps none."""

import torch
from torch import Tensor


def masked_mean(values: Tensor, keep: Tensor) -> Tensor:
    """The mean, a scalar, of the values float [N] that ``keep`` bool [N] keeps; 0 of none."""
    return values.masked_fill(~keep, 0).sum() / keep.sum().clamp_min(1)


def masked_logsumexp(values: Tensor, keep: Tensor) -> Tensor:
    """``log(sum(exp(v)))`` [N] over the values float [N, M] of a row that ``keep`` keeps.

    Of a row that keeps nothing it is the lowest number there is, with gradient 0: minus infinity
    would make the gradient of whatever follows no number.
    """
    lowest = torch.finfo(values.dtype).min
    return values.masked_fill(~keep, lowest).logsumexp(1)
