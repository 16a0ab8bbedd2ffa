"""Description of a pack: what a run chose, learned from and measured, as ``pack.json`` has it."""

import json
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from facesim.data.preprocessing import Preprocessing
from facesim.errors import FacesimError
from facesim.evaluation.acquisition import measured_acquisition
from facesim.evaluation.calibration import BEST_ACCURACY, OperatingPoint
from facesim.evaluation.headline import metrics_of_result
from facesim.experiment.measured_metrics import measured_metrics
from facesim.experiment.sections import Image
from facesim.interfaces.result import AchievedPoint, Estimate, EvaluationResult, rate_name
from facesim.interfaces.roc_points import FMR_TARGETS
from facesim.packing.measurement import Original
from facesim.report.formatting import complement
from facesim.training.checkpoint import read_checkpoint
from facesim.verifier.pack_file import (
    EXPERIMENT_FILE,
    ChosenOn,
    MeasuredOn,
    MeasuredRate,
    PackedFile,
    PackedMetric,
    PackedNetwork,
    PackedPoint,
    PackedProbability,
    PackedScore,
    PackFile,
    Remeasurement,
    TrainedOn,
)
from facesim.version import __version__, installed_version

_RULES = {BEST_ACCURACY: "highest accuracy", "eer": "FMR equal to FNMR"}
_TARGETS = {f"far_{rate_name(target)}": target for target in FMR_TARGETS}

_RUNTIME = (
    "filelock",
    "numpy",
    "onnxruntime",
    "pillow",
    "platformdirs",
    "pydantic",
    "rich",
    "simplejpeg",
    "typer",
)
"""Distributions that facesim's verifier imports, whichever the pack."""

_TORCH = ("safetensors", "torch")


def describe(
    original: Original,
    network: PackedNetwork,
    score_file: str,
    image: dict[str, JsonValue],
    result: EvaluationResult,
    remeasurement: Remeasurement,
) -> PackFile:
    """The description of a pack whose files have no digest yet.

    Args:
        original: the run.
        network: as it is packed.
        score_file: the name of the score's file.
        image: as :func:`packed_image` gives it.
        result: the run's evaluation, of the packed files.
        remeasurement: how far they agree with the original.
    """
    plan, calibration = original.plan, original.calibration
    chosen = ChosenOn(
        split=calibration.split,
        pairs=calibration.pairs,
        genuine=calibration.genuine,
        identities=calibration.identities,
    )
    achieved = {point.name: point for point in result.operating_points}
    probability = calibration.probability
    files = [network.file, score_file]
    if network.format == "torch":
        files.append(EXPERIMENT_FILE)
    return PackFile(
        facesim=__version__,
        name=plan.experiment.name,
        run=plan.directory.path.absolute().name,
        checkpoint=plan.checkpoint,
        network=network,
        score=PackedScore(file=score_file, comparison=original.network.loss.comparison),
        image=image,
        operating_points=tuple(
            _packed_point(point, achieved[point.name], chosen, result)
            for point in calibration.operating_points
        ),
        probability=None
        if probability is None
        else PackedProbability.model_validate(probability.model_dump()),
        probability_reason=calibration.probability_reason,
        trained_on=_trained_on(original),
        measured_on=_measured_on(original, result),
        remeasurement=remeasurement,
        requirements=_versions(original, network),
        files={name: PackedFile(bytes=0, sha256="0" * 64) for name in files},
    )


def packed_image(image: Image) -> tuple[dict[str, JsonValue], dict[str, Path]]:
    """How a pack makes pixels of images, and the files that belong to it.

    Args:
        image: the section of the experiment.

    Returns:
        The settings of its preprocessing, in which files of the aligner have their names in the
        pack; and those files, by these names.

    Raises:
        FacesimError: the aligner knows certain photographs only.
    """
    preprocessing = Preprocessing.of(image)
    settings: dict[str, JsonValue] = json.loads(preprocessing.provenance)
    if image.aligner is None or preprocessing.alignment is None:
        return settings, {}
    if not preprocessing.alignment.aligner.content_only:
        raise FacesimError(
            f"the aligner {image.aligner.name!r} knows the photographs of a list by their names, "
            "and a pack is for others; train with an aligner that finds faces"
        )
    given = {key: each for key, each in image.aligner.arguments.items() if isinstance(each, Path)}
    files = {f"aligner-{key}{each.suffix}": each for key, each in given.items()}
    alignment: Any = settings["alignment"]
    alignment["aligner"] |= dict(zip(given, files, strict=True))
    return settings, files


