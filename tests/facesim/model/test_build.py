"""What does not fit together is refused before anything runs, with what to write."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from facesim import IMAGENET, Backbone, FacesimError, backbones
from facesim.discovery import load_installed_plugins
from facesim.evaluation.baselines import untouched_backbone
from facesim.experiment.schema import Experiment
from facesim.model.build import build_network
from facesim.model.network import NetworkInput

CPU = torch.device("cpu")


def experiment(root: Path, **changes: Any) -> Experiment:
    load_installed_plugins()
    faces = {"name": "synthetic_faces", "identities": 2, "size": 32, "root": str(root)}
    return Experiment.model_validate(
        {
            "name": "t",
            "data": {"train": faces, "val": faces, "test": faces},
            "image": {"size": (32, 32)},
            "backbone": {"name": "small_cnn", "width": 4},
            "head": "linear",
            "sampler": {"name": "random_pairs", "pairs_per_image": 1.0},
            "loss": "contrastive",
            "optimizer": "adam",
            "train": {"epochs": 1, "batch_size": 2},
            **changes,
        }
    )


def test_a_head_that_pools_needs_maps(tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match=r"'gem' pools .* write `pooling: none` under backbone"):
        build_network(experiment(tmp_path, head="gem"), 2, CPU)


def test_maps_need_a_head_that_pools(tmp_path: Path) -> None:
    unpooled = {"name": "small_cnn", "width": 4, "pooling": "none"}
    with pytest.raises(FacesimError, match=r"leave `pooling: none` out under backbone, .* \(gem\)"):
        build_network(experiment(tmp_path, backbone=unpooled), 2, CPU)


def test_a_backbone_without_the_choice_is_not_told_to_make_it(tmp_path: Path) -> None:
    with backbones.isolated():

        @backbones("grey")
        def grey() -> Backbone:
            return Backbone(nn.Identity(), nn.Flatten(), 3072, IMAGENET)

        wanted = experiment(tmp_path, backbone="grey", head="gem")
        with pytest.raises(FacesimError, match="choose a backbone that can leave them"):
            build_network(wanted, 2, CPU)


@pytest.mark.parametrize("frozen_stages", [0, 2, 4])
def test_maps_and_a_head_that_pools_fit(tmp_path: Path, frozen_stages: int) -> None:
    unpooled = {
        "name": "small_cnn", "width": 4, "pooling": "none", "frozen_stages": frozen_stages
    }  # fmt: skip
    wanted = experiment(tmp_path, backbone=unpooled, head={"name": "gem", "out_dim": 5})
    network = build_network(wanted, 2, CPU).eval()
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    assert network.backbone(images).shape == (3, 32, 2, 2)
    inputs = NetworkInput(images, "pixels")
    assert network(inputs).embeddings.shape == (3, network.embedding_dim) == (3, 5)
    maps = network.backbone(images)
    untouched = untouched_backbone(wanted, CPU).eval()(inputs).embeddings
    torch.testing.assert_close(untouched, maps.mean((2, 3)))


def test_images_of_another_size_than_the_only_one_are_refused(tmp_path: Path) -> None:
    with backbones.isolated():

        @backbones("fixed")
        def fixed() -> Backbone:
            return Backbone(nn.Identity(), nn.Flatten(), 588, IMAGENET, image_size=(14, 14))

        fits = experiment(tmp_path, backbone="fixed", image={"size": (14, 14)})
        assert build_network(fits, 2, CPU).embedding_dim == 16
        with pytest.raises(FacesimError, match=r"write `image: \{size: \[14, 14\]\}`"):
            build_network(experiment(tmp_path, backbone="fixed"), 2, CPU)


def test_images_too_small_for_the_network_are_refused(tmp_path: Path) -> None:
    tried = experiment(
        tmp_path,
        backbone={"name": "torchvision", "model": "alexnet", "weights": "none"},
        image={"size": (16, 16)},
    )
    with pytest.raises(
        FacesimError,
        match=r"does not take images of 16 x 16 pixels \(height x width\).*larger image",
    ):
        build_network(tried, 2, CPU)


def test_weights_follow_the_seed_of_the_experiment_and_nothing_else(tmp_path: Path) -> None:
    def weights(seed: int, state_before: int) -> torch.Tensor:
        torch.manual_seed(state_before)
        network = build_network(experiment(tmp_path, seed=seed), 2, CPU)
        return torch.cat([each.detach().flatten() for each in network.parameters()])

    assert torch.equal(weights(1, 0), weights(1, 5))
    assert not torch.equal(weights(1, 0), weights(2, 0))
