"""ONNX models as backbones: what they compute, what is read from them, what is refused."""

import hashlib
import inspect
import json
import pickle
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor
from torch.nn import functional

from facesim import Backbone, FacesimError, PluginError, backbones, heads
from facesim.data.preprocessing import Preprocessing
from facesim.experiment.schema import Experiment
from facesim.model.engine_choice import make_engine
from facesim.model.folded_engines import why_unavailable
from facesim.model.trunk_key import Fingerprint, TrunkRecipe, code_digest, trunk_digest
from facesim.processes import Processes
from facesim.runs.dry_run import check_experiment
from facesim.runs.run import Run
from facesim.testing import check_plugin
from facesim_plugins.backbones._onnx_session import OnnxModel, Port, open_model
from facesim_plugins.backbones.onnx import _is_channels_last
from tests.plugins.backbones.onnx_models import (
    FEATURES,
    weights,
    write_model,
    write_model_of_8_by_8,
)


def build(file: Path, **parameters: Any) -> Backbone:
    return backbones.spec("onnx", file=file, **parameters).build()


def images(count: int, size: int = 20) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


def expected(pixels: Tensor, *, bgr: bool = False, seed: int = 0) -> Tensor:
    """The same by torch, of pixels from -1 to 1."""
    inputs = pixels / 127.5 - 1
    maps = functional.conv2d(
        inputs.flip(1) if bgr else inputs, torch.tensor(weights(seed)), stride=2
    )
    return maps.relu().mean((2, 3))


def trunk_key(backbone: Backbone) -> str:
    """The key under which the trunk's output is kept."""
    fingerprint = Fingerprint(trunk_digest(backbone), code_digest(backbone.trunk))
    return fingerprint.key(TrunkRecipe(Preprocessing((20, 20), None)))