def requirements(pack: PackFile) -> str:
    """The text of ``requirements.txt``."""
    lines = [
        f"# What runs this pack, beside facesim {pack.facesim} itself; it was measured with these.",
        *(f"{name}>={version}" for name, version in pack.requirements.items()),
    ]
    return "\n".join(lines) + "\n"


def _packed_point(
    point: OperatingPoint, achieved: AchievedPoint, chosen: ChosenOn, result: EvaluationResult
) -> PackedPoint:
    target = _TARGETS.get(point.name)
    rule = _RULES.get(point.name, point.name)
    if target is not None:
        rule = f"FMR of at most {target:g}"
    return PackedPoint(
        name=point.name,
        rule=f"{rule} on {chosen.split}",
        target_fmr=target,
        threshold=point.threshold,
        reason=point.reason,
        chosen_on=chosen,
        fmr=_measured_rate(achieved.fmr, result.impostor),
        fnmr=_measured_rate(complement(achieved.tar), result.genuine),
    )


def _measured_rate(found: Estimate, comparisons: int) -> MeasuredRate:
    again = found.procedure
    return MeasuredRate(
        value=found.value,
        low=found.low,
        high=found.high,
        interval=found.interval,
        errors=None if found.value is None else round(found.value * comparisons),
        comparisons=comparisons,
        reason=found.reason,
        procedure=None if again is None else (again.low, again.high),
    )


def _trained_on(original: Original) -> TrainedOn:
    plan = original.plan
    experiment = plan.experiment
    table = original.tables.read("train", experiment).table
    progress = read_checkpoint(plan.directory.checkpoints.file(plan.checkpoint))["progress"]
    return TrainedOn(
        dataset=experiment.data.dataset_of("train").name,
        images=len(table),
        identities=len(table.labels),
        epochs=progress["epoch"],
        steps=progress["step"],
        seed=experiment.seed,
    )


def _measured_on(original: Original, result: EvaluationResult) -> MeasuredOn:
    experiment = original.plan.experiment
    metrics = metrics_of_result(result, measured_metrics(experiment))
    counts = original.tables.read("test", experiment).table.acquisition
    acquired = None if counts is None else measured_acquisition(counts)
    return MeasuredOn(
        split="test",
        dataset=experiment.data.dataset_of("test").name,
        protocol=result.protocol,
        pairs=result.pairs,
        genuine=result.genuine,
        impostor=result.impostor,
        identities=result.identities,
        metrics={
            name: PackedMetric(
                label=metrics[name].label,
                unit=metrics[name].unit,
                value=found.value,
                low=found.low,
                high=found.high,
            )
            for name, found in result.metrics.items()
        },
        failure_to_acquire=None
        if acquired is None
        else _measured_rate(acquired.failure_to_acquire, acquired.photographs),
        left_out=None if acquired is None else acquired.left_out,
    )


def _versions(original: Original, network: PackedNetwork) -> dict[str, str]:
    """The versions of what runs the pack, by distribution."""
    experiment = original.plan.experiment
    names = {*_RUNTIME}
    if network.format == "torch":
        names |= {*_TORCH, *experiment.backbone.plugin.packages, *experiment.head.plugin.packages}
    aligner = experiment.image.aligner
    if aligner is not None:
        names |= {*aligner.plugin.packages}
    versions = {name: installed_version(name) for name in sorted(names)}
    return {name: version for name, version in versions.items() if version is not None}
