"""Engines with folded copies: same images, same bits; close to eager; weights of their own."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from facesim.errors import FacesimError
from facesim.interfaces import IMAGENET, Backbone
from facesim.model import folded_engines
from facesim.model.cache_admin import EngineName
from facesim.model.folded_engines import ENGINES, FoldedEngine, why_unavailable
from facesim.model.onnx_export import to_onnx
from facesim.model.trunk_engine import EagerEngine

SIZE = (20, 16)
CPU = torch.device("cpu")
IMAGES = torch.randint(
    0, 256, (70, 3, *SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)


class Feature(nn.Module):
    """Features [B, 13], of a sigmoid, whose vector code has a tail."""

    def forward(self, maps: Tensor) -> Tensor:
        return torch.sigmoid(maps.amax((2, 3)))


def make_backbone(*further: nn.Module) -> Backbone:
    """A trunk of 13 maps, which no vector register holds, and moved BatchNorm statistics."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        normalised = nn.BatchNorm2d(13)
        normalised.running_mean = torch.randn(13)
        normalised.running_var = torch.rand(13) + 0.5
        trunk = nn.Sequential(
            nn.Conv2d(3, 13, 3, stride=2), normalised, nn.ReLU(), nn.Conv2d(13, 13, 1), *further
        )
        return Backbone(trunk, nn.Identity(), 13, IMAGENET).to(memory_format=torch.channels_last)


@cache
def built(name: EngineName, *, flat: bool) -> tuple[Backbone, FoldedEngine]:
    """Compiling takes seconds: once for all tests."""
    torch.manual_seed(1)
    backbone = make_backbone(*([Feature()] if flat else []))
    return backbone, ENGINES[name](backbone, SIZE)


def require(name: EngineName) -> None:
    """Skip where the engine cannot run."""
    if (reason := why_unavailable(name, CPU)) is not None:
        pytest.skip(reason)


@pytest.fixture(params=["onnxruntime", "compiled"])
def name(request: pytest.FixtureRequest) -> EngineName:
    found: EngineName = request.param
    require(found)
    return found


@pytest.mark.parametrize("flat", [False, True])
def test_the_output_is_close_to_eager_and_lies_as_eagers_does(
    name: EngineName, *, flat: bool
) -> None:
    backbone, engine = built(name, flat=flat)
    expected = EagerEngine(backbone).run(IMAGES)
    output = engine.run(IMAGES)
    torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-5)
    assert output.stride() == expected.stride()


@pytest.mark.parametrize("flat", [False, True])
def test_an_image_has_the_same_bits_at_every_place_of_every_block(
    name: EngineName, *, flat: bool
) -> None:
    _, engine = built(name, flat=flat)
    output = engine.run(IMAGES)
    for count in (1, 5, 32, 33, 70):
        order = torch.randperm(len(IMAGES))[:count]
        assert torch.equal(engine.run(IMAGES[order]), output[order])


def test_threads_get_the_same_bits(name: EngineName) -> None:
    _, engine = built(name, flat=False)
    expected, found = engine.run(IMAGES), []
    threads = [threading.Thread(target=lambda: found.append(engine.run(IMAGES))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(torch.equal(each, expected) for each in found)


def test_passes_that_are_under_way_together_have_the_bits_of_one_at_a_time(
    name: EngineName,
) -> None:
    _, engine = built(name, flat=False)
    expected = engine.run(IMAGES)
    with ThreadPoolExecutor(2) as pool:
        waits = [engine.start(part, pool) for part in torch.split(IMAGES, engine.block)]
        assert torch.equal(torch.cat([wait() for wait in reversed(waits)][::-1]), expected)
        assert torch.equal(waits[0](), expected[: engine.block])  # asked once more


def test_the_callers_modes_change_no_bit_and_the_output_can_be_trained_on(
    name: EngineName,
) -> None:
    _, engine = built(name, flat=False)
    expected = engine.run(IMAGES)
    with torch.inference_mode():
        assert torch.equal(engine.run(IMAGES), expected)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(engine.run(IMAGES), expected)
    weight = torch.ones(13, 1, 1, requires_grad=True)
    torch.autograd.backward((engine.run(IMAGES) * weight).sum())
    assert weight.grad is not None


def test_the_backbone_is_as_before_and_later_weights_of_it_change_nothing(
    name: EngineName,
) -> None:
    backbone = make_backbone()
    before = {key: tensor.clone() for key, tensor in backbone.state_dict().items()}
    state = torch.random.get_rng_state()
    engine = ENGINES[name](backbone, SIZE)
    output = engine.run(IMAGES)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(backbone.state_dict()[key], each) for key, each in before.items())
    with torch.no_grad():
        for parameter in backbone.trunk.parameters():
            parameter.mul_(2)
    assert torch.equal(engine.run(IMAGES), output)


def test_batchnorm_is_folded_for_onnxruntime() -> None:
    require("onnxruntime")
    onnx = pytest.importorskip("onnx")
    trunk = folded_engines._Trunk(make_backbone(), "float32").eval()
    model = onnx.load_from_string(to_onnx(trunk, {"images": IMAGES[:32]}, "output"))
    operators = [node.op_type for node in model.graph.node]
    assert operators.count("Conv") == 2
    assert "BatchNormalization" not in operators


def test_batchnorm_is_folded_by_the_compiler() -> None:
    require("compiled")
    from torch._dynamo.utils import counters

    counters.clear()
    ENGINES["compiled"](make_backbone(), SIZE).prepare()
    assert counters["inductor"]["binary_folding"] >= 1


def test_bfloat16_is_compiled_in() -> None:
    require("compiled")
    backbone = make_backbone()
    engine = ENGINES["compiled"](backbone, SIZE, "bfloat16")
    with torch.autocast("cpu", torch.bfloat16):
        expected = EagerEngine(backbone).run(IMAGES)
    output = engine.run(IMAGES)
    assert output.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(output, expected, rtol=0.05, atol=0.1)
    assert why_unavailable("onnxruntime", CPU, "bfloat16") == "it does not compute in bfloat16"


class Branch(nn.Module):
    """What no exporter can follow."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps + 1 if maps.sum() > 0 else maps


def test_a_trunk_that_cannot_be_exported_is_an_error_that_says_why(name: EngineName) -> None:
    engine = ENGINES[name](make_backbone(Branch()), SIZE)
    with pytest.raises(FacesimError, match=f"^{name} cannot run the trunk: it cannot be "):
        engine.run(IMAGES)


def test_versions_are_known_before_anything_is_made(
    name: EngineName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.export, "export", None)
    engine = ENGINES[name](make_backbone(), SIZE)
    assert engine.versions.startswith(f"{name} 1 ")
    assert torch.__version__.split("+")[0] in engine.versions


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import config as inductor_config

    assert why_unavailable("onnxruntime", torch.device("cuda")) == "it runs on the CPU only"
    assert why_unavailable("compiled", torch.device("mps")) == "it does not run on mps"
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    reason = why_unavailable("onnxruntime", CPU)
    assert reason == 'it needs the package onnxscript: pip install "facesim[onnxruntime]"'
    # Not by monkeypatch, which would take the setting away where it restores it.
    with inductor_config.patch({"cpp.cxx": ("no-such-compiler",)}):
        reason = why_unavailable("compiled", CPU)
    assert reason is not None
    assert "C++ compiler: install g++" in reason