def assert_same(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_model_of_any_size_and_batch_embeds_as_it_says(tmp_path: Path) -> None:
    backbone = build(write_model(tmp_path / "m.onnx"))
    assert (backbone.features, backbone.image_size, backbone.pooled) == (FEATURES, None, True)
    assert not [p for p in backbone.parameters() if p.requires_grad]
    for count, size in ((1, 20), (3, 33)):
        assert_same(backbone(images(count, size)), expected(images(count, size)))
    assert backbone(images(0)).shape == (0, FEATURES)


@pytest.mark.parametrize(
    ("operation", "said"),
    [("Reshape", "returns 32 rows for 2 images"), ("MatMul", "cannot take images [3, 32, 32]")],
)
def test_images_of_another_size_than_the_model_was_made_for_are_refused(
    tmp_path: Path, operation: str, said: str
) -> None:
    backbone = build(write_model_of_8_by_8(tmp_path / "m.onnx", operation))
    assert backbone(images(2, 8)).shape == (2, 192)
    with pytest.raises(FacesimError, match=re.escape(said)):
        backbone(images(2, 32))


def test_the_code_that_runs_the_model_is_in_the_key() -> None:
    assert inspect.getfile(OnnxModel) == sys.modules[open_model.__module__].__file__


@pytest.mark.parametrize("batch", [1, 4])
def test_a_model_of_one_batch_size_is_run_as_often_as_needed(tmp_path: Path, batch: int) -> None:
    file = write_model(tmp_path / "m.onnx", images=(batch, 3, 20, 20), embeddings=(batch, FEATURES))
    backbone = build(file)
    assert backbone.image_size == (20, 20)
    for count in (1, 5):
        assert_same(backbone(images(count)), expected(images(count)))


def test_the_engine_onnxruntime_says_that_it_cannot_export_a_model(tmp_path: Path) -> None:
    backbone = build(write_model(tmp_path / "m.onnx"))
    if (reason := why_unavailable("onnxruntime", backbone.mean.device)) is not None:
        pytest.skip(reason)
    engine = make_engine("onnxruntime", backbone, (20, 20), "float32")
    with pytest.raises(FacesimError, match="cannot run the trunk: it cannot be exported"):
        engine.run(images(2))


def test_channels_may_come_last_and_backwards(tmp_path: Path) -> None:
    last = write_model(tmp_path / "last.onnx", images=(None, 20, 20, 3))
    assert build(last).image_size == (20, 20)
    assert_same(build(last)(images(2)), expected(images(2)))
    backwards = build(write_model(tmp_path / "m.onnx"), channels="bgr")
    assert_same(backwards(images(2)), expected(images(2), bgr=True))


def test_mean_and_deviation_are_of_pixels_from_0_to_1(tmp_path: Path) -> None:
    raw = build(write_model(tmp_path / "m.onnx"), mean=(0, 0, 0), std=(1 / 255,) * 3)
    shifted = build(write_model(tmp_path / "m.onnx"), mean=(1, 0.5, 0), std=(0.25, 0.5, 1))
    kernel = torch.tensor(weights())
    for backbone, inputs in (
        (raw, images(2).float()),
        (
            shifted,
            (images(2) / 255 - torch.tensor([1, 0.5, 0]).view(3, 1, 1))
            / torch.tensor([0.25, 0.5, 1]).view(3, 1, 1),
        ),
    ):
        assert_same(
            backbone(images(2)), functional.conv2d(inputs, kernel, stride=2).relu().mean((2, 3))
        )
    with pytest.raises(FacesimError, match="each must be greater than 0"):
        build(tmp_path / "m.onnx", std=(1, 0, 1))


def test_half_precision_comes_out_as_float32(tmp_path: Path) -> None:
    backbone = build(write_model(tmp_path / "m.onnx", kind=TensorProto.FLOAT16))
    embeddings = backbone(images(2))
    assert embeddings.dtype == torch.float32
    torch.testing.assert_close(embeddings, expected(images(2)), rtol=1e-2, atol=1e-2)


def test_another_content_has_another_key_and_another_place_has_not(tmp_path: Path) -> None:
    first = write_model(tmp_path / "m.onnx")
    key = trunk_key(build(first))
    moved = tmp_path / "moved.onnx"
    moved.write_bytes(first.read_bytes())
    assert trunk_key(build(moved)) == key
    assert trunk_key(build(moved, channels="bgr")) != key
    assert trunk_key(build(write_model(first, seed=1))) != key


def test_a_backbone_knows_its_model_by_its_place_and_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_model(tmp_path / "m.onnx")
    monkeypatch.chdir(tmp_path)
    backbone = build(Path("m.onnx"))
    (digest,) = backbone.trunk.state_dict().values()
    assert digest.dtype == torch.uint8
    assert bytes(digest.tolist()) == hashlib.sha256(file.read_bytes()).digest()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    open_model.cache_clear()
    assert_same(backbone(images(1)), expected(images(1)))


def test_the_state_of_another_content_is_refused(tmp_path: Path) -> None:
    first = build(write_model(tmp_path / "a.onnx"))
    second = build(write_model(tmp_path / "b.onnx", seed=1))
    with pytest.raises(RuntimeError, match=r"b\.onnx is not the model"):
        second.load_state_dict(first.state_dict())


def test_a_model_that_changes_while_it_is_used_is_refused(tmp_path: Path) -> None:
    file = write_model(tmp_path / "m.onnx")
    copied = pickle.loads(pickle.dumps(build(file)))
    write_model(file, seed=1)

    open_model.cache_clear()  # as in a process that opens it for the first time
    with pytest.raises(FacesimError, match="has changed since the run began"):
        copied(images(1))


def test_data_beside_the_model_is_read_and_counts_as_its_content(tmp_path: Path) -> None:
    file = write_model(tmp_path / "m.onnx", external="m.data")
    backbone = build(file)
    key = trunk_key(backbone)
    assert_same(backbone(images(2)), expected(images(2)))
    (tmp_path / "m.data").write_bytes((weights() * 2).tobytes())
    assert trunk_key(build(file)) != key
    assert_same(build(file)(images(2)), 2 * expected(images(2)))


@pytest.mark.parametrize("place", ["../m.data", "/etc/m.data", "link.data"])
def test_data_outside_of_the_folder_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "m.data").write_bytes(weights().tobytes())
    file = write_model(tmp_path / "inner" / "m.onnx", external=place)
    if place == "link.data":
        (tmp_path / "inner" / place).unlink()
        (tmp_path / "inner" / place).symlink_to(tmp_path / "m.data")
    with pytest.raises(FacesimError, match="outside of its folder"):
        build(file)


def test_data_that_is_missing_is_named(tmp_path: Path) -> None:
    file = write_model(tmp_path / "m.onnx", external="m.data")
    (tmp_path / "m.data").unlink()
    with pytest.raises(FacesimError, match=r"refers to 'm\.data', and there is no"):
        build(file)


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facesim_plugins.backbones._onnx_file._MAX_BYTES", 100)
    with pytest.raises(FacesimError, match="GiB are read"):
        build(write_model(tmp_path / "m.onnx"))
    file = write_model(tmp_path / "m.onnx", external="m.data")
    size = file.stat().st_size + (tmp_path / "m.data").stat().st_size
    monkeypatch.setattr("facesim_plugins.backbones._onnx_file._MAX_BYTES", size)
    assert build(file).features == FEATURES
    monkeypatch.setattr("facesim_plugins.backbones._onnx_file._MAX_BYTES", size - 1)
    with pytest.raises(FacesimError, match="with its data"):
        build(file)


def write_something(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def a_number(name: str) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])


