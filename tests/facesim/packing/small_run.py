"""A run of synthetic faces that trains in a second or two."""

from pathlib import Path

from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment

SIZE = (24, 20)

SMALL = """
name: small
data:
  train: {name: synthetic_faces, identities: 11, images_per_identity: 4, size: 24}
  val: {name: synthetic_faces, identities: 12, images_per_identity: 4, first_identity: 11,
        size: 24}
  test: {name: synthetic_faces, identities: 12, images_per_identity: 4, first_identity: 23,
         size: 24}
  workers: 0
image: {size: [24, 20]}
backbone: {name: small_cnn, width: 4}
head: {name: mlp, fc_dim: 8, out_dim: 4}
sampler: {name: identity_balanced, images_per_identity: 4}
loss: contrastive
optimizer: adam
train: {epochs: 2, batch_size: 16, checkpoint_every: 4}
evaluate: {pairs_per_image: 2.9, resamples: 1000, baselines: false}
"""


def small_experiment(folder: Path, *overrides: str) -> Experiment:
    """The experiment, from a file in a folder, with assignments as ``--set`` takes them."""
    file = folder / "small.yaml"
    file.write_text(SMALL)
    return load_experiment(file, overrides)
