"""All pairs of a table, counted as they pass, against all pairs in a list."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from facesim import (
    Comparisons,
    Estimate,
    EvaluationResult,
    FaceTable,
    FnmrAtFmr,
    Int64Array,
    LabelledScores,
    PairSet,
    PairSpace,
    ScoredPairs,
    System,
    protocols,
)
from facesim.discovery import load_installed_plugins
from facesim.evaluation.calibration import OperatingPoint
from facesim.evaluation.evaluate import SAMPLED_INTERVAL_NAME, Thresholds, evaluate_scores
from facesim.evaluation.identity_jackknife import INTERVAL_NAME
from facesim.evaluation.task import EvaluationTask
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim_plugins.protocols import exhaustive

load_installed_plugins()
METRICS = built_metrics(standard_metrics())
POINTS = (
    OperatingPoint(name="best_accuracy", threshold=-3.0),
    OperatingPoint(name="eer", threshold=-3.5),
    OperatingPoint(name="far_1e-6", threshold=None, reason="too few impostors"),
)


def score(a: Tensor, b: Tensor) -> Tensor:
    distance: Tensor = torch.linalg.vector_norm(a - b, dim=1)
    return -distance


def faces() -> tuple[Tensor, np.ndarray[Any, Any]]:
    generator = torch.Generator().manual_seed(0)
    who = torch.arange(12).repeat_interleave(torch.arange(4, 16))
    centres = torch.randn(12, 8, generator=generator)
    return centres[who] + 0.7 * torch.randn(len(who), 8, generator=generator), who.numpy()


class Drawn(System):
    """The drawn embeddings as a system."""

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def embed(self, rows: Int64Array) -> Tensor:
        return faces()[0][rows]

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        return score(a, b)

    def score_pairs(self, pairs: PairSet) -> ScoredPairs:
        raise NotImplementedError


def streamed() -> EvaluationResult:
    _, identities = faces()
    names = np.array([f"{row}.png" for row in range(len(identities))])
    table = FaceTable(Path(), names, identities, np.arange(12).astype(str))
    spec = protocols.spec("exhaustive")
    task = EvaluationTask(spec, Comparisons(), table, METRICS, seed=3, resamples=200)
    return task.measure(Drawn(), Thresholds(POINTS, "elsewhere")).result


def listed() -> EvaluationResult:
    embeddings, identities = faces()
    first, second = np.stack(np.triu_indices(len(identities), 1))
    scores = score(embeddings[first], embeddings[second]).numpy()
    first, second = identities[first], identities[second]
    scored = LabelledScores.of(scores, first == second, first, second)
    headline = FnmrAtFmr(0.01)  # of some 4,000 impostors
    metrics = {**METRICS, headline.name: headline}
    thresholds = Thresholds(POINTS, "elsewhere")
    result = evaluate_scores(scored, metrics, thresholds=thresholds, seed=3, resamples=200)
    return result.model_copy(update={"headline": headline.name})


def numbers(value: Any) -> Any:
    """Every number of a result by its path; a d' is not kept by counting."""
    if isinstance(value, dict):
        return {f"{k}.{name}": n for k, v in value.items() for name, n in numbers(v).items()}
    if isinstance(value, list | tuple):
        return numbers(dict(enumerate(value)))
    return {"": value}


def test_the_metrics_are_those_of_a_list_of_all_pairs() -> None:
    ours, theirs = (
        numbers(result.model_dump(exclude={"protocol": True, "metrics": {"d_prime"}}))
        for result in (streamed(), listed())
    )
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        # Ends of intervals differ a little: the random groups follow the order of the pairs.
        within = 0.01 if name.endswith((".low.", ".high.")) else 1e-6
        assert value == (
            pytest.approx(theirs[name], abs=within) if isinstance(value, float) else theirs[name]
        ), name


def test_it_says_which_protocol_it_is_and_why_there_is_no_d_prime() -> None:
    result = streamed()
    assert result.protocol == "exhaustive"
    assert result.metrics["d_prime"] == Estimate(
        value=None, reason="the scores of so many pairs were counted, not kept"
    )


def test_intervals_of_a_sample_hold_the_exact_value_and_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exhaustive, "SAMPLED_PAIRS", 150)
    sampled, whole = streamed(), listed()
    for name in ("accuracy", "balanced_accuracy", "fmr", "tar", "roc_auc", "eer"):
        ours, theirs = sampled.metrics[name], whole.metrics[name]
        assert ours.value == pytest.approx(theirs.value, abs=1e-6)
        assert ours.value is not None
        assert ours.low is not None
        assert ours.high is not None
        assert theirs.low is not None
        assert theirs.high is not None
        assert ours.low <= ours.value <= ours.high
        assert (ours.interval, theirs.interval) == (SAMPLED_INTERVAL_NAME, INTERVAL_NAME)
        # Of the accuracy too, which depends on how many impostors there are for a genuine pair.
        assert ours.high - ours.low > 0.7 * (theirs.high - theirs.low)
        assert ours.high - ours.low < 3 * (theirs.high - theirs.low)


def test_an_fmr_too_small_for_the_sample_has_a_value_and_no_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exhaustive, "SAMPLED_PAIRS", 150)
    at = streamed().at_targets
    assert at["tar_at_far_1e-1"].low is not None
    found = at["tar_at_far_1e-3"]
    assert found.value is not None
    assert (found.low, found.high, found.interval) == (None, None, None)
    assert (found.reason or "").startswith("intervals are made from 300 sampled pairs: not meas")
    assert at["tar_at_far_1e-6"].value is None


@pytest.mark.parametrize(
    ("sizes", "genuine", "impostor", "weights"),
    [
        ([2] * 10, 10, 18, (1, 10)),  # 10 genuine pairs and 180 impostor pairs
        ([2] * 10, 5, 18, (1, 5)),
        ([20, 2], 19, 40, (10, 1)),  # 191 genuine pairs and 40 impostor pairs
        ([4, 3], 9, 12, (1, 1)),
    ],
)
def test_a_sampled_pair_stands_for_others_of_its_kind(
    sizes: list[int], genuine: int, impostor: int, weights: tuple[int, int]
) -> None:
    space = PairSpace.of(np.repeat(np.arange(len(sizes)), sizes))
    same = np.arange(genuine + impostor) < genuine
    found = exhaustive._stands_for(same, space)
    assert found.dtype == np.int64
    assert (set(found[same]), set(found[~same])) == ({weights[0]}, {weights[1]})


def test_intervals_come_from_thirty_thousand_pairs_of_a_kind_at_most() -> None:
    space = PairSpace.of(np.repeat(np.arange(200), 20))  # 38,000 genuine pairs
    sampled = exhaustive._sample(space, 0)
    assert np.bincount(space.same(sampled)).tolist() == [30_000, 30_000]
    assert len(np.unique(sampled)) == 60_000
    assert (exhaustive._sample(space, 0) == sampled).all()
    assert (exhaustive._sample(space, 1) != sampled).any()
