"""The network of a pack, run by torch."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pytest
import torch
from pydantic import Field
from torch import nn

from facesim import (
    IMAGENET,
    Backbone,
    DataError,
    FacesimError,
    Head,
    Normalization,
    backbones,
    heads,
)
from facesim.arrays import Float32Array
from facesim.model.network import NetworkInput, SiameseNetwork
from facesim.packing.torch_network import TorchNetwork, weights_of
from facesim.runs.evaluation import load_trained
from facesim.runs.run import Run
from tests.facesim.packing.small_run import SIZE, SMALL

PIXELS = np.random.default_rng(0).integers(0, 256, (19, 3, *SIZE), np.uint8)
GREY = Normalization((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def embedded(network: SiameseNetwork) -> Float32Array:
    inputs = NetworkInput(torch.from_numpy(PIXELS), "pixels")
    with torch.inference_mode():
        return network.eval()(inputs).embeddings.numpy()  # type: ignore[no-any-return]


def packed_network(run: Run, weights: bytes) -> TorchNetwork:
    file = run.path / "experiment.yaml"
    return TorchNetwork(file, file.read_bytes(), weights)


@pytest.fixture
def run(train_run: Callable[..., Run]) -> Run:
    return train_run()


@pytest.fixture
def network(run: Run) -> SiameseNetwork:
    return load_trained(run.directory, run.experiment, "best")


def test_it_embeds_as_the_network_does(run: Run, network: SiameseNetwork) -> None:
    packed = packed_network(run, weights_of(network))
    assert packed.run(PIXELS) == pytest.approx(embedded(network), abs=1e-6)


def test_the_file_holds_no_weight_of_the_loss(train_run: Callable[..., Run]) -> None:
    run = train_run("loss={name: arcface}")
    network = load_trained(run.directory, run.experiment, "best")
    assert any(name.startswith("loss.") for name in network.state_dict())
    assert b"loss." not in weights_of(network)


def test_weights_of_another_network_are_refused(run: Run, network: SiameseNetwork) -> None:
    network.head = nn.Linear(3, 4)  # type: ignore[assignment]
    with pytest.raises(DataError, match="the weights do not fit"):
        packed_network(run, weights_of(network))
    with pytest.raises(DataError, match="the weights do not fit"):
        packed_network(run, b"no safetensors")


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
    packed = packed_network(run, weights_of(network))
    assert unloaded == ["none"]
    assert packed.run(PIXELS) == pytest.approx(embedded(network), abs=1e-6)


def test_the_content_that_was_checked_is_what_is_built(
    run: Run, network: SiameseNetwork, tmp_path: Path
) -> None:
    """What is at its place now is somebody else's, and is not looked at."""
    content, place = (run.path / "experiment.yaml").read_bytes(), tmp_path / "experiment.yaml"
    place.write_text("backbone: another")
    packed = TorchNetwork(place, content, weights_of(network))
    assert packed.run(PIXELS) == pytest.approx(embedded(network), abs=1e-6)


@pytest.fixture
def filed() -> Iterator[None]:
    """A backbone of a file, and a head of several."""
    with backbones.isolated(), heads.isolated():

        @backbones("filed")
        def backbone(*, file: Annotated[Path, Field(description="its file")]) -> Backbone:
            """A backbone that reads a file."""
            raise AssertionError(file.read_text())

        @heads("filed")
        def head(
            features: int, *, files: Annotated[tuple[Path, ...], Field(description="its files")]
        ) -> Head:
            """A head that reads files."""
            raise AssertionError(files)

        yield


@pytest.mark.usefixtures("filed")
@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("{name: small_cnn, width: 4}", "{name: filed, file: a}", "backbone filed: file names a"),
        ("{name: mlp, fc_dim: 8, out_dim: 4}", "{name: filed, files: [a]}", "head filed: files na"),
    ],
)
def test_a_part_that_reads_a_file_is_refused(
    tmp_path: Path, before: str, after: str, said: str
) -> None:
    text = SMALL.replace(before, after)
    with pytest.raises(FacesimError, match=said) as refused:
        TorchNetwork(tmp_path / "experiment.yaml", text.encode(), b"")
    assert "\n" not in str(refused.value)


def test_a_list_of_what_was_excluded_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    monkeypatch.setattr("facesim.experiment.loading.read_exclusion", opened.append)
    text = SMALL.replace("data:\n", "data:\n  exclude: /secret.csv\n")
    with pytest.raises(FacesimError, match="exclude"):
        TorchNetwork(tmp_path / "experiment.yaml", text.encode(), b"")
    assert opened == []
