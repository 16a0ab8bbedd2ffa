"""Which two images of a batch form a genuine and which an impostor pair, all of them."""

import torch
from torch import Tensor


def genuine_pairs(identities: Tensor) -> Tensor:
    """Bool [B, B] of identities int64 [B]: two different images of one identity."""
    itself = torch.eye(len(identities), dtype=torch.bool, device=identities.device)
    return ~impostor_pairs(identities) & ~itself


def impostor_pairs(identities: Tensor) -> Tensor:
    """Bool [B, B] of identities int64 [B]: images of two identities."""
    return identities[:, None] != identities[None, :]
