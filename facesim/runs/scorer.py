"""A trained network at work: embeddings and scores, kept on disk for the next time."""

from dataclasses import dataclass

from torch import Tensor

from facesim.arrays import Int64Array
from facesim.evaluation.embedding import embed_rows
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
        return score_pairs(
            self.network,
            split.inputs,
            split.table,
            pairs,
            batch_size=self.experiment.evaluate.batch_size,
            processes=self.processes,
            title=f"embedding {split.name}",
            cache=self._cache(split),
        )

    def embed(self, split: Split, rows: Int64Array) -> Tensor:
        """Embeddings float32 [N, D], on the CPU, of rows of a split's table, none twice.

        Raises:
            DataError: an image cannot be used.
        """
        return embed_rows(
            self.network,
            split.inputs,
            rows,
            batch_size=self.experiment.evaluate.batch_size,
            processes=self.processes,
            title=f"embedding {split.name}",
            cache=self._cache(split),
        )

    def _cache(self, split: Split) -> EmbeddingCache:
        recipe = embedding_recipe(self.experiment, self.network)
        return EmbeddingCache(
            self.network, split.table, recipe, self.experiment.name, split.digests
        )
