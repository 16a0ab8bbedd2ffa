"""What a trained system costs to use."""

import statistics
import time

import torch

from facesim.experiment.schema import Experiment
from facesim.model.network import SiameseNetwork
from facesim.training.build import RunComponents

_PASSES = 5


def costs_of(prepared: RunComponents, names: set[str]) -> dict[str, float]:
    """The costs of these names, each under ``cost.NAME``."""
    measured: dict[str, float] = {}
    if "parameters" in names:
        parameters = prepared.network.parameters()
        measured["cost.parameters"] = float(sum(each.numel() for each in parameters))
    if "milliseconds_per_image" in names:
        took = milliseconds_per_image(prepared.network, prepared.experiment)
        measured["cost.milliseconds_per_image"] = took
    return measured


def milliseconds_per_image(network: SiameseNetwork, experiment: Experiment) -> float:
    """How long one image takes from pixels to embedding, in batches as evaluation makes them.

    The median of several passes over one batch of noise, after one that does not count. Other
    work on the machine makes it larger.
    """
    device = network.device
    batch = experiment.evaluate.batch_size
    images = torch.randint(0, 256, (batch, 3, *experiment.image.size), dtype=torch.uint8)
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        seconds = [_timed(network, images.to(device)) for _ in range(1 + _PASSES)][1:]
    network.train(was_training)
    return 1000 * statistics.median(seconds) / batch


def _timed(network: SiameseNetwork, images: torch.Tensor) -> float:
    began = time.perf_counter()
    network(images).sum().item()  # reading a number waits for the device
    return time.perf_counter() - began
