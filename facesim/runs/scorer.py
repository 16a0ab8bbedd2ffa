"""A trained network at work: embeddings and scores, kept on disk for the next time."""

from dataclasses import dataclass

from torch import Tensor

from facesim.arrays import Int64Array
from facesim.evaluation.embedding import Embedder
from facesim.evaluation.scoring import ScoredPairs, score_pairs
from facesim.experiment.schema import Experiment
from facesim.interfaces import PairSet
from facesim.model.embedding_cache import EmbeddingCache
from facesim.model.network import SiameseNetwork
from facesim.processes import Processes
from facesim.training.build import Split
from facesim.training.make_inputs import embedding_recipe


@dataclass(frozen=True)
class Evaluator:
    """What an evaluation asks of a network.

    Attributes:
        network: with its trained weights.
        experiment: how it is fed.
        processes: show what is being embedded.
    """

    network: SiameseNetwork
    experiment: Experiment
    processes: Processes

    def score(self, split: Split, pairs: PairSet) -> ScoredPairs:
        """Embed each image that the pairs hold, and compare those of each pair.

        Raises:
            DataError: an image cannot be used.
        """
        return score_pairs(self._embedder(split), pairs, split.table.identities)

    def embed(self, split: Split, rows: Int64Array) -> Tensor:
        """Embeddings float32 [N, D], on the CPU, of rows of a split's table, none twice.

        Raises:
            DataError: an image cannot be used.
        """
        return self._embedder(split).embed(rows)

    def _embedder(self, split: Split) -> Embedder:
        recipe = embedding_recipe(self.experiment, self.network)
        name = self.experiment.name
        return Embedder(
            self.network,
            split.inputs,
            self.experiment.evaluate.batch_size,
            self.processes,
            title=f"embedding {split.name}",
            cache=EmbeddingCache(self.network, split.table, recipe, name, split.digests),
        )
