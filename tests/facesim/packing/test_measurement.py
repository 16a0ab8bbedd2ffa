"""Packed files, measured beside the original."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from facesim.arrays import Float32Array, UInt8Array
from facesim.evaluation.calibration import Calibration
from facesim.json_files import read_json
from facesim.model.network import NetworkInput
from facesim.packing.measurement import Original, PackMeasurement, measure_pack
from facesim.reporters import SilentReporter
from facesim.runs.evaluation import load_trained
from facesim.runs.evaluation_plan import plan_evaluation
from facesim.runs.run import Run
from facesim.training.evaluation_pairs import evaluation_pairs
from facesim.verifier.pack_file import Agreement


def original_of(run: Run) -> Original:
    plan = plan_evaluation(run.directory, run.experiment, checkpoint="best")
    network = load_trained(run.directory, run.experiment, "best")
    calibration = read_json(run.path / "calibration.json", Calibration, remedy="")
    assert calibration is not None
    return Original(plan, network, calibration, run.tables)


class Drifted:
    """The network itself, whose embeddings are off by something of each image's own."""

    def __init__(self, original: Original, drift: float) -> None:
        self.original, self.drift = original, drift

    @torch.inference_mode()
    def run(self, pixels: UInt8Array) -> Float32Array:
        inputs = NetworkInput(torch.from_numpy(pixels), "pixels")
        embeddings: Float32Array = self.original.network.eval()(inputs).embeddings.numpy()
        seeds = pixels.reshape(len(pixels), -1).sum(axis=1)
        noise = [np.random.default_rng(seed).normal(size=embeddings.shape[1]) for seed in seeds]
        sizes = embeddings.std(axis=1, keepdims=True)
        drifted: Float32Array = embeddings + self.drift * sizes * np.array(noise, np.float32)
        return drifted


class Score:
    """The loss's own score."""

    def __init__(self, original: Original) -> None:
        self.loss = original.network.loss.eval()

    @torch.inference_mode()
    def run(self, a: Float32Array, b: Float32Array) -> Float32Array:
        scores: Float32Array = self.loss.score(torch.from_numpy(a), torch.from_numpy(b)).numpy()
        return scores


def measured(original: Original, drift: float) -> PackMeasurement:
    return measure_pack(
        original,
        Drifted(original, drift),
        Score(original),
        SilentReporter(),
        decides_otherwise=drift > 0,
    )


def naive(original: Original, split_name: str, drift: float) -> Agreement:
    """Pair by pair, image by image."""
    split = original.split(split_name)
    path = original.plan.directory.pairs_file(split_name)
    pairs = evaluation_pairs(path, original.plan.experiment, split).rows
    networks = Drifted(original, 0.0), Drifted(original, drift)
    pixels = {
        row: next(iter(split.inputs.rows(np.array([row]), 1))).values.numpy()
        for row in np.unique(pairs)
    }
    batch = np.concatenate(list(pixels.values()))
    scores = []
    for network in networks:
        found = dict(zip(pixels, network.run(batch), strict=True))
        sides = (np.array([found[row] for row in rows]) for rows in pairs.T)
        scores.append(Score(original).run(*sides))
    apart = np.abs(scores[1].astype(float) - scores[0])
    return Agreement(
        split=split_name,
        reference="network",
        pairs=len(pairs),
        largest_difference=apart.max(),
        largest_relative_difference=apart.max()
        / max(scores[0].astype(float).std(), np.abs(scores[0]).max() / 100),
        decisions={
            name: sum(
                (one >= threshold) != (other >= threshold)
                for one, other in zip(*scores, strict=True)
            )
            for name, threshold in original.thresholds.items()
        },
    )


def test_the_original_agrees_with_itself_and_with_what_the_run_recorded(
    train_run: Callable[..., Run],
) -> None:
    run = train_run()
    found = measured(original_of(run), 0.0)
    assert [(each.split, each.reference) for each in found.agreements] == [
        ("val", "network"),
        ("test", "network"),
        ("test", "recorded"),
    ]
    for each in found.agreements:
        assert set(each.decisions.values()) == {0}
        assert each.largest_difference < 1e-5
    recorded = run.read().result
    assert recorded is not None
    assert found.result.metrics["accuracy"] == recorded.metrics["accuracy"]
    assert found.differences == ()


def test_differences_are_those_of_pair_by_pair(train_run: Callable[..., Run]) -> None:
    original = original_of(train_run())
    found = measured(original, 0.3)
    for split, agreement in zip(("val", "test"), found.agreements, strict=False):
        expected = naive(original, split, 0.3)
        assert sum(expected.decisions.values()) > 0
        assert agreement.decisions == expected.decisions
        assert agreement.pairs == expected.pairs
        for of in ("largest_difference", "largest_relative_difference"):
            assert getattr(agreement, of) == pytest.approx(getattr(expected, of), rel=1e-4)


def test_metrics_that_may_differ_are_compared_on_the_same_pairs(
    train_run: Callable[..., Run],
) -> None:
    original = original_of(train_run())
    same, found = measured(original, 0.0), measured(original, 0.5)
    differences = {each.metric: each for each in found.differences}
    for name in ("accuracy", "roc_auc"):
        before, after = (each.result.metrics[name].value for each in (same, found))
        assert before is not None
        assert after is not None
        assert differences[name].difference == pytest.approx(after - before)
        low, high = differences[name].low, differences[name].high
        assert low is not None
        assert high is not None
        assert low < after - before < high


def test_a_protocol_without_a_list_is_compared_on_every_pair(
    train_run: Callable[..., Run],
) -> None:
    original = original_of(train_run("evaluate.protocol=exhaustive"))
    found = measured(original, 0.3)
    on_test = found.agreements[1]
    images = len(original.split("test").table)
    assert on_test.pairs == images * (images - 1) // 2 == found.result.pairs
    assert [each.split for each in found.agreements] == ["val", "test"]
    assert {each.metric for each in found.differences} >= {"accuracy"}
    same = measured(original, 0.0)
    assert set(same.agreements[1].decisions.values()) == {0}
    assert sum(on_test.decisions.values()) > 0
