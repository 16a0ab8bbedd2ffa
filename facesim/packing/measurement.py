"""Measurement of packed files beside the network that they were made from."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from facesim.arrays import Float32Array, FloatArray, Int64Array, UInt8Array
from facesim.data.pair_drawing import PairSpace
from facesim.evaluation.calibration import Calibration
from facesim.evaluation.differences import ScoredRun, paired_differences
from facesim.evaluation.evaluate import Thresholds
from facesim.evaluation.task import EvaluationTask
from facesim.interfaces import PairSet
from facesim.interfaces.protocol import ScoredPairs, System
from facesim.interfaces.result import EvaluationResult
from facesim.interfaces.scores import LabelledScores
from facesim.model.network import SiameseNetwork, evaluating
from facesim.reporters import Reporter
from facesim.runs.evaluation import evaluation_task
from facesim.runs.evaluation_plan import EvaluationPlan
from facesim.runs.scored_pairs import read_scored_pairs
from facesim.training.build import Split, Tables
from facesim.training.evaluation_pairs import choose_pairs, evaluation_pairs
from facesim.training.make_inputs import make_inputs
from facesim.verifier.pack_file import Agreement, PairedDifference

BATCH = 32
_PAIRS = 65_536


class NetworkRuntime(Protocol):
    """Runs a packed network."""

    def run(self, pixels: UInt8Array) -> Float32Array:
        """Embeddings float32 [N, D] of images in RGB, uint8 [N, 3, H, W]."""
        ...


class ScoreRuntime(Protocol):
    """Runs a packed score."""

    def run(self, a: Float32Array, b: Float32Array) -> Float32Array:
        """Scores float32 [P] of embeddings float32 [P, D] and [P, D]."""
        ...


@dataclass(frozen=True, eq=False)
class Original:
    """A trained run, as it was evaluated.

    Attributes:
        plan: of its own evaluation, with the packed checkpoint.
        network: with the weights of that checkpoint, on the CPU.
        calibration: the thresholds.
        tables: where the tables are kept that are read.
    """

    plan: EvaluationPlan
    network: SiameseNetwork
    calibration: Calibration
    tables: Tables

    def split(self, name: str) -> Split:
        """A split, whose images enter the network as pixels and in full precision."""
        images = self.tables.read(name, self.plan.experiment)
        uncached = self.plan.experiment.model_copy(update={"trunk_cache": "off"})
        return Split(name, images.table, make_inputs(uncached, self.network, images), images)

    @property
    def thresholds(self) -> dict[str, float]:
        """Those that there are, by the name of their operating point."""
        points = self.calibration.operating_points
        return {at.name: at.threshold for at in points if at.threshold is not None}


@dataclass(frozen=True)
class PackMeasurement:
    """What the packed files were measured to do.

    Attributes:
        result: the run's own evaluation, of the packed files.
        agreements: with the original.
        differences: of the metrics on the test pairs, packed minus original; none unless asked for.
    """

    result: EvaluationResult
    agreements: tuple[Agreement, ...]
    differences: tuple[PairedDifference, ...] = ()


def measure_pack(
    original: Original,
    network: NetworkRuntime,
    score: ScoreRuntime,
    reporter: Reporter,
    *,
    decides_otherwise: bool,
) -> PackMeasurement:
    """Measure packed files on all comparisons of val and test of the run.

    Args:
        original: what they were made from.
        network: the packed network.
        score: the packed score.
        reporter: shows the progress.
        decides_otherwise: whether decisions may differ, so that the metrics are compared, too.

    Raises:
        FacesimError: an image or the pairs of the run cannot be read, or a score is not finite.
    """
    plan, thresholds = original.plan, original.thresholds
    val = original.split("val")
    val_pairs = evaluation_pairs(plan.val_pairs_file, plan.experiment, val).rows
    on_val = _embed(original, val, np.unique(val_pairs), network, score, reporter)
    agreements = [on_val.agreement(_parts(val_pairs), thresholds)]

    test = original.split("test")
    task = evaluation_task(plan, test)
    listed = task.comparisons.pairs
    rows = np.arange(len(test.table)) if listed is None else np.unique(listed.rows)
    on_test = _embed(original, test, rows, network, score, reporter)
    points = Thresholds(
        original.calibration.operating_points, f"{original.calibration.pairs:,} pairs of val"
    )
    result = task.measure(on_test.packed, points).result
    parts = _every_pair(test.table.identities) if listed is None else _parts(listed.rows)
    agreements.append(on_test.agreement(parts, thresholds))
    if listed is not None:
        agreements += _with_recorded(original, test, listed, on_test.packed, thresholds)
    if not decides_otherwise:
        return PackMeasurement(result, tuple(agreements))
    # Where a protocol lists no pairs, those that the experiment would draw are a sample of them.
    paired = choose_pairs(plan.experiment, test) if listed is None else listed
    differences = _differences(task, on_test, paired, result.threshold)
    return PackMeasurement(result, tuple(agreements), differences)


@dataclass(frozen=True, eq=False)
class _EmbeddedSystem(System):
    """A system whose embeddings of a table are there already.

    Attributes:
        embeddings: float32 [N, D].
        positions: int64, of each row of the table in ``embeddings``; -1 where there is none.
        compare: scores [P] of embeddings [P, D] and [P, D].
    """

    embeddings: Tensor
    positions: Int64Array
    compare: Callable[[Tensor, Tensor], Tensor]

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def embed(self, rows: Int64Array) -> Tensor:
        return self.embeddings[torch.from_numpy(self.positions[rows])]

    @torch.inference_mode()
    def score(self, a: Tensor, b: Tensor) -> Tensor:
        return self.compare(a, b)

    def score_pairs(self, pairs: PairSet) -> ScoredPairs:
        scores = [self.scores(part) for part in _parts(pairs.rows)]
        return ScoredPairs(pairs, np.concatenate(scores))

    def scores(self, rows: Int64Array) -> FloatArray:
        """Scores float64 [P] of pairs of rows int64 [P, 2]."""
        a, b = (self.embed(side) for side in rows.T)
        return self.score(a, b).numpy().astype(np.float64)


@dataclass(frozen=True, eq=False)
class _Both:
    """The original and the pack on the images of one split."""

    split: str
    original: _EmbeddedSystem
    packed: _EmbeddedSystem

    def agreement(self, parts: Iterable[Int64Array], thresholds: Mapping[str, float]) -> Agreement:
        """How far they agree on pairs of rows, int64 [P, 2] each time."""
        scores = ((self.original.scores(rows), self.packed.scores(rows)) for rows in parts)
        return _agreement(self.split, "network", scores, thresholds)


def _embed(
    original: Original,
    split: Split,
    rows: Int64Array,
    network: NetworkRuntime,
    score: ScoreRuntime,
    reporter: Reporter,
) -> _Both:
    """Embed rows int64 [N] of a split with the original and the packed network."""
    with ExitStack() as stack:
        advance = stack.enter_context(
            reporter.task(f"measuring the pack on {split.name}", len(rows))
        )
        stack.enter_context(evaluating(original.network))
        stack.enter_context(torch.inference_mode())
        embeddings, packed = [], []
        for inputs in split.inputs.rows(rows, BATCH):
            embeddings.append(original.network(inputs).embeddings)
            packed.append(network.run(np.ascontiguousarray(inputs.values.numpy())))
            advance(len(inputs))
    positions = np.full(len(split.table), -1, np.int64)
    positions[rows] = np.arange(len(rows))
    loss = original.network.loss.eval()

    def packed_score(a: Tensor, b: Tensor) -> Tensor:
        return torch.from_numpy(score.run(a.numpy(), b.numpy()))

    return _Both(
        split.name,
        _EmbeddedSystem(torch.cat(embeddings), positions, loss.score),
        _EmbeddedSystem(torch.from_numpy(np.concatenate(packed)), positions, packed_score),
    )


def _with_recorded(
    original: Original,
    test: Split,
    pairs: PairSet,
    packed: _EmbeddedSystem,
    thresholds: Mapping[str, float],
) -> Iterator[Agreement]:
    """The agreement with the scores that the run kept, if it kept those of the same pairs."""
    recorded = read_scored_pairs(original.plan.folder)
    if recorded is None or not np.array_equal(recorded.files, test.table.files[pairs.rows]):
        return
    scores = [(recorded.scores, np.asarray(packed.score_pairs(pairs).scores, np.float64))]
    yield _agreement(test.name, "recorded", scores, thresholds)


def _agreement(
    split: str,
    reference: Literal["network", "recorded"],
    scores: Iterable[tuple[FloatArray, FloatArray]],
    thresholds: Mapping[str, float],
) -> Agreement:
    """How far scores float64 [P] agree with those of a reference, part after part."""
    decisions = dict.fromkeys(thresholds, 0)
    largest, size, pairs, total, squares = 0.0, 0.0, 0, 0.0, 0.0
    for expected, found in scores:
        largest = max(largest, float(np.abs(found - expected).max(initial=0)))
        size = max(size, float(np.abs(expected).max(initial=0)))
        for name, threshold in thresholds.items():
            decisions[name] += int(np.sum((expected >= threshold) != (found >= threshold)))
        pairs += len(expected)
        total += float(expected.sum())
        squares += float(np.square(expected).sum())
    variance = squares / pairs - (total / pairs) ** 2 if pairs else 0.0
    # Scores of a collapsed network vary by no more than float32 rounds them.
    spread = max(math.sqrt(max(variance, 0.0)), size / 100)
    return Agreement(
        split=split,
        reference=reference,
        pairs=pairs,
        largest_difference=largest,
        largest_relative_difference=largest / spread if spread else largest,
        decisions=decisions,
    )


def _differences(
    task: EvaluationTask, both: _Both, pairs: PairSet, threshold: float | None
) -> tuple[PairedDifference, ...]:
    """The metrics of the packed files minus those of the original, on the same pairs."""

    def scored(system: System) -> ScoredRun:
        scores = system.score_pairs(pairs).scores
        return ScoredRun(LabelledScores.of_pairs(scores, pairs, task.table.identities), threshold)

    found = paired_differences(
        scored(both.original), scored(both.packed), task.metrics, seed=task.seed
    )
    return tuple(
        PairedDifference.model_validate(each.model_dump(exclude={"better"})) for each in found
    )


def _parts(rows: Int64Array) -> Iterator[Int64Array]:
    """Pairs of rows int64 [P, 2], some at a time."""
    yield from (rows[begin : begin + _PAIRS] for begin in range(0, len(rows), _PAIRS))


def _every_pair(identities: Int64Array) -> Iterator[Int64Array]:
    """Every pair of a table's rows, some at a time."""
    space = PairSpace.of(identities)
    count = space.genuine + space.impostor
    for begin in range(0, count, _PAIRS):
        yield space.rows(np.arange(begin, min(begin + _PAIRS, count)))
