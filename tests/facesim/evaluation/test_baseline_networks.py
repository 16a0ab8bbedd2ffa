import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from facesim.discovery import load_installed_plugins
from facesim.evaluation.baseline_networks import raw_pixels, untouched_backbone
from facesim.experiment.schema import Experiment
from facesim.model.build import build_network
from facesim.model.network import NetworkInput

CPU = torch.device("cpu")


def pictures(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)


def naive_correlation(first: Tensor, second: Tensor) -> float:
    """Pearson's correlation of the grey values of two pictures."""
    rows = []
    for picture in (first, second):
        red, green, blue = picture.double().flatten(1).tolist()
        grey = [0.299 * r + 0.587 * g + 0.114 * b for r, g, b in zip(red, green, blue, strict=True)]
        mean = sum(grey) / len(grey)
        rows.append([value - mean for value in grey])
    a, b = rows
    product = sum(x * y for x, y in zip(a, b, strict=True))
    return float(product / (math.hypot(*a) * math.hypot(*b)))


def test_raw_pixels_score_by_the_correlation_of_grey_values() -> None:
    network, images = raw_pixels(CPU).eval(), pictures(6)
    images[1] = images[0] // 2 + 60  # darker and flatter
    embeddings = network(NetworkInput(images, "pixels")).embeddings
    scores = network.loss.score(embeddings[0:6:2], embeddings[1:6:2])
    expected = [naive_correlation(images[i], images[i + 1]) for i in (0, 2, 4)]
    assert scores.tolist() == pytest.approx(expected, abs=1e-4)
    assert scores[0] > 0.999


def test_a_picture_of_one_grey_is_like_no_other() -> None:
    network = raw_pixels(CPU).eval()
    images = pictures(2)
    images[0] = 128
    embeddings = network(NetworkInput(images, "pixels")).embeddings
    assert network.loss.score(embeddings[:1], embeddings[1:]).abs() < 1e-3


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    load_installed_plugins()
    faces = {"name": "synthetic_faces", "identities": 2, "size": 32, "root": str(tmp_path)}
    return Experiment.model_validate(
        {
            "name": "t",
            "seed": 3,
            "data": {"train": faces, "val": faces, "test": faces},
            "backbone": {"name": "small_cnn", "width": 4},
            "head": "linear",
            "sampler": {"name": "random_pairs", "pairs_per_image": 1.0},
            "loss": "contrastive",
            "optimizer": "adam",
            "train": {"epochs": 1, "batch_size": 2},
        }
    )


def test_the_untouched_backbone_is_the_one_that_training_begins_with(
    experiment: Experiment,
) -> None:
    before = torch.get_rng_state()
    untouched = untouched_backbone(experiment, CPU).eval()
    assert torch.equal(torch.get_rng_state(), before)
    trained = build_network(experiment, 2, CPU).eval()
    images = pictures(4)
    embeddings = untouched(NetworkInput(images, "pixels")).embeddings
    assert torch.equal(embeddings, trained.backbone(images))
    assert untouched.embedding_dim == trained.backbone.features
