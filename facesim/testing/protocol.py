"""Contract of protocols."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facesim.arrays import Int64Array
from facesim.errors import FacesimError, count
from facesim.interfaces import (
    Comparisons,
    Estimate,
    EvaluationResult,
    Evaluator,
    FaceTable,
    LabelledScores,
    Measurement,
    PairSet,
    Protocol,
    ProtocolReport,
    Roc,
    ScoredPairs,
    System,
)
from facesim.registry import Spec
from facesim.testing.contract import Contract, promises_of_every_kind, require

IDENTITIES, IMAGES = 6, 4
TABLE = FaceTable(
    Path("faces"),
    np.array([f"{row}.png" for row in range(IDENTITIES * IMAGES)]),
    np.repeat(np.arange(IDENTITIES), IMAGES),
    np.arange(IDENTITIES).astype(str),
)

PROTOCOL: Contract[Protocol] = Contract("protocol", promises_of_every_kind())


@PROTOCOL.promise(hint="let plan() depend on its arguments alone, and draw from the seed")
def plan_repeats(spec: Spec[Protocol]) -> None:
    """The same table, pairs and seed give the same comparisons."""
    first, second = (spec.build().plan(TABLE, _listed, 3).pairs for _ in range(2))
    if first is None or second is None:
        require(first is second, "it planned pairs one time and none the other")
        return
    same = np.array_equal(first.rows, second.rows) and np.array_equal(first.same, second.same)
    require(same, "the pairs differ from one plan to the next")


@PROTOCOL.promise(hint="set lists_pairs = False, or build the comparisons from listed_pairs()")
def listed_pairs_are_compared(spec: Spec[Protocol]) -> None:
    """It asks for the experiment's pairs iff it declares ``lists_pairs``."""
    protocol = spec.build()
    asked = []

    def listed() -> PairSet:
        asked.append(True)
        return _listed()

    protocol.plan(TABLE, listed, 0)
    called = "called" if asked else "not called"
    observed = f"lists_pairs is {protocol.lists_pairs}, and listed_pairs() was {called}"
    require(bool(asked) == protocol.lists_pairs, observed)


@PROTOCOL.promise(hint="set folds = None for one network, or a number from 3 on")
def folds_are_several(spec: Spec[Protocol]) -> None:
    """It has no folds, or three or more: one is train, one val, and one test."""
    folds = spec.build().folds
    require(folds is None or folds >= 3, f"folds is {folds}")


@PROTOCOL.promise(hint="return Measurement(evaluator.evaluate(...), the scored pairs)")
def measure_gives_a_result_of_its_comparisons(spec: Spec[Protocol]) -> None:
    """The result counts both kinds of comparison, and scores are kept for planned pairs only."""
    protocol = spec.build()
    comparisons = protocol.plan(TABLE, _listed, 0)
    found = _measured(protocol, comparisons)
    require(found.result.genuine > 0, "no genuine comparison was measured")
    require(found.result.impostor > 0, "no impostor comparison was measured")
    if found.scored is not None:
        require(comparisons.pairs is not None, "it returned scores of pairs that were not planned")
        scores, wanted = len(found.scored.scores), len(found.scored.pairs)
        require(scores == wanted, f"{count(scores, 'score')} for {count(wanted, 'pair')}")


@PROTOCOL.promise(hint="let report() read result.details alone, and put plain JSON data there")
def report_is_made_from_the_file(spec: Spec[Protocol]) -> None:
    """The report is made from a result that was written to a file and read again."""
    protocol = spec.build()
    result = _measured(protocol, protocol.plan(TABLE, _listed, 0)).result
    read = EvaluationResult.model_validate_json(result.model_dump_json())
    require(read == result, "the result differs after it was written and read")
    shown = spec.build().report(read)
    require(isinstance(shown, ProtocolReport), f"report() returned {type(shown).__name__}")


def _measured(protocol: Protocol, comparisons: Comparisons) -> Measurement:
    return protocol.measure(comparisons, TABLE, _Coordinates(), _Counting())


def _listed() -> PairSet:
    """All pairs within three folds that share no identity."""
    first, second = np.triu_indices(len(TABLE), 1)
    fold = TABLE.identities // 2
    inside = fold[first] == fold[second]
    rows = np.stack([first, second], axis=1)[inside].astype(np.int64)
    one, other = TABLE.identities[rows].T
    return PairSet(rows, one == other, fold[rows[:, 0]].astype(np.int64))


class _Coordinates(System):
    """Embeds an image as a point on a line: its identity plus an offset."""

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def embed(self, rows: Int64Array) -> Tensor:
        if len(np.unique(rows)) != len(rows):
            raise FacesimError("embed() was called with the same row twice")
        offsets = np.arange(len(TABLE)) % IMAGES / 10
        return torch.tensor((TABLE.identities + offsets)[rows], dtype=torch.float32)[:, None]

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        return -(a - b).abs().sum(dim=1)

    def score_pairs(self, pairs: PairSet) -> ScoredPairs:
        every = self.embed(np.arange(len(TABLE)))
        first, second = torch.from_numpy(pairs.rows).unbind(1)
        return ScoredPairs(pairs, self.score(every[first], every[second]).numpy())


class _Counting(Evaluator):
    """Counts comparisons, and measures the area under their curve."""

    @property
    def thresholds(self) -> tuple[float, ...]:
        return (-0.5,)

    @property
    def seed(self) -> int:
        return 0

    def evaluate(self, scored: LabelledScores, loss: float | None = None) -> EvaluationResult:
        identities = len(np.unique(np.concatenate([scored.first, scored.second])))
        return _result(scored.roc(), identities, loss)

    def evaluate_curve(
        self,
        roc: Roc,
        identities: int,
        sample: LabelledScores,  # noqa: ARG002
        stands_for: Int64Array | None = None,  # noqa: ARG002
    ) -> EvaluationResult:
        return _result(roc, identities, None)


def _result(roc: Roc, identities: int, loss: float | None) -> EvaluationResult:
    return EvaluationResult(
        pairs=roc.genuine + roc.impostor,
        genuine=roc.genuine,
        impostor=roc.impostor,
        identities=identities,
        threshold=-0.5,
        threshold_source="the contract",
        loss=loss,
        metrics={"area": Estimate(value=roc.area)},
        operating_points=(),
        wilson={},
        seed=0,
        resamples=0,
        reasons={},
    )
