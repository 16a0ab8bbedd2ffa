"""Evaluation protocols: which comparisons are made, how they are measured, what is reported."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from facesim.arrays import Int64Array
from facesim.interfaces.result import EvaluationResult
from facesim.interfaces.roc import Roc
from facesim.interfaces.scores import LabelledScores
from facesim.interfaces.tables import FaceTable, PairSet
from facesim.page import Card, Section


@dataclass(frozen=True, eq=False)
class Comparisons:
    """What a protocol compares in a table.

    A protocol whose comparisons are not a list of image pairs (all pairs of a table, templates of
    several images per side, 1:N searches) subclasses this with what it needs, and leaves ``pairs``
    None.

    Attributes:
        pairs: of images; the engine keeps them as CSV, lints them, and stores their scores. None
            if the comparisons are not a list of image pairs.
    """

    pairs: PairSet | None = None

    @property
    def pair_list(self) -> PairSet:
        """The pairs, for a protocol that always has them.

        Raises:
            ValueError: there are none.
        """
        if self.pairs is None:
            raise ValueError("these comparisons are not a list of image pairs")
        return self.pairs


@dataclass(frozen=True, eq=False)
class ScoredPairs:
    """Pairs of images with the scores of a system.

    Attributes:
        pairs: rows of the table and labels.
        scores: float [P], higher is more alike.
        loss: mean training loss over the pairs; None for a loss that exists only for the
            identities that were trained on.
        network: int64 [P], which of several networks gave each score; None where one gave all.
    """

    pairs: PairSet
    scores: npt.NDArray[np.floating]
    loss: float | None = None
    network: Int64Array | None = None
    _labelled: tuple[Int64Array, LabelledScores] | None = field(
        default=None, init=False, repr=False
    )

    def labelled(self, identities: Int64Array) -> LabelledScores:
        """The scores with the identities of a table, int64 [N]: one object however often asked for.

        What is measured on it once need not be measured again.

        Raises:
            FacesimError: as `LabelledScores`.
        """
        if self._labelled is None or self._labelled[0] is not identities:
            scored = LabelledScores.of_pairs(self.scores, self.pairs, identities)
            object.__setattr__(self, "_labelled", (identities, scored))
            return scored
        return self._labelled[1]


class System(ABC):
    """A face-verification system that is measured on the images of one table."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where `score` works."""

    @abstractmethod
    def embed(self, rows: Int64Array) -> Tensor:
        """Embeddings float32 [N, D], on the CPU, of rows of the table, none twice.

        Raises:
            DataError: an image cannot be used.
        """

    @abstractmethod
    def score(self, a: Tensor, b: Tensor) -> Tensor:
        """Similarity [P] of embeddings [P, D] and [P, D] on `device`: higher is more alike."""

    @abstractmethod
    def score_pairs(self, pairs: PairSet) -> ScoredPairs:
        """Embed each image that the pairs hold once, and compare the two of each pair.

        Raises:
            DataError: an image cannot be used.
        """


class Evaluator(ABC):
    """Turns scores into a result: the experiment's metrics with intervals, at val's thresholds."""

    @property
    @abstractmethod
    def thresholds(self) -> Sequence[float]:
        """Those that were chosen on val; a curve should be exact at them."""

    @property
    @abstractmethod
    def seed(self) -> int:
        """Of whatever a protocol draws while it measures."""

    @abstractmethod
    def evaluate(self, scored: LabelledScores, loss: float | None = None) -> EvaluationResult:
        """Every metric of scored comparisons.

        Args:
            scored: the comparisons.
            loss: mean loss over them, to be recorded with the rest.
        """

    @abstractmethod
    def evaluate_curve(
        self,
        roc: Roc,
        identities: int,
        sample: LabelledScores,
        stands_for: Int64Array | None = None,
    ) -> EvaluationResult:
        """Every metric of comparisons that were counted but not kept.

        Args:
            roc: counts all of them.
            identities: distinct identities in them.
            sample: some of them, for the intervals.
            stands_for: int64 [P], how many of all comparisons each in the sample represents; None
                if the sample is all of them.
        """


@dataclass(frozen=True)
class Measurement:
    """What a protocol measured.

    Attributes:
        result: the metrics, with the protocol's own findings in ``details``.
        scored: the image pairs with their scores; None where there are none or too many to keep.
    """

    result: EvaluationResult
    scored: ScoredPairs | None = None


@dataclass(frozen=True)
class ProtocolReport:
    """What a protocol adds to the report and to the terminal.

    Attributes:
        cards: beside the headline metrics, label, value and detail each.
        sections: after the operating points.
    """

    cards: tuple[Card, ...] = ()
    sections: tuple[Section, ...] = ()


class Protocol(ABC):
    """An evaluation protocol.

    Attributes:
        lists_pairs: whether it compares a list of image pairs, so that ``evaluate.test_pairs``
            may name one.
        folds: into how many parts the people of ``data.source`` are divided, each compared by a
            network of its own that was trained without them: the engine trains so many and pools
            their comparisons. None compares with the one network that was trained on train.
    """

    lists_pairs: ClassVar[bool] = True
    folds: int | None = None

    @abstractmethod
    def plan(self, table: FaceTable, listed_pairs: Callable[[], PairSet], seed: int) -> Comparisons:
        """Decide what is compared: a pure function of its arguments.

        Args:
            table: the images of the split.
            listed_pairs: gives the pairs that the experiment lists for the split, else the
                dataset's own, else pairs drawn as ``evaluate`` says.
            seed: of whatever the protocol draws itself.

        Raises:
            FacesimError: the table or the pairs do not allow the protocol.
        """

    @abstractmethod
    def measure(
        self, comparisons: Comparisons, table: FaceTable, system: System, evaluator: Evaluator
    ) -> Measurement:
        """Compare, and evaluate the scores.

        Args:
            comparisons: what :meth:`plan` gave for the table.
            table: the images.
            system: the trained network, or a baseline, on these images.
            evaluator: makes results of scores.

        Raises:
            FacesimError: an image cannot be used, or a score is NaN or infinite.
        """

    def report(self, result: EvaluationResult) -> ProtocolReport:  # noqa: ARG002
        """What the report shows of a result of this protocol beyond the metrics."""
        return ProtocolReport()