@pytest.mark.parametrize(
    ("model", "parameters", "message"),
    [
        (
            {"last": "Identity", "embeddings": ("n", FEATURES, 1, 1)},
            {},
            r"'embeddings' of .* is tensor\(float\) \[\?, 5, 1, 1\]; .* a fixed D",
        ),
        ({"further": (a_number("age"),)}, {}, r"input_name is needed, one of: images, age"),
        ({"further": (a_number("age"),)}, {"input_name": "images"}, "takes more than images: age"),
        ({}, {"input_name": "image"}, r"no 'image' \(did you mean 'images'\?\); known: images"),
        ({}, {"output_name": "e"}, "no 'e'; known: embeddings"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_with_what_it_takes(
    tmp_path: Path, model: dict[str, Any], parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(FacesimError, match=message):
        build(write_model(tmp_path / "m.onnx", **model), **parameters)


@pytest.mark.parametrize(
    ("shape", "kind", "channels_last"),
    [
        ((None, 3, None, None), "float", False),
        ((1, 3, 8, 8), "float16", False),
        ((None, 3, 8, 3), "double", False),
        ((None, None, None, 3), "float", True),
        ((1, 8, 8, 3), "float", True),
        ((None, 3, 8, 8), "uint8", None),
        ((None, 8, 8, 3), "uint8", None),
        ((None, 1, 8, 8), "float", None),
        ((None, None, None, None), "float", None),
        ((None, 3), "float", None),
        ((None, 3, 64), "float", None),
        ((None, 3, 8, 8, 3), "float", None),
    ],
)
def test_images_are_four_dimensions_of_numbers_with_three_channels(
    shape: tuple[int | None, ...], kind: str, channels_last: bool | None
) -> None:
    port = Port("images", f"tensor({kind})", shape)
    if channels_last is not None:
        assert _is_channels_last(port, Path("m.onnx")) == channels_last
        return
    sizes = ", ".join("?" if size is None else str(size) for size in shape)
    takes = rf"'images' of m\.onnx is tensor\({kind}\) \[{re.escape(sizes)}\]; it must take"
    with pytest.raises(FacesimError, match=takes):
        _is_channels_last(port, Path("m.onnx"))


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match="there is no file"):
        build(tmp_path / "none.onnx")
    with pytest.raises(FacesimError, match="is not an ONNX model"):
        build(write_something(tmp_path / "m.onnx", b"garbage\x00\xff"))
    with pytest.raises(FacesimError, match="cannot be run"):
        build(write_something(tmp_path / "empty.onnx", b""))


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    file = write_model(tmp_path / "m.onnx")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PluginError, match=rf'the package {package}: pip install "facesim\[onnx\]"'):
        build(file)


def test_it_keeps_every_promise_also_at_one_size(tmp_path: Path) -> None:
    file = write_model(tmp_path / "m.onnx", images=(1, 3, 16, 16), embeddings=(1, FEATURES))
    check_plugin(backbones.spec("onnx", file=file))


@pytest.fixture
def measured(tmp_path: Path, experiment_on: Any) -> Experiment:
    """A model that is measured as it is."""
    file = write_model(tmp_path / "m.onnx", images=(1, 3, 32, 32), embeddings=(1, FEATURES))
    experiment: Experiment = experiment_on(
        {"name": "onnx", "file": str(file)},
        head="identity",
        train={"epochs": 0, "batch_size": 8},
        trunk_cache="float32",
    )
    return experiment


def test_an_existing_model_is_measured_by_the_same_protocol(
    measured: Experiment, tmp_path: Path
) -> None:
    run = Run.begin(measured, tmp_path / "runs")
    result = run.complete()
    baselines = json.loads((run.path / "eval" / "test" / "baselines.json").read_text())
    untouched = next(one for one in baselines if one["name"] == "untouched_backbone")
    # On the unit sphere minus the distance orders pairs as the cosine does.
    assert result.metrics["roc_auc"].value == pytest.approx(
        untouched["result"]["metrics"]["roc_auc"]["value"], abs=1e-6
    )
    assert Run.open(run.path).evaluate()[1] == result
    assert Run.open(run.path).complete() == result


def test_a_rehearsal_of_it_trains_nothing(measured: Experiment, tmp_path: Path) -> None:
    lines = dict(check_experiment(measured, tmp_path, Processes()).lines)
    assert lines["parameters"] == "0 trainable, 0 frozen"
    assert lines["run"] == "0 epochs, 0 steps"


def test_a_run_is_not_measured_with_another_model(measured: Experiment, tmp_path: Path) -> None:
    run = Run.begin(measured, tmp_path / "runs")
    run.complete()
    write_model(tmp_path / "m.onnx", images=(1, 3, 32, 32), embeddings=(1, FEATURES), seed=1)
    with pytest.raises(FacesimError, match="is not the model"):
        Run.open(run.path).evaluate()


def test_a_head_can_be_trained_on_its_embeddings(tmp_path: Path, experiment_on: Any) -> None:
    file = write_model(tmp_path / "m.onnx")
    experiment = experiment_on({"name": "onnx", "file": str(file)})
    result = Run.begin(experiment, tmp_path / "runs").complete()
    assert result.metrics["roc_auc"].value is not None


def test_the_identity_changes_the_length_at_most() -> None:
    features = torch.tensor(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32))
    assert torch.equal(heads.spec("identity", normalize=False).build(2)(features), features)
    scaled = heads.spec("identity").build(2)(features)
    torch.testing.assert_close(scaled, torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
