"""The network of a pack, run by torch."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pytest
import torch
from pydantic import Field
from torch import nn

from facesim import IMAGENET, Backbone, DataError, Normalization, backbones
from facesim.arrays import Float32Array
from facesim.model.network import NetworkInput, SiameseNetwork
from facesim.packing.torch_network import TorchNetwork, weights_of
from facesim.runs.evaluation import load_trained
from facesim.runs.run import Run
from tests.facesim.packing.small_run import SIZE

PIXELS = np.random.default_rng(0).integers(0, 256, (19, 3, *SIZE), np.uint8)
GREY = Normalization((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def embedded(network: SiameseNetwork) -> Float32Array:
    inputs = NetworkInput(torch.from_numpy(PIXELS), "pixels")
    with torch.inference_mode():
        return network.eval()(inputs).embeddings.numpy()  # type: ignore[no-any-return]


@pytest.fixture
def run(train_run: Callable[..., Run]) -> Run:
    return train_run()


@pytest.fixture
def network(run: Run) -> SiameseNetwork:
    return load_trained(run.directory, run.experiment, "best")


def test_it_embeds_as_the_network_does(run: Run, network: SiameseNetwork) -> None:
    packed = TorchNetwork(run.path / "experiment.yaml", weights_of(network))
    assert packed.run(PIXELS) == pytest.approx(embedded(network), abs=1e-6)


def test_the_file_holds_no_weight_of_the_loss(train_run: Callable[..., Run]) -> None:
    run = train_run("loss={name: arcface}")
    network = load_trained(run.directory, run.experiment, "best")
    assert any(name.startswith("loss.") for name in network.state_dict())
    assert b"loss." not in weights_of(network)


def test_weights_of_another_network_are_refused(run: Run, network: SiameseNetwork) -> None:
    network.head = nn.Linear(3, 4)  # type: ignore[assignment]
    with pytest.raises(DataError, match="the weights do not fit"):
        TorchNetwork(run.path / "experiment.yaml", weights_of(network))
    with pytest.raises(DataError, match="the weights do not fit"):
        TorchNetwork(run.path / "experiment.yaml", b"no safetensors")


@pytest.fixture
def unloaded() -> Iterator[list[str]]:
    """What a backbone with pretrained weights was built with, each time."""
    built: list[str] = []
    with backbones.isolated():

        @backbones("pretrained")
        def pretrained(
            *,
            weights: Annotated[
                Literal["none"] | Path, Field(description="none, or a file")
            ] = "none",
        ) -> Backbone:
            """A backbone that begins with the weights of a file, and their normalisation."""
            built.append(str(weights))
            layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            return Backbone(nn.Identity(), layers, 8, IMAGENET if weights == "none" else GREY)

        yield built


def test_weights_that_training_began_with_are_not_read_again(
    unloaded: list[str], train_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = train_run(f"backbone={{name: pretrained, weights: {tmp_path / 'begin.pt'}}}")
    network = load_trained(run.directory, run.experiment, "best")
    unloaded.clear()
    packed = TorchNetwork(run.path / "experiment.yaml", weights_of(network))
    assert unloaded == ["none"]
    assert packed.run(PIXELS) == pytest.approx(embedded(network), abs=1e-6)
