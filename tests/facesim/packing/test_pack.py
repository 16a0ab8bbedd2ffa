"""Runs, packed."""

import hashlib
import json
import pickletools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from facesim.data.preprocessing import Preprocessing
from facesim.errors import FacesimError
from facesim.packing import pack as packing
from facesim.packing.export import export_network
from facesim.packing.pack import PackOptions, pack_run
from facesim.runs.evaluation import load_trained
from facesim.runs.run import Run
from facesim.runs.scored_pairs import read_scored_pairs
from facesim.verifier.onnx_network import OnnxNetwork, OnnxScore
from facesim.verifier.pack_file import PackFile

TrainRun = Callable[..., Run]


@pytest.fixture(scope="module")
def folder(train_run: TrainRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed") / "pack"
    pack_run(train_run(), folder, PackOptions())
    return folder


@pytest.fixture(scope="module")
def pack(folder: Path) -> PackFile:
    return PackFile.model_validate_json((folder / "pack.json").read_bytes())


def test_a_pack_is_one_folder_whose_digests_are_in_it(folder: Path, pack: PackFile) -> None:
    found = {path.name for path in folder.iterdir()}
    listed = {"README.md", "network.onnx", "requirements.txt", "score.onnx"}
    assert found == {*listed, "pack.json", "facesim-manifest.json"}
    assert set(pack.files) == listed
    for name, expected in pack.files.items():
        content = (folder / name).read_bytes()
        assert expected.bytes == len(content)
        assert expected.sha256 == hashlib.sha256(content).hexdigest()
    manifest = json.loads((folder / "facesim-manifest.json").read_text())
    of_pack = hashlib.sha256((folder / "pack.json").read_bytes()).hexdigest()
    assert manifest["pack.json"] == [of_pack]


def test_nothing_of_the_machine_is_in_it(folder: Path) -> None:
    for path in folder.iterdir():
        content = path.read_bytes()
        assert str(folder.parent).encode() not in content


def test_no_file_of_it_is_a_pickle(folder: Path) -> None:
    for path in folder.iterdir():
        content = path.read_bytes()
        assert not content.startswith(b"PK")  # a zip archive, as torch.save writes
        with pytest.raises(ValueError, match=r"pickle exhausted|opcode|expected"):
            list(pickletools.genops(content))


def test_its_rates_are_those_that_the_run_s_scores_give(
    train_run: TrainRun, pack: PackFile
) -> None:
    recorded = read_scored_pairs(train_run().path / "eval/test")
    assert recorded is not None
    points = {point.name: point for point in pack.operating_points}
    assert points["eer"].threshold is not None
    for point in points.values():
        if point.threshold is None:
            assert point.reason
            continue
        accepted = recorded.scores >= point.threshold
        false_matches = int((accepted & ~recorded.same).sum())
        false_non_matches = int((~accepted & recorded.same).sum())
        assert (point.fmr.errors, point.fmr.comparisons) == (
            false_matches,
            int((~recorded.same).sum()),
        )
        assert (point.fnmr.errors, point.fnmr.comparisons) == (
            false_non_matches,
            int(recorded.same.sum()),
        )
        for rate in (point.fmr, point.fnmr):
            assert rate.value is not None
            assert rate.value == pytest.approx((rate.errors or 0) / rate.comparisons)
            assert rate.low is not None
            assert rate.high is not None
            assert rate.low <= rate.value <= rate.high
    assert points["far_1e-1"].target_fmr == 0.1


def test_it_says_what_it_was_made_of(train_run: TrainRun, pack: PackFile) -> None:
    assert (pack.name, pack.run) == ("small", train_run().path.name)
    assert (pack.trained_on.images, pack.trained_on.identities) == (44, 11)
    assert (pack.trained_on.dataset, pack.measured_on.identities) == ("synthetic_faces", 12)
    assert pack.image == {"size": [24, 20], "crop": None, "fit": "letterbox"}
    assert pack.score.comparison == "euclidean"
    assert pack.probability is not None
    assert pack.requirements.keys() >= {"numpy", "onnxruntime", "pillow"}
    assert "torch" not in pack.requirements


def test_its_files_alone_score_the_pairs_as_the_run_did(train_run: TrainRun, folder: Path) -> None:
    run = train_run()
    recorded = read_scored_pairs(run.path / "eval/test")
    assert recorded is not None
    table = run.experiment.data.dataset_of("test").build()
    network = OnnxNetwork((folder / "network.onnx").read_bytes(), "")
    score = OnnxScore((folder / "score.onnx").read_bytes(), "")
    preprocessing = Preprocessing(size=(24, 20), fit="letterbox")
    embedded = {
        file: network.run(preprocessing.decode(table.root / file).transpose(2, 0, 1)[None])[0]
        for file in np.unique(recorded.files)
    }
    sides = (np.array([embedded[file] for file in files]) for files in recorded.files.T)
    assert score.run(*sides) == pytest.approx(recorded.scores, abs=1e-5)


def test_packing_it_again_gives_the_same_bytes(
    train_run: TrainRun, folder: Path, tmp_path: Path
) -> None:
    pack_run(train_run(), tmp_path / "again", PackOptions())
    for path in folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("loss", ["{name: learned, hidden: [8]}", "{name: arcface}"])
def test_other_losses_agree_in_every_decision(
    train_run: TrainRun, loss: str, tmp_path: Path
) -> None:
    trained = train_run(f"loss={loss}", "image.fit=stretch")
    pack = pack_run(trained, tmp_path / "pack", PackOptions())
    assert pack.score.comparison == ("cosine" if "arcface" in loss else None)
    for agreement in pack.remeasurement.agreements:
        assert set(agreement.decisions.values()) == {0}
        assert agreement.largest_difference < 1e-5


@pytest.mark.parametrize("quantization", ["int8", "float16"])
def test_a_quantised_pack_is_compared_with_the_original(
    train_run: TrainRun, quantization: str, tmp_path: Path
) -> None:
    options = PackOptions(quantization=quantization, most_decisions=1.0)  # type: ignore[arg-type]
    pack = pack_run(train_run(), tmp_path / "pack", options)
    assert pack.network.quantization == quantization
    [accuracy] = [each for each in pack.remeasurement.differences if each.metric == "accuracy"]
    assert accuracy.difference is not None
    assert accuracy.low is not None
    assert accuracy.interval == "identity_jackknife_95"
    found = {each.reference: each for each in pack.remeasurement.agreements}
    assert found["network"].largest_difference > 1e-6


def test_a_torch_pack_runs_what_the_experiment_names(train_run: TrainRun, tmp_path: Path) -> None:
    run = train_run()
    pack = pack_run(run, tmp_path / "pack", PackOptions(format="torch"))
    assert set(pack.files) >= {"network.safetensors", "experiment.yaml", "score.onnx"}
    packed = (tmp_path / "pack/experiment.yaml").read_bytes()
    assert packed == (run.path / "experiment.yaml").read_bytes()
    assert {"torch", "safetensors"} <= set(pack.requirements)
    assert pack.remeasurement.runtime.startswith("torch ")


def test_files_that_decide_otherwise_are_refused_and_leave_nothing(
    train_run: TrainRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_other_weights(network: object, size: object) -> bytes:
        other = train_run("seed=1")
        return export_network(load_trained(other.directory, other.experiment, "best"), (24, 20))

    monkeypatch.setattr(packing, "export_network", of_other_weights)
    with pytest.raises(FacesimError) as refused:
        pack_run(train_run(), tmp_path / "pack", PackOptions())
    said = str(refused.value)
    assert "do not decide as the network that they were made from; nothing is written" in said
    assert "val, eer: " in said
    assert "decisions differ (" in said
    assert "of the spread of the scores; 0.0001 may be" in said
    assert list(tmp_path.iterdir()) == []


def test_a_pack_that_cannot_be_opened_is_refused_and_leaves_nothing(
    train_run: TrainRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alignment = {
        "aligner": {"name": "dlib", "points": [1, 2]},
        "template": "arcface",
        "no_face": "error",
        "several_faces": "largest",
        "min_confidence": None,
        "fingerprint": "",
    }
    monkeypatch.setattr(
        packing, "packed_image", lambda _: ({"size": [24, 20], "alignment": alignment}, {})
    )
    with pytest.raises(FacesimError, match="the pack cannot be used as it is, nothing is written"):
        pack_run(train_run(), tmp_path / "pack", PackOptions())
    assert list(tmp_path.iterdir()) == []


def test_a_former_pack_stays_where_a_new_one_is_refused(
    train_run: TrainRun, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(packing, "MOST_DIFFERENCE", 0.0)
    monkeypatch.setattr(
        packing, "export_score", lambda *_: (folder / "score.onnx").read_bytes()[:-5]
    )
    with pytest.raises(FacesimError):
        pack_run(train_run(), folder, PackOptions())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_thresholds_of_another_checkpoint_do_not_apply(train_run: TrainRun, tmp_path: Path) -> None:
    run = train_run("train.epochs=3")
    other = next(
        path.stem for path in sorted((run.path / "checkpoints").iterdir()) if path.stem[0] == "s"
    )
    with pytest.raises(FacesimError) as refused:
        pack_run(run, tmp_path / "pack", PackOptions(checkpoint=other))
    assert f"--checkpoint {other}` chooses them again" in str(refused.value)
    with pytest.raises(FacesimError, match="there is no checkpoint"):
        pack_run(run, tmp_path / "pack", PackOptions(checkpoint="nothing"))


def test_a_run_without_thresholds_is_told_what_makes_them(
    train_run: TrainRun, tmp_path: Path
) -> None:
    run = train_run("train.epochs=1")
    (run.path / "calibration.json").unlink()
    with pytest.raises(FacesimError, match="has no thresholds yet"):
        pack_run(run, tmp_path / "pack", PackOptions())


def test_torch_weights_are_not_quantised() -> None:
    with pytest.raises(FacesimError, match="--quantize needs --format onnx"):
        PackOptions(format="torch", quantization="int8")
