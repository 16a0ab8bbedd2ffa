"""Experiments that train in a second, which together use every kind of plugin."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import yaml

SPLITS = {"train": (8, 4, 0), "val": (6, 3, 100), "test": (6, 3, 200)}
"""Identities, images of each, and the first identity."""

_BASE = """
name: tiny
image: {size: [16, 16]}
backbone: {name: small_cnn, width: 4}
head: {name: linear, out_dim: 4}
sampler: {name: random_pairs, pairs_per_image: 1.0}
loss: contrastive
optimizer: {name: adam, lr: 5e-3}
train: {epochs: 2, batch_size: 8, checkpoint_every: 2, log_every: 2, keep_checkpoints: 2}
"""

_CHANGES = {
    "augmented": """
        transforms: [horizontal_flip, color_jitter, {name: random_crop, padding: 2}, random_erasing]
        head: {name: mlp, fc_dim: 8, out_dim: 4}
        scheduler: cosine
        trackers: [csv]
    """,
    "cached": """
        backbone: {name: small_cnn, width: 4, frozen_stages: 2}
        sampler: {name: identity_balanced, images_per_identity: 2}
        loss: circle
        optimizer: {name: sgd, lr: 0.05}
        scheduler: one_cycle
        trackers: [tensorboard]
    """,
    "cached_flips": """
        backbone: {name: small_cnn, width: 4, frozen_stages: 1}
        transforms: [horizontal_flip]
        trunk_cache: float32
        head: bnneck
        loss: {name: cosface}
        sampler: {name: identity_balanced, images_per_identity: 2}
        trackers: [csv, tensorboard]
    """,
    "hard": """
        sampler: {name: hard_pairs, pairs_per_image: 1.0}
        loss: learned
        optimizer: adamw
        transforms: [horizontal_flip]
    """,
    "curriculum": """
        backbone: {name: small_cnn, width: 4, frozen_stages: 2, pooling: none}
        head: {name: gem, out_dim: 4}
        sampler: {name: curriculum, pairs_per_image: 1.0, ramp_epochs: 2}
        loss: arcface
        scheduler: {name: torch.StepLR, step_size: 3}
        train: {epochs: 3}
    """,
    "folds": """
        sampler: {name: from_file, pairs: PREPARED/train_pairs.csv}
        loss: bce_distance
        evaluate: {protocol: k_fold, test_pairs: PREPARED/test_pairs.csv}
        optimizer: torch.RMSprop
    """,
    "exhaustive": """
        sampler: {name: identity_balanced, images_per_identity: 2}
        loss: supcon
        evaluate: {protocol: exhaustive, metrics: [eer, accuracy, d_prime]}
        scheduler: {name: torch.CosineAnnealingLR, T_max: 8}
    """,
    "miner": """
        sampler: {name: identity_balanced, images_per_identity: 2}
        loss: {name: pml, loss: TripletMarginLoss, miner: BatchHardMiner}
        optimizer: torch.NAdam
        evaluate: {slices: false}
    """,
    "untrained": """
        head: identity
        train: {epochs: 0}
        loss: triplet
        sampler: {name: identity_balanced, images_per_identity: 2}
    """,
}

NAMES = tuple(_CHANGES)


def write_experiment(folder: Path, name: str, workers: int, shards: int = 1) -> Path:
    """Write ``NAME-WORKERS.yaml`` and its lists of pairs; faces are drawn into the cache.

    Args:
        folder: where.
        name: one of :data:`NAMES`.
        workers: processes that decode.
        shards: of each batch.
    """
    for split in ("train", "test"):
        lines = ["file1,file2,same,fold" if split == "test" else "file1,file2,same"]
        lines += [",".join(map(str, pair)) for pair in _pairs(split)]
        (folder / f"{split}_pairs.csv").write_text("\n".join(lines) + "\n")
    experiment = yaml.safe_load(_BASE)
    for key, value in yaml.safe_load(_CHANGES[name].replace("PREPARED", str(folder))).items():
        if key in ("train", "evaluate"):
            experiment[key] = {**experiment.get(key, {}), **value}
        else:
            experiment[key] = value
    experiment["train"]["shards"] = shards
    experiment["data"] = {**{split: _split(split) for split in SPLITS}, "workers": workers}
    path = folder / f"{name}-{workers}.yaml"
    path.write_text(yaml.safe_dump(experiment))
    return path


def _split(split: str) -> dict[str, object]:
    identities, images, first = SPLITS[split]
    return {
        "name": "synthetic_faces",
        "identities": identities,
        "images_per_identity": images,
        "first_identity": first,
        "size": 16,
    }


def _pairs(split: str) -> Iterator[tuple[object, ...]]:
    """Pairs within two people after the other, so that each of them is in one fold only."""
    identities, images, first = SPLITS[split]
    for fold, person in enumerate(range(first, first + identities, 2), start=1):
        folds = (fold,) if split == "test" else ()
        for one, other in combinations(range(images), 2):
            for same in (person, person + 1):
                yield _file(same, one), _file(same, other), 1, *folds
            yield _file(person, one), _file(person + 1, other), 0, *folds
            yield _file(person, other), _file(person + 1, one), 0, *folds


def _file(person: int, image: int) -> str:
    return f"{person:07d}_{image:05d}.png"
