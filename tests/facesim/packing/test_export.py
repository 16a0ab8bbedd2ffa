"""Networks and scores as ONNX."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from facesim import PluginError, losses
from facesim.errors import FacesimError
from facesim.interfaces.head import ModuleHead
from facesim.model.build import build_network
from facesim.model.network import SiameseNetwork
from facesim.packing.export import export_network, export_score
from facesim.verifier.onnx_network import OnnxNetwork, OnnxScore
from tests.facesim.packing.small_run import SIZE, small_experiment

PEOPLE = 1237


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> SiameseNetwork:
    experiment = small_experiment(tmp_path_factory.mktemp("export"))
    return build_network(experiment, PEOPLE, torch.device("cpu"))


@pytest.fixture(scope="module")
def exported(network: SiameseNetwork) -> bytes:
    return export_network(network, SIZE)


@pytest.mark.parametrize("images", [1, 2, 7])
def test_it_embeds_any_number_of_images_as_the_network_does(
    network: SiameseNetwork, exported: bytes, images: int
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (images, 3, *SIZE), np.uint8)
    with torch.inference_mode():
        expected = network.eval().head(network.backbone(torch.from_numpy(pixels))).numpy()
    found = OnnxNetwork(exported, "network.onnx").run(pixels)
    assert found == pytest.approx(expected, abs=1e-6)
    assert np.abs(expected).max() > 1e-3


def test_exporting_it_leaves_the_loss_in_its_mode(network: SiameseNetwork) -> None:
    network.train()
    export_score(network.loss, 4)
    assert network.loss.training


def test_nothing_of_the_code_or_the_machine_is_in_the_file(exported: bytes) -> None:
    for told in (b"stack_trace", b"File ", b".py", str(Path.cwd()).encode(), b"facesim"):
        assert told not in exported


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("contrastive", {}),
        ("bce_distance", {"scale": 3.0}),
        ("learned", {"hidden": (8, 8)}),
        ("arcface", {}),
        ("pml", {"loss": "ProxyAnchorLoss"}),
    ],
)
def test_every_score_is_that_of_its_loss_and_holds_no_weight_of_a_person(
    name: str, given: dict[str, Any]
) -> None:
    loss = losses.spec(name, **given).build(6, PEOPLE).eval()
    content = export_score(loss, 6)
    score = OnnxScore(content, "score.onnx")
    for pairs in (0, 1, 300):
        a, b = torch.randn(2, pairs, 6)
        with torch.no_grad():
            expected = loss.score(a, b).numpy()
        assert score.run(a.numpy(), b.numpy()) == pytest.approx(expected, abs=1e-5)
    held = [list(each.dims) for each in onnx.load_from_string(content).graph.initializer]
    assert not any(PEOPLE in dims for dims in held)
    has_proxies = any(PEOPLE in each.shape for each in loss.parameters())
    assert has_proxies == (name in ("arcface", "pml"))


class Looks(nn.Module):
    """Decides by the content of a tensor, which no graph can follow."""

    def forward(self, features: Tensor) -> Tensor:
        return features if features.sum().item() > 0 else -features


def test_a_network_that_cannot_be_exported_is_told_with_what_can_be_done(
    network: SiameseNetwork,
) -> None:
    looking = SiameseNetwork(network.backbone, ModuleHead(Looks()), network.loss, 16)
    with pytest.raises(FacesimError) as refused:
        export_network(looking, SIZE)
    said = str(refused.value)
    assert said.startswith("the network cannot be exported as ONNX: ")
    assert said.endswith("`--format torch` packs the network as it is")
    assert "\n" not in said


def test_the_missing_package_is_named_with_the_extra(
    network: SiameseNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(PluginError, match=r'onnxscript: pip install "facesim\[pack\]"'):
        export_score(network.loss, 4)
