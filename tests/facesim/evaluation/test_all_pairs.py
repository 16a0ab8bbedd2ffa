"""All pairs of a table, counted as they pass, against all pairs in a list."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from facesim.evaluation import all_pairs
from facesim.evaluation.all_pairs import evaluate_all_pairs
from facesim.evaluation.bootstrap_interval import INTERVAL_NAME
from facesim.evaluation.estimates import SAMPLED_INTERVAL_NAME
from facesim.evaluation.evaluate_scores import evaluate_scores
from facesim.evaluation.operating_points import OperatingPoint
from facesim.evaluation.result import Estimate, EvaluationResult

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


def streamed() -> EvaluationResult:
    embeddings, identities = faces()
    return evaluate_all_pairs(
        embeddings,
        identities,
        score,
        operating_points=POINTS,
        threshold_source="elsewhere",
        seed=3,
        resamples=200,
    )


def listed() -> EvaluationResult:
    embeddings, identities = faces()
    first, second = np.stack(np.triu_indices(len(identities), 1))
    scores = score(embeddings[first], embeddings[second]).numpy()
    return evaluate_scores(
        scores,
        identities[first] == identities[second],
        identities[first],
        identities[second],
        operating_points=POINTS,
        threshold_source="elsewhere",
        seed=3,
        resamples=200,
    )


def numbers(value: Any) -> Any:
    """Every number of a result by its path; a d' is not kept by counting."""
    if isinstance(value, dict):
        return {f"{k}.{name}": n for k, v in value.items() for name, n in numbers(v).items()}
    if isinstance(value, list | tuple):
        return numbers(dict(enumerate(value)))
    return {"": value}


def test_the_figures_are_those_of_a_list_of_all_pairs() -> None:
    ours, theirs = (
        numbers(result.model_dump(exclude={"d_prime", "protocol"}))
        for result in (streamed(), listed())
    )
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert value == (
            pytest.approx(theirs[name], abs=1e-6) if isinstance(value, float) else theirs[name]
        ), name


def test_it_says_which_protocol_it_is_and_why_there_is_no_d_prime() -> None:
    result = streamed()
    assert result.protocol == "exhaustive"
    assert result.d_prime == Estimate(
        value=None, reason="the scores of so many pairs were counted, not kept"
    )


def test_intervals_of_a_sample_hold_the_exact_value_and_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(all_pairs, "SAMPLED_PAIRS", 150)
    sampled, whole = streamed(), listed()
    for name in ("accuracy", "balanced_accuracy", "far", "tar", "roc_auc", "eer"):
        ours, theirs = getattr(sampled, name), getattr(whole, name)
        assert ours.value == pytest.approx(theirs.value, abs=1e-6)
        assert ours.low <= ours.value <= ours.high
        assert (ours.interval, theirs.interval) == (SAMPLED_INTERVAL_NAME, INTERVAL_NAME)
        # Of the accuracy too, which depends on how many impostors there are for a genuine pair.
        assert ours.high - ours.low > 0.7 * (theirs.high - theirs.low)
        assert ours.high - ours.low < 3 * (theirs.high - theirs.low)


def test_a_far_too_small_for_the_sample_has_a_value_and_no_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(all_pairs, "SAMPLED_PAIRS", 150)
    at = {found.far: found for found in streamed().tar_at_far}
    assert at[1e-1].low is not None
    assert at[1e-3].tar is not None
    assert (at[1e-3].low, at[1e-3].high, at[1e-3].interval) == (None, None, None)
    assert (at[1e-3].reason or "").startswith("intervals are made from 300 sampled pairs: not meas")
    assert at[1e-6].tar is None
