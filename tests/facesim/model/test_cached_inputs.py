"""Training from the cache is training without it."""

from pathlib import Path

import pytest
import torch

from facesim.experiment.loading import load_experiment
from facesim.runs.run import Run
from facesim.training.checkpoint import read_checkpoint

EXPERIMENT = """
name: cached
data:
  train: {{name: synthetic_faces, identities: 8, images_per_identity: 6, size: 24}}
  val: {{name: synthetic_faces, identities: 8, images_per_identity: 6, first_identity: 8, size: 24}}
  test: {{name: synthetic_faces, identities: 8, images_per_identity: 6, first_identity: 16,
          size: 24}}
  workers: 0
image: {{size: [24, 24]}}
trunk_cache: {trunk_cache}
transforms: {transforms}
backbone: {{name: small_cnn, width: 4, frozen_stages: 2}}
head: {{name: mlp, fc_dim: 8, out_dim: 4}}
sampler: {{name: random_pairs, pairs_per_image: 1.0}}
loss: contrastive
optimizer: adam
train: {{epochs: 2, batch_size: 8}}
"""


def trained(folder: Path, trunk_cache: str, transforms: str) -> tuple[dict[str, torch.Tensor], str]:
    file = folder / f"{trunk_cache}.yaml"
    file.write_text(EXPERIMENT.format(trunk_cache=trunk_cache, transforms=transforms))
    run = Run.begin(load_experiment(file), folder / trunk_cache)
    run.complete()
    weights = read_checkpoint(run.checkpoints.file("last"))["network"]
    return weights, (run.directory.evaluation("test") / "metrics.json").read_text()


@pytest.mark.parametrize("transforms", ["[]", "[horizontal_flip]"])
def test_float32_features_give_the_same_weights_as_pixels(
    transforms: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))
    cached, figures = trained(tmp_path, "float32", transforms)
    plain, plain_figures = trained(tmp_path, "off", transforms)
    assert list((tmp_path / "cache" / "trunk").iterdir())
    assert all(torch.equal(cached[name], plain[name]) for name in plain)
    assert figures == plain_figures


def test_half_precision_features_give_nearly_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))
    cached, _ = trained(tmp_path, "float16", "[]")
    plain, _ = trained(tmp_path, "off", "[]")
    for name, weights in plain.items():
        torch.testing.assert_close(cached[name], weights, rtol=0.05, atol=0.02)
