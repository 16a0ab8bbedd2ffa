"""What samplers that mine are shown, and when."""

import numpy as np

from facesim.evaluation.embedding import embed_rows
from facesim.interfaces import MiningSampler
from facesim.processes import Processes
from facesim.training.build import RunComponents


def mine_epoch(prepared: RunComponents, epoch: int, processes: Processes) -> None:
    """Show a sampler that mines all training images as the network embeds them now.

    Nothing happens for any other sampler, nor before the first epoch: what an untrained head finds
    alike is chance. A resumed run does it again exactly if it goes on at the start of an epoch.

    Args:
        prepared: network, training images and sampler.
        epoch: the one that begins, from 0.
        processes: show the progress.
    """
    if epoch == 0 or not isinstance(prepared.sampler, MiningSampler):
        return
    embeddings = embed_rows(
        prepared.network,
        prepared.train.inputs,
        np.arange(len(prepared.train.table)),
        batch_size=prepared.experiment.evaluate.batch_size,
        processes=processes,
        title="embedding train",
    )
    prepared.sampler.mine(embeddings, epoch)
