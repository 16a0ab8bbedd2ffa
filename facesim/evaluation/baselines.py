"""Untrained networks as baselines, and their metrics on the same pairs: ``baselines.json``."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from pydantic import FiniteFloat, model_validator
from torch import Tensor, nn
from torch.nn import functional

from facesim.arrays import FloatArray
from facesim.evaluation.calibration import choose_operating_points
from facesim.evaluation.differences import MetricDifference, ScoredRun, paired_differences
from facesim.evaluation.evaluate import Thresholds
from facesim.evaluation.headline import metrics_of_result
from facesim.evaluation.task import EvaluationTask
from facesim.evaluation.visible_points import visible_points
from facesim.experiment.schema import Experiment
from facesim.interfaces import (
    Backbone,
    FaceTable,
    Loss,
    ModuleHead,
    Normalization,
    PairBatch,
    PairSet,
)
from facesim.interfaces.protocol import Measurement, System
from facesim.interfaces.result import EvaluationResult
from facesim.interfaces.roc import Roc
from facesim.json_files import JsonModel
from facesim.model.build import build_backbone
from facesim.model.network import SiameseNetwork


class KeptCurve(JsonModel):
    """A ROC at the thresholds that a plot can show, as counts of accepted pairs.

    Attributes:
        thresholds: descending; the last one accepts all pairs.
        true_accepts: accepted genuine pairs at each threshold.
        false_accepts: accepted impostor pairs at each threshold.
    """

    thresholds: tuple[FiniteFloat, ...]
    true_accepts: tuple[int, ...]
    false_accepts: tuple[int, ...]

    @classmethod
    def of(cls, roc: Roc) -> "KeptCurve | None":
        """The points that the ROC and the DET show; None without pairs of both kinds."""
        if roc.missing:
            return None
        shown = np.flatnonzero(roc.false_accepts > 0)
        fmr, tar = np.log10(roc.fmr[shown]), roc.tar[shown]
        errs = np.flatnonzero(tar < 1)
        kept = visible_points(fmr, tar)
        if errs.size:
            kept = np.union1d(kept, errs[visible_points(fmr[errs], np.log10(1 - tar[errs]))])
        at = shown[kept]
        counts = (roc.true_accepts[at].tolist(), roc.false_accepts[at].tolist())
        return cls(
            thresholds=tuple(roc.thresholds[at].tolist()),
            true_accepts=tuple(counts[0]),
            false_accepts=tuple(counts[1]),
        )

    @model_validator(mode="after")
    def _is_a_curve(self) -> Self:
        lengths = {len(each) for each in (self.thresholds, self.true_accepts, self.false_accepts)}
        if len(lengths) != 1 or not len(self.thresholds):
            raise ValueError("each threshold has one number of either kind of accepted pairs")
        return self

    def roc(self) -> Roc:
        """The curve through the kept points."""
        return Roc(
            np.array([np.inf, *self.thresholds]),
            np.array([0, *self.true_accepts], np.int64),
            np.array([0, *self.false_accepts], np.int64),
        )


class Baseline(JsonModel):
    """One entry of ``baselines.json``.

    Attributes:
        name: ``chance``, ``raw_pixels`` or ``untouched_backbone``.
        description: how it scores a pair, in one sentence.
        result: its metrics on the same pairs, at its own threshold from val.
        differences: by how much the trained system exceeds it, metric by metric; ``second`` is
            the trained system.
        curve: its ROC on the same pairs; None where a run kept none.
    """

    name: str
    description: str
    result: EvaluationResult
    differences: tuple[MetricDifference, ...]
    curve: KeptCurve | None = None

    def gain(self, metric: str) -> MetricDifference:
        """The improvement of the trained system in the metric of this name.

        Raises:
            KeyError: the metric was not measured.
        """
        return {found.metric: found for found in self.differences}[metric]


@dataclass(frozen=True, eq=False)
class BaselineSystem:
    """An untrained system.

    Attributes:
        name: of the baseline.
        description: how it scores a pair, in one sentence.
        val: the system on the images of val.
        test: the system on the images of the evaluation.
    """

    name: str
    description: str
    val: System
    test: System


def measure_baseline(
    baseline: BaselineSystem, val_pairs: PairSet, task: EvaluationTask, trained: Measurement
) -> tuple[Baseline, FloatArray]:
    """Choose thresholds on val, measure the task at them, and compare with the trained system.

    Args:
        baseline: the system.
        val_pairs: the pairs on which its thresholds are chosen.
        task: what is measured.
        trained: the trained system on the same task, with scores of single pairs.

    Returns:
        What ``baselines.json`` says of it, and its scores of the P pairs, float64 [P].

    Raises:
        FacesimError: an image cannot be used, or a score is NaN or infinite.
    """
    val = Roc.of_scores(baseline.val.score_pairs(val_pairs).scores, val_pairs.same)
    thresholds = Thresholds(
        choose_operating_points(val), f"{val.genuine + val.impostor:,} pairs of val"
    )
    measured = task.measure(baseline.test, thresholds)
    scored = scored_run(measured, task.table)
    differences = paired_differences(
        scored,
        scored_run(trained, task.table),
        metrics_of_result(trained.result, task.metrics),
        seed=task.seed,
    )
    found = Baseline(
        name=baseline.name,
        description=baseline.description,
        result=measured.result,
        differences=differences,
        curve=KeptCurve.of(scored.scored.roc()),
    )
    return found, scored.scored.scores


def scored_run(measured: Measurement, table: FaceTable) -> ScoredRun:
    """A measurement in the form that `paired_differences` takes.

    Raises:
        ValueError: the scores of single pairs were not kept.
    """
    scored = measured.scored
    if scored is None:
        raise ValueError("the scores of single pairs were not kept")
    return ScoredRun(scored.labelled(table.identities), measured.result.threshold)


PIXELS_SIDE = 32
"""Height and width to which `raw_pixels` resizes an image: faces stay recognisable, and a pixel
shows about the same part of every aligned face."""

_LUMA = (0.299, 0.587, 0.114)
_UNCHANGED = Normalization(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


class Cosine(Loss):
    """Cosine similarity as the score; cannot be trained."""

    of_training_identities = True  # so that its value on val is never computed

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        """Not implemented: raises NotImplementedError."""
        raise NotImplementedError("an untrained baseline has no loss")

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosine [P] of embeddings [P, D] and [P, D]; 0 where either is all zeros."""
        return functional.cosine_similarity(a.float(), b.float(), dim=1)


