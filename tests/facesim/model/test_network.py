"""The network is one module that is called, from pixels or from the trunk's cached output."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facesim.interfaces import Backbone, Loss, ModuleHead, PairBatch
from facesim.model.folded_engines import FoldedEngine
from facesim.model.network import NetworkInput, NetworkOutput, SiameseNetwork
from facesim.model.trunk_engine import EagerEngine

CPU = torch.device("cpu")


class MeanDistance(Loss):
    """Remembers in which type its embeddings came."""

    seen: torch.dtype | None = None

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        self.seen = embeddings.dtype
        return -self.score(*batch.gather(embeddings)).mean()

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        distance: Tensor = (a - b).norm(dim=1)
        return -distance


@pytest.fixture
def network(backbone: Backbone) -> SiameseNetwork:
    torch.manual_seed(1)
    return SiameseNetwork(backbone, ModuleHead(nn.Linear(4, 3)), MeanDistance(), 3).eval()


@pytest.fixture
def pixels() -> NetworkInput:
    generator = torch.Generator().manual_seed(2)
    images = torch.randint(0, 256, (40, 3, 20, 16), dtype=torch.uint8, generator=generator)
    return NetworkInput(images, "pixels")


@pytest.fixture
def batch() -> PairBatch:
    rows = np.arange(40).reshape(20, 2)
    return PairBatch.of_pairs(rows, np.arange(40) // 4)


def test_pixels_and_the_trunks_output_for_them_give_the_same_bits(
    network: SiameseNetwork, pixels: NetworkInput, batch: PairBatch
) -> None:
    output = EagerEngine(network.backbone).run(pixels.values)
    from_pixels = network(pixels, batch)
    from_output = network(NetworkInput(output, "trunk_output"), batch)
    assert torch.equal(from_pixels.embeddings, from_output.embeddings)
    assert torch.equal(from_pixels.loss, from_output.loss)


def test_the_trunks_output_may_be_half_precision_and_embeddings_are_float32(
    network: SiameseNetwork, pixels: NetworkInput
) -> None:
    half = EagerEngine(network.backbone).run(pixels.values).half()
    embeddings, loss = network(NetworkInput(half, "trunk_output"))
    assert (embeddings.dtype, tuple(embeddings.shape), loss) == (torch.float32, (40, 3), None)
    expected = network(NetworkInput(half.float(), "trunk_output")).embeddings
    assert torch.equal(embeddings, expected)


def test_the_loss_is_that_of_the_embeddings_and_the_batch(
    network: SiameseNetwork, pixels: NetworkInput, batch: PairBatch
) -> None:
    embeddings, loss = network(pixels, batch)
    assert torch.equal(loss, network.loss(embeddings, batch))


def test_under_autocast_tail_and_head_compute_in_bfloat16_and_the_loss_in_float32(
    network: SiameseNetwork, pixels: NetworkInput, batch: PairBatch
) -> None:
    computed_in: list[torch.dtype] = []
    network.head.register_forward_hook(lambda *seen: computed_in.append(seen[2].dtype))
    with torch.autocast("cpu", torch.bfloat16):
        output: NetworkOutput = network(pixels, batch)
        assert torch.is_autocast_enabled("cpu")
    assert computed_in == [torch.bfloat16]
    assert network.loss.seen == torch.float32
    assert output.embeddings.dtype == torch.float32
    assert output.loss is not None
    assert torch.equal(output.loss, network.loss(output.embeddings, batch))


def test_gradients_reach_tail_head_and_never_the_trunk(
    network: SiameseNetwork, pixels: NetworkInput, batch: PairBatch
) -> None:
    network.train()
    network(pixels, batch).loss.backward()
    for part in (network.backbone.tail, network.head):
        weights = [p for p in part.parameters() if p.ndim > 1]  # no distance depends on a bias
        assert all(p.grad is not None and p.grad.any() for p in weights)
    assert all(p.grad is None for p in network.backbone.trunk.parameters())


@pytest.fixture
def _eager_backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.mark.usefixtures("_eager_backend")
def test_the_whole_network_can_be_traced_by_a_compiler(
    network: SiameseNetwork, pixels: NetworkInput, batch: PairBatch
) -> None:
    graphs: list[Any] = []

    def backend(graph: Any, _examples: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    expected = network(pixels, batch)
    compiled = torch.compile(network, backend=backend)
    found = compiled(pixels, batch)
    assert graphs
    assert torch.equal(found.embeddings, expected.embeddings)
    assert torch.equal(found.loss, expected.loss)


def test_an_input_knows_its_length_and_keeps_its_kind_on_another_device(
    pixels: NetworkInput,
) -> None:
    assert len(pixels) == 40
    moved = pixels.to(torch.device("meta"))
    assert (moved.kind, moved.values.device.type) == ("pixels", "meta")


def test_the_trained_state_leaves_the_trunk_out_and_goes_back(
    network: SiameseNetwork, pixels: NetworkInput
) -> None:
    state = {name: tensor.clone() for name, tensor in network.trained_state().items()}
    assert not any(name.startswith("backbone.trunk.") for name in state)
    expected = network(pixels).embeddings
    torch.nn.init.zeros_(next(network.head.parameters()))
    assert not torch.equal(network(pixels).embeddings, expected)
    network.load_trained_state(state)
    assert torch.equal(network(pixels).embeddings, expected)


def test_another_trunk_state_is_another_digest(network: SiameseNetwork) -> None:
    before, fingerprint = network.trunk_digest, network.trunk_fingerprint
    state = {name: tensor + 1 for name, tensor in network.backbone.trunk.state_dict().items()}
    network.load_trunk_state(state)
    assert network.trunk_digest != before
    assert network.trunk_fingerprint.weights == network.trunk_digest != fingerprint.weights


class Black(FoldedEngine):
    """Gives zeros, as if it had been made of another trunk."""

    name = "compiled"

    @staticmethod
    def _packages() -> str:
        return "black 1"

    def _make(self, trunk: nn.Module, images: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda block: torch.zeros_like(trunk(block))


def test_another_trunk_state_is_not_run_by_an_engine_that_holds_the_one_of_before(
    network: SiameseNetwork, pixels: NetworkInput
) -> None:
    expected = network(pixels).embeddings
    network.engine = Black(network.backbone, (20, 16))
    assert not torch.equal(network(pixels).embeddings, expected)
    network.load_trunk_state(network.backbone.trunk.state_dict())
    assert torch.equal(network(pixels).embeddings, expected)


def test_a_deep_copy_shares_the_engine_and_trains_its_own_weights(
    network: SiameseNetwork, pixels: NetworkInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    network.engine = Black(network.backbone, (20, 16))
    network.compile_for_training()
    copied = copy.deepcopy(network).train()
    assert copied.engine is network.engine
    with torch.no_grad():
        for name, parameter in copied.head.named_parameters():
            parameter.fill_(2.0 if "bias" in name else 0.0)
    assert (copied(pixels).embeddings == 2.0).all()


def test_parameters_are_grouped_by_part_and_frozen_ones_are_in_no_group(
    network: SiameseNetwork,
) -> None:
    groups = network.parameter_groups()
    assert [group["name"] for group in groups] == ["tail", "head"]
    listed = [id(p) for group in groups for p in group["params"]]
    assert listed == [
        id(p) for part in (network.backbone.tail, network.head) for p in part.parameters()
    ]
    trained, frozen = network.count_parameters()
    assert trained == sum(p.numel() for group in groups for p in group["params"])
    assert frozen == sum(p.numel() for p in network.backbone.trunk.parameters())


def test_the_parameters_of_a_loss_are_trained_as_a_group_of_their_own(
    network: SiameseNetwork,
) -> None:
    network.loss.scale = nn.Parameter(torch.ones(2))
    groups = {group["name"]: group["params"] for group in network.parameter_groups()}
    assert list(groups) == ["tail", "head", "loss"]
    assert groups["loss"] == [network.loss.scale]
