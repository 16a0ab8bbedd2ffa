"""Packing a run: exported, measured again, described, and put in place as one folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from facesim.alignment.alignment import NoFaceError
from facesim.arrays import UInt8Array
from facesim.atomic import MANIFEST, MANIFEST_LOCK, replacing, sha256_of, write_text
from facesim.bounded import read_file
from facesim.errors import FacesimError
from facesim.evaluation.calibration import Calibration
from facesim.json_files import read_json, write_json
from facesim.packing.card import model_card
from facesim.packing.description import describe, packed_image, requirements
from facesim.packing.export import export_network, export_score
from facesim.packing.folder import new_folder, require_replaceable
from facesim.packing.measurement import NetworkRuntime, Original, measure_pack
from facesim.packing.quantization import CALIBRATION_IMAGES, Quantization, to_float16, to_int8
from facesim.packing.torch_network import TorchNetwork, weights_of
from facesim.report.formatting import percent
from facesim.runs.directory import EVALUATE_AGAIN, RunFile
from facesim.runs.evaluation import load_trained
from facesim.runs.evaluation_plan import plan_evaluation
from facesim.runs.run import Run
from facesim.runs.systems import provenance
from facesim.seeds import derive_seed
from facesim.verifier.onnx_network import ONNX_BYTES, OnnxNetwork, OnnxScore, runtime_name
from facesim.verifier.pack_file import (
    EXPERIMENT_FILE,
    PACK_FILE,
    Agreement,
    PackedFile,
    PackedNetwork,
    PackFile,
    Remeasurement,
)
from facesim.verifier.verifier import load_pack

SCORE_FILE, CARD_FILE, REQUIREMENTS_FILE = "score.onnx", "README.md", "requirements.txt"
NETWORK_FILES = {"onnx": "network.onnx", "torch": "network.safetensors"}

MOST_DECISIONS: dict[Quantization | None, float] = {None: 0.0, "float16": 0.005, "int8": 0.05}
"""The share of the decisions of an operating point that may differ, by quantisation."""

MOST_DIFFERENCE = 1e-4
"""The difference of scores, as a share of their spread, that a network of float32 may have."""

_BATCH = 32


@dataclass(frozen=True)
class PackOptions:
    """What a pack is to be.

    Attributes:
        checkpoint: ``best``, ``last`` or the name of a periodic one.
        format: of the network.
        quantization: of an ONNX network; None for float32.
        most_decisions: the share of the decisions of an operating point that may differ from the
            original's; None for the one of `MOST_DECISIONS`.

    Raises:
        FacesimError: the format cannot be quantised.
    """

    checkpoint: str = "best"
    format: Literal["onnx", "torch"] = "onnx"
    quantization: Quantization | None = None
    most_decisions: float | None = None

    def __post_init__(self) -> None:
        if self.format == "torch" and self.quantization is not None:
            raise FacesimError("--quantize needs --format onnx: onnxruntime runs what it makes")

    @property
    def allowed(self) -> float:
        """The share of decisions that may differ."""
        given = self.most_decisions
        return MOST_DECISIONS[self.quantization] if given is None else given


def pack_run(run: Run, folder: Path, options: PackOptions) -> PackFile:
    """Pack a trained run.

    Args:
        run: trained and evaluated.
        folder: the pack. What is there must be a pack, which is replaced, or nothing.
        options: what the pack is to be.

    Raises:
        FacesimError: the folder holds something else, the checkpoint's thresholds or files cannot
            be read, the network cannot be exported, or the packed files decide otherwise than the
            original; nothing is written then.
    """
    run.require_one_network(f"pack one of them, as in `facesim pack {run.path}/folds/1`")
    require_replaceable(folder)
    original = _original(run, options)
    with new_folder(folder) as unfinished:
        image, files = packed_image(original.plan.experiment.image)
        for name, path in files.items():
            _write(unfinished / name, _content(path))
        score = export_score(original.network.loss, original.network.embedding_dim)
        _write(unfinished / SCORE_FILE, score)
        _write(unfinished / NETWORK_FILES[options.format], _exported(original, options, run))
        if options.format == "torch":
            source = run.path / RunFile.EXPERIMENT
            _write(unfinished / EXPERIMENT_FILE, source.read_bytes())
        measured = measure_pack(
            original,
            _network_of(unfinished, options, trust=run.trust),
            OnnxScore(_content(unfinished / SCORE_FILE), SCORE_FILE),
            run.processes.reporter,
            decides_otherwise=options.allowed > 0,
        )
        remeasured = Remeasurement(
            runtime=runtime_name() if options.format == "onnx" else f"torch {torch.__version__}",
            most_decisions=options.allowed,
            most_difference=MOST_DIFFERENCE if options.quantization is None else None,
            agreements=measured.agreements,
            differences=measured.differences,
        )
        _require_agreement(remeasured)
        network = PackedNetwork(
            file=NETWORK_FILES[options.format],
            format=options.format,
            quantization=options.quantization,
            image_size=original.plan.experiment.image.size,
            embedding_dim=original.network.embedding_dim,
        )
        pack = describe(original, network, SCORE_FILE, image, measured.result, remeasured)
        write_text(unfinished / REQUIREMENTS_FILE, requirements(pack))
        write_text(unfinished / CARD_FILE, model_card(pack))
        pack = pack.model_copy(update={"files": _digests(unfinished)})
        write_json(unfinished / PACK_FILE, pack)
        _require_usable(unfinished, original, trust=run.trust)
    return pack


def _original(run: Run, options: PackOptions) -> Original:
    """The trained network of a checkpoint, with the thresholds that were chosen for it.

    As PyTorch's own modules run it, on any machine; what the run's engine made of it is in the
    scores that the run recorded, with which the pack is compared, too.
    """
    changed = {"device": "cpu", "backbone_engine": "eager"}
    experiment = run.experiment.model_copy(update=changed)
    plan = plan_evaluation(run.directory, experiment, checkpoint=options.checkpoint)
    network = load_trained(run.directory, experiment, options.checkpoint)
    file = run.path / RunFile.CALIBRATION
    again = f"`facesim eval {run.path} --checkpoint {options.checkpoint}`"
    calibration = read_json(file, Calibration, remedy=EVALUATE_AGAIN)
    if calibration is None:
        raise FacesimError(f"{run.path} has no thresholds yet, there is no {file.name}; {again}")
    now = provenance(plan, network, like=calibration.provenance.checkpoint)
    try:
        notes = calibration.check_applies_to(now)
    except FacesimError as error:
        raise FacesimError(f"{file}: {error}\n{again} chooses them again") from None
    for note in notes:
        run.processes.reporter.say(f"{file}: {note}")
    return Original(plan, network, calibration, run.tables)


def _exported(original: Original, options: PackOptions, run: Run) -> bytes:
    """The content of the network's file."""
    if options.format == "torch":
        return weights_of(original.network)
    exported = export_network(original.network, original.plan.experiment.image.size)
    match options.quantization:
        case None:
            return exported
        case "float16":
            return to_float16(exported)
        case "int8":
            return to_int8(exported, _calibration_images(original, run))


