"""Scoring pairs of images with a network."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from facesim.arrays import Float32Array, Int64Array
from facesim.evaluation.embedding import Embedder, evaluating
from facesim.interfaces import PairBatch, PairSet
from facesim.model.network import SiameseNetwork

_PAIRS_AT_A_TIME = 65_536
_PAIRS_PER_LOSS = 1_024
"""Some losses compare every image of a batch with every other."""


@dataclass(frozen=True)
class ScoredPairs:
    """Pairs with the scores of a network.

    Attributes:
        pairs: rows of the table and labels.
        scores: float32 [P], higher is more alike.
        loss: mean training loss over the pairs; None for a loss that exists only for the
            identities that were trained on.
        embeddings: float32 [N, D], of the images in the pairs, each once.
    """

    pairs: PairSet
    scores: Float32Array
    loss: float | None
    embeddings: Float32Array


def score_pairs(embedder: Embedder, pairs: PairSet, identities: Int64Array) -> ScoredPairs:
    """Embed each image of the pairs once, then score every pair.

    Args:
        embedder: of the table that the pairs are of.
        pairs: which rows to compare.
        identities: int64 [N], of all rows of the table.
    """
    network = embedder.network
    rows, positions = np.unique(pairs.rows, return_inverse=True)
    positions = positions.reshape(pairs.rows.shape)
    embeddings = embedder.embed(rows)
    with evaluating(network), torch.inference_mode():
        scores = _scores(network, embeddings, positions)
        loss = _mean_loss(network, embeddings, positions, identities[rows])
    return ScoredPairs(pairs, scores, loss, embeddings.numpy())


def _scores(network: SiameseNetwork, embeddings: Tensor, positions: Int64Array) -> Float32Array:
    device = network.device
    scores = np.empty(len(positions), dtype=np.float32)
    for begin in range(0, len(positions), _PAIRS_AT_A_TIME):
        chunk = torch.from_numpy(positions[begin : begin + _PAIRS_AT_A_TIME])
        first, second = (embeddings[chunk[:, side]].to(device) for side in (0, 1))
        scores[begin : begin + len(chunk)] = network.loss.score(first, second).float().cpu().numpy()
    return scores


def _mean_loss(
    network: SiameseNetwork, embeddings: Tensor, positions: Int64Array, identities: Int64Array
) -> float | None:
    if network.loss.of_training_identities or not len(positions):
        return None
    device = network.device
    total = 0.0
    for begin in range(0, len(positions), _PAIRS_PER_LOSS):
        chunk = positions[begin : begin + _PAIRS_PER_LOSS]
        batch = PairBatch.of_pairs(chunk, identities)
        loss = network.loss(embeddings[batch.images].to(device), batch.to(device))
        total += float(loss) * len(chunk)
    return total / len(positions)