class CentredGrey(nn.Module):
    """Mean-centred grey values of an image as a vector."""

    def forward(self, images: Tensor) -> Tensor:
        """Float [B, 3, H, W] -> [B, H W]."""
        luma = images.new_tensor(_LUMA).view(1, 3, 1, 1)
        grey = (images * luma).sum(dim=1).flatten(1)
        return grey - grey.mean(dim=1, keepdim=True)


def raw_pixels(device: torch.device) -> SiameseNetwork:
    """A network whose embedding is the image itself, grey and mean-centred.

    With the cosine this is the zero-mean normalised cross-correlation of two images, which is
    invariant to brightness and contrast. It takes images of any size.
    """
    backbone = Backbone(nn.Identity(), CentredGrey(), PIXELS_SIDE**2, _UNCHANGED)
    return SiameseNetwork(backbone, ModuleHead(nn.Identity()), Cosine(), PIXELS_SIDE**2).to(device)


def untouched_backbone(experiment: Experiment, device: torch.device) -> SiameseNetwork:
    """A network whose embedding is the pooled features of the untrained backbone.

    If the backbone leaves pooling to the head, the feature maps are averaged.

    Raises:
        FacesimError: the backbone cannot be built.
    """
    backbone = build_backbone(experiment)
    average = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    head = nn.Identity() if backbone.pooled else average
    network = SiameseNetwork(backbone, ModuleHead(head), Cosine(), backbone.features)
    return network.to(memory_format=torch.channels_last).to(device)