def _calibration_images(original: Original, run: Run) -> Iterator[UInt8Array]:
    """The pixels of some training images, uint8 [N, 3, H, W] each time."""
    split = original.split("train")
    generator = np.random.default_rng(derive_seed(original.plan.experiment.seed, "quantization"))
    count = min(CALIBRATION_IMAGES, len(split.table))
    rows = np.sort(generator.choice(len(split.table), count, replace=False))
    with run.processes.reporter.task("calibrating int8 on train", count) as advance:
        for inputs in split.inputs.rows(rows, _BATCH):
            yield np.ascontiguousarray(inputs.values.numpy())
            advance(len(inputs))


def _network_of(folder: Path, options: PackOptions, *, trust: bool) -> NetworkRuntime:
    """What runs the network that was written into a folder."""
    name = NETWORK_FILES[options.format]
    content = _content(folder / name)
    if options.format == "onnx":
        return OnnxNetwork(content, name)
    experiment = folder / EXPERIMENT_FILE
    return TorchNetwork(experiment, _content(experiment), content, trust=trust)


def _require_agreement(found: Remeasurement) -> None:
    """Raise unless the packed files decide as the original does, within what is allowed."""
    wrong = [
        line
        for each in found.agreements
        if each.reference == "network"
        for line in _excess(each, found)
    ]
    if wrong:
        listed = "".join(f"\n  {line}" for line in wrong)
        raise FacesimError(
            f"the packed files, run by {found.runtime}, do not decide as the network that they "
            f"were made from; nothing is written:{listed}\n--most-decisions SHARE allows more"
        )


def _excess(found: Agreement, allowed: Remeasurement) -> Iterator[str]:
    """What of an agreement is beyond what is allowed."""
    for name, differ in found.decisions.items():
        if differ > allowed.most_decisions * found.pairs:
            yield (
                f"{found.split}, {name}: {differ:,} of {found.pairs:,} decisions differ "
                f"({percent(differ / found.pairs)}), and {percent(allowed.most_decisions)} may"
            )
    most = allowed.most_difference
    if most is not None and found.largest_relative_difference > most:
        yield (
            f"{found.split}: a score differs by {found.largest_difference:.3g}, which is "
            f"{found.largest_relative_difference:.2g} of the spread of the scores; {most:g} may be"
        )


def _require_usable(folder: Path, original: Original, *, trust: bool) -> None:
    """Raise unless the pack, as it was written, embeds the first image of test from its file."""
    table = original.tables.read("test", original.plan.experiment).table
    try:
        load_pack(folder, trust=trust).embed(table.path(0))
    except NoFaceError:  # whose centre the run used instead
        return
    except FacesimError as error:
        raise FacesimError(
            f"the pack cannot be used as it is, nothing is written: {error}"
        ) from error


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as file:
        file.write(content)


def _content(path: Path) -> bytes:
    return read_file(path, ONNX_BYTES)


def _digests(folder: Path) -> dict[str, PackedFile]:
    """The files of a pack, but for its description and its manifest."""
    files = sorted(path for path in folder.iterdir() if path.name not in (MANIFEST, MANIFEST_LOCK))
    return {
        path.name: PackedFile(bytes=path.stat().st_size, sha256=sha256_of(path)) for path in files
    }
