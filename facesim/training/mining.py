"""Hard-pair mining: embed the training set and pass it to the sampler."""

import numpy as np

from facesim.evaluation.embedding import Embedder, SharedNames
from facesim.interfaces import MiningSampler
from facesim.processes import Processes
from facesim.training.build import RunComponents


def mine_epoch(components: RunComponents, epoch: int, processes: Processes) -> None:
    """Let a sampler that mines choose the pairs of an epoch by the current embeddings.

    Does nothing for other samplers, nor before the first epoch: which images an untrained head
    finds similar is chance. A resumed run mines again only if it resumes at the start of an epoch.

    Args:
        components: network, training images and sampler.
        epoch: the one that begins, from 0.
        processes: embed, and go on with what was mined.
    """
    if epoch == 0 or not isinstance(components.sampler, MiningSampler):
        return
    embedder = Embedder(
        components.network,
        components.train.inputs,
        components.experiment.evaluate.batch_size,
        processes,
        title="embedding train",
        shared_as=SharedNames("training", "train"),
    )
    components.sampler.mine(embedder.embed(np.arange(len(components.train.table))), epoch)
    processes.request("mined", state=components.sampler.state_dict())
