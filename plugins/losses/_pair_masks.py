"""Masks of the genuine and impostor pairs of a batch, and reductions over masked entries."""

import torch
from torch import Tensor


def genuine_pairs(identities: Tensor) -> Tensor:
    """Bool [B, B] of identities int64 [B]: two different images of one identity."""
    itself = torch.eye(len(identities), dtype=torch.bool, device=identities.device)
    return ~impostor_pairs(identities) & ~itself


def impostor_pairs(identities: Tensor) -> Tensor:
    """Bool [B, B] of identities int64 [B]: images of two identities."""
    return identities[:, None] != identities[None, :]


def masked_mean(values: Tensor, keep: Tensor) -> Tensor:
    """The mean, a scalar, of the values float [N] that ``keep`` bool [N] keeps; 0 of none."""
    return values.masked_fill(~keep, 0).sum() / keep.sum().clamp_min(1)


def masked_logsumexp(values: Tensor, keep: Tensor) -> Tensor:
    """Row-wise ``log(sum(exp(v)))`` [N] of those values float [N, M] that ``keep`` keeps.

    Of a row that keeps nothing it is the lowest finite number, with gradient 0: minus infinity
    would make the gradient of whatever follows nan.
    """
    lowest = torch.finfo(values.dtype).min
    return values.masked_fill(~keep, lowest).logsumexp(1)
