"""What every registered backbone promises, whatever part of it is frozen."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from facesim import Backbone, backbones

PARAMETERS: dict[str, dict[str, Any]] = {
    "resnet": {"depth": 18, "weights": "none"},
    "efficientnet_lite": {"weights": "none"},
    "small_cnn": {},
}
STAGES = {"resnet": 4, "efficientnet_lite": 8, "small_cnn": 4}
EVERY_BACKBONE = pytest.mark.parametrize("name", backbones.names())
EVERY_CUT = pytest.mark.parametrize(
    "frozen", ["nothing", "half", "all but one stage", "everything"]
)


def build(name: str, frozen: str = "half") -> Backbone:
    stages = STAGES[name]
    counts = {
        "nothing": 0,
        "half": stages // 2,
        "all but one stage": stages - 1,
        "everything": stages,
    }
    torch.manual_seed(0)
    return backbones.spec(name, **PARAMETERS[name], frozen_stages=counts[frozen]).build()


def images(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, 50, 42), dtype=torch.uint8, generator=generator)


def train(backbone: Backbone, steps: int = 3) -> None:
    backbone.train()
    readout = nn.Linear(backbone.features, 1)
    trained = [p for p in (*backbone.parameters(), *readout.parameters()) if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1)
    for step in range(steps):
        optimizer.zero_grad()
        readout(backbone(images(4, seed=step))).square().mean().backward()
        optimizer.step()


def moved(backbone: Backbone, part: nn.Module) -> set[str]:
    """Names of the parameters and buffers of a part that three training steps change."""
    before = {name: tensor.clone() for name, tensor in part.state_dict().items()}
    train(backbone)
    return {
        name for name, tensor in part.state_dict().items() if not torch.equal(tensor, before[name])
    }


@EVERY_BACKBONE
@EVERY_CUT
def test_features_are_one_row_of_the_stated_width_an_image(name: str, frozen: str) -> None:
    backbone = build(name, frozen).eval()
    for count in (1, 3):
        features = backbone(images(count))
        assert features.shape == (count, backbone.features)
        assert features.dtype == torch.float32


@EVERY_BACKBONE
@EVERY_CUT
def test_nothing_in_the_trunk_moves_in_training_not_even_batch_norm(name: str, frozen: str) -> None:
    backbone = build(name, frozen)
    assert not any(parameter.requires_grad for parameter in backbone.trunk.parameters())
    assert moved(backbone, backbone.trunk) == set()


@EVERY_BACKBONE
@EVERY_CUT
def test_everything_in_the_tail_moves_in_training(name: str, frozen: str) -> None:
    backbone = build(name, frozen)
    statistics = {name for name, _ in backbone.tail.named_buffers()}
    assert moved(backbone, backbone.tail) >= statistics
    gradients = {name: parameter.grad for name, parameter in backbone.tail.named_parameters()}
    assert all(gradient is not None and gradient.any() for gradient in gradients.values())


@EVERY_BACKBONE
@EVERY_CUT
def test_the_trunk_gives_the_same_in_training_as_in_use(name: str, frozen: str) -> None:
    backbone = build(name, frozen)
    in_use = backbone.eval().run_trunk(images(3))
    in_training = backbone.train().run_trunk(images(3))
    assert torch.equal(in_use, in_training)
    assert not in_training.requires_grad


@EVERY_BACKBONE
def test_an_image_has_the_same_features_in_any_batch(name: str) -> None:
    backbone = build(name).eval()
    alone = torch.cat([backbone(image[None]) for image in images(3)])
    torch.testing.assert_close(backbone(images(3)), alone, rtol=1e-3, atol=1e-4)


@EVERY_BACKBONE
def test_where_the_network_is_cut_does_not_change_its_features(name: str) -> None:
    whole = build(name, "nothing").eval()(images(2))
    for frozen in ("half", "all but one stage", "everything"):
        torch.testing.assert_close(build(name, frozen).eval()(images(2)), whole)


@EVERY_BACKBONE
def test_all_parts_are_kept_wherever_the_network_is_cut(name: str) -> None:
    sizes = {
        sum(tensor.numel() for tensor in build(name, frozen).state_dict().values())
        for frozen in ("nothing", "half", "all but one stage", "everything")
    }
    assert len(sizes) == 1


@EVERY_BACKBONE
def test_the_trunk_leaves_its_input_as_it_was(name: str) -> None:
    pixels = images(2)
    build(name).run_trunk(pixels)
    assert torch.equal(pixels, images(2))


@EVERY_BACKBONE
def test_the_tail_leaves_the_trunk_output_as_it_was(name: str) -> None:
    backbone = build(name)
    output = backbone.run_trunk(images(4))
    kept = output.clone()
    backbone.train().tail(output)
    assert torch.equal(output, kept)


@EVERY_BACKBONE
def test_random_weights_come_from_the_global_generator(name: str) -> None:
    first, again = build(name).state_dict(), build(name).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)


@EVERY_BACKBONE
def test_state_survives_a_round_trip(name: str) -> None:
    trained = build(name)
    train(trained)
    fresh = build(name)
    fresh.load_state_dict(trained.state_dict())
    assert torch.equal(trained.eval()(images(2)), fresh.eval()(images(2)))
