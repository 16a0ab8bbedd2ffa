"""Every shipped plugin, in a run of the real engine on drawn faces, ends better than chance.

Better than chance is: the lower end of test accuracy's 95% interval over people lies above 0.6.
Chance is 0.5; the network of this experiment, untrained, is right about 0.6 of the time.
"""

import pickle
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from facesim import FaceTable
from facesim.evaluation.result import EvaluationResult
from facesim.experiment.loading import load_experiment
from facesim.interfaces import REGISTRIES, datasets
from facesim.reporter import SilentReporter
from facesim.training.run import start_run

LEAST_ACCURACY = 0.6

# A part of the network is frozen, so that all runs but those that augment images or bring others
# read one cache. A run takes a second.
BASE = """
name: trains
data:
  train: {name: synthetic_faces, size: 32, identities: 100, images_per_identity: 6}
  val: {name: synthetic_faces, size: 32, identities: 40, images_per_identity: 4,
        first_identity: 10000}
  test: {name: synthetic_faces, size: 32, identities: 40, images_per_identity: 4,
         first_identity: 20000}
  workers: 0
image: {crop: [4, 4, 24, 24], size: [24, 24]}
backbone: {name: small_cnn, width: 8, frozen_stages: 1}
head: {name: linear, out_dim: 16, normalize: true}
sampler: {name: identity_balanced, images_per_identity: 3}
loss: {name: contrastive, margin: 1.0}
optimizer: {name: adam, lr: 5e-3}
train: {epochs: 4, batch_size: 48}
evaluate: {pairs_per_image: 2.5, baselines: false, slices: false}
lint: {too_few_impostors: "off"}
"""
BNNECK = "head={name: bnneck, normalize: true}"
RANDOM_PAIRS = "sampler={name: random_pairs, pairs_per_image: 4.0}"

# By registry and name, what `--set` would say to train with the plugin instead.
VARIATIONS: dict[tuple[str, str], Sequence[str]] = {
    ("datasets", "synthetic_faces"): (),
    ("transforms", "color_jitter"): ("transforms=[color_jitter]", "train.epochs=2"),
    ("transforms", "horizontal_flip"): ("transforms=[horizontal_flip]",),
    ("transforms", "random_crop"): ("transforms=[{name: random_crop, padding: 2}]",),
    ("transforms", "random_erasing"): ("transforms=[random_erasing]",),
    ("backbones", "efficientnet_lite"): (
        "backbone={name: efficientnet_lite, weights: imagenet, frozen_stages: 6}",
    ),
    ("backbones", "resnet"): (
        "backbone={name: resnet, depth: 18, weights: none, frozen_stages: 4}",
        BNNECK,
    ),
    ("backbones", "small_cnn"): (),
    ("backbones", "timm"): (
        "backbone={name: timm, model: test_resnet, weights: none, frozen_stages: 1}",
    ),
    ("backbones", "torchvision"): (
        "backbone={name: torchvision, model: resnet18, weights: none, frozen_stages: 4}",
        BNNECK,
    ),
    ("heads", "bnneck"): (BNNECK,),
    ("heads", "gem"): ("head={name: gem, out_dim: 16, normalize: true}", "backbone.pooling=none"),
    ("heads", "linear"): (),
    ("heads", "mlp"): ("head=mlp",),
    ("samplers", "identity_balanced"): (),
    ("samplers", "random_pairs"): (RANDOM_PAIRS,),
    ("losses", "arcface"): ("loss=arcface", "optimizer.lr=1e-2"),
    ("losses", "bce_distance"): ("loss=bce_distance",),
    ("losses", "circle"): ("loss=circle",),
    ("losses", "contrastive"): (),
    ("losses", "cosface"): ("loss=cosface", "optimizer.lr=1e-2"),
    ("losses", "learned"): ("loss=learned", RANDOM_PAIRS),
    ("losses", "multi_similarity"): ("loss=multi_similarity",),
    ("losses", "pml"): ("loss={name: pml, loss: MultiSimilarityLoss, miner: BatchHardMiner}",),
    ("losses", "supcon"): ("loss=supcon",),
    ("losses", "triplet"): ("loss=triplet",),
    ("optimizers", "adam"): (),
    ("optimizers", "adamw"): ("optimizer={name: adamw, lr: 5e-3}",),
    ("optimizers", "sgd"): ("optimizer={name: sgd, lr: 0.1}",),
    ("optimizers", "torch.ASGD"): ("optimizer={name: torch.ASGD, lr: 1.0}",),
    ("optimizers", "torch.Adadelta"): ("optimizer=torch.Adadelta",),
    ("optimizers", "torch.Adafactor"): ("optimizer={name: torch.Adafactor, lr: 2e-2}",),
    ("optimizers", "torch.Adagrad"): ("optimizer={name: torch.Adagrad, lr: 2e-2}",),
    ("optimizers", "torch.Adam"): ("optimizer={name: torch.Adam, lr: 5e-3}",),
    ("optimizers", "torch.AdamW"): ("optimizer={name: torch.AdamW, lr: 5e-3}",),
    ("optimizers", "torch.Adamax"): ("optimizer={name: torch.Adamax, lr: 1e-2}",),
    ("optimizers", "torch.NAdam"): ("optimizer={name: torch.NAdam, lr: 5e-3}",),
    ("optimizers", "torch.RAdam"): ("optimizer={name: torch.RAdam, lr: 2e-2}",),
    ("optimizers", "torch.RMSprop"): ("optimizer={name: torch.RMSprop, lr: 2e-3}",),
    ("optimizers", "torch.Rprop"): ("optimizer={name: torch.Rprop, lr: 2e-3}",),
    ("optimizers", "torch.SGD"): ("optimizer={name: torch.SGD, lr: 1.0}",),
    ("schedulers", "constant"): ("scheduler=constant",),
    ("schedulers", "cosine"): ("scheduler=cosine",),
    ("schedulers", "one_cycle"): ("scheduler=one_cycle",),
    ("schedulers", "torch.ConstantLR"): ("scheduler=torch.ConstantLR",),
    ("schedulers", "torch.CosineAnnealingLR"): ("scheduler=torch.CosineAnnealingLR",),
    ("schedulers", "torch.CosineAnnealingWarmRestarts"): (
        "scheduler={name: torch.CosineAnnealingWarmRestarts, T_0: 26}",
    ),
    ("schedulers", "torch.CyclicLR"): (
        "scheduler={name: torch.CyclicLR, base_lr: 1e-3, max_lr: 1e-2, step_size_up: 20}",
        "scheduler.cycle_momentum=false",
    ),
    ("schedulers", "torch.ExponentialLR"): ("scheduler={name: torch.ExponentialLR, gamma: 0.98}",),
    ("schedulers", "torch.LinearLR"): ("scheduler=torch.LinearLR",),
    ("schedulers", "torch.MultiStepLR"): (
        "scheduler={name: torch.MultiStepLR, milestones: [40, 60]}",
    ),
    ("schedulers", "torch.PolynomialLR"): ("scheduler=torch.PolynomialLR",),
    ("schedulers", "torch.StepLR"): ("scheduler={name: torch.StepLR, step_size: 30}",),
    ("trackers", "csv"): ("trackers=[csv]",),
    ("trackers", "mlflow"): ("trackers=[mlflow]",),
    ("trackers", "tensorboard"): ("trackers=[tensorboard]",),
    ("trackers", "wandb"): ("trackers=[{name: wandb, mode: offline}]",),
}
SHIPPED = [(registry.plural, plugin.name) for registry in REGISTRIES for plugin in registry]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., EvaluationResult]:
    """Runs the experiment with overrides, and gives its figures on test."""
    (tmp_path / "trains.yaml").write_text(BASE)

    def run_with(overrides: Sequence[str]) -> EvaluationResult:
        experiment = load_experiment(tmp_path / "trains.yaml", overrides)
        return start_run(experiment, tmp_path / "runs", SilentReporter())[1]

    return run_with


@pytest.mark.parametrize("plugin", SHIPPED, ids=" ".join)
def test_training_ends_better_than_chance(
    run: Callable[..., EvaluationResult], tmp_path: Path, plugin: tuple[str, str]
) -> None:
    kind, name = plugin
    written = kind == "datasets" and name in LAYOUTS
    if not written and plugin not in VARIATIONS:
        if name.startswith("torch."):
            pytest.skip("it came with a newer torch than these variations were written for")
        pytest.fail(
            f"add a line to VARIATIONS of {Path(__file__).name} (for a dataset of files, to "
            f"LAYOUTS) that says how an experiment uses it, such as\n"
            f'    ("losses", "arcface"): ("loss=arcface", "optimizer.lr=1e-2"),\n'
            f"with {kind!r} and {name!r}"
        )
    result = run(list(written_faces(name, tmp_path)) if written else VARIATIONS[plugin])
    assert learned(result), result.accuracy


def test_a_network_that_is_not_trained_does_not_pass(
    run: Callable[..., EvaluationResult],
) -> None:
    assert not learned(run(["optimizer.lr=1e-9"]))


def learned(result: EvaluationResult) -> bool:
    low = result.accuracy.low
    return low is not None and low > LEAST_ACCURACY


# Datasets: the drawn faces of the experiment, written as each of them reads its files.

Pairs = list[tuple[int, int, bool]]


def written_faces(name: str, folder: Path) -> Iterator[str]:
    splits = {"train": (100, 6, 0), "val": (40, 4, 10_000), "test": (40, 4, 20_000)}
    for split, (identities, images, first) in splits.items():
        drawn = datasets.spec(
            "synthetic_faces",
            identities=identities,
            images_per_identity=images,
            first_identity=first,
            size=32,
        ).build()
        (folder / split).mkdir()
        parameters = LAYOUTS[name](drawn, folder / split)
        given = "".join(f", {key}: {value}" for key, value in parameters.items())
        yield f"data.{split}={{name: {name}{given}}}"


def pairs_of(table: FaceTable) -> Pairs:
    """Each image with the next of its identity, and with one of the next identity."""
    identities = table.identities.tolist()
    images = identities.count(0)
    rows = range(len(table) - images)
    genuine = [(row, row + 1, True) for row in rows if identities[row] == identities[row + 1]]
    return genuine + [(row, row + images, False) for row in rows]


def copied(table: FaceTable, names: Sequence[str], folder: Path) -> None:
    for row, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(table.path(row), folder / name)


def numbered(table: FaceTable) -> list[tuple[str, int]]:
    """The name of each image's person, and the number of the image among that person's."""
    people = [f"Person_{table.labels[identity]}" for identity in table.identities]
    return [(person, people[:row].count(person) + 1) for row, person in enumerate(people)]


def as_celeba(table: FaceTable, folder: Path) -> Mapping[str, Any]:
    copied(table, table.files.tolist(), folder / "img_align_celeba")
    rows = zip(table.files, table.labels[table.identities], strict=True)
    lines = [f"{file} {int(label) + 1}\n" for file, label in rows]
    (folder / "identity_CelebA.txt").write_text("".join(lines))
    return {"root": folder, "split": "all"}


def as_cross_lfw(table: FaceTable, folder: Path) -> Mapping[str, Any]:
    names = [f"{person}_{number:04d}.png" for person, number in numbered(table)]
    copied(table, names, folder)
    lines = [f"{names[row]} {int(same)}\n" for *rows, same in pairs_of(table) for row in rows]
    (folder / "pairs.txt").write_text("".join(lines))
    return {"root": folder, "pairs": folder / "pairs.txt"}


def as_csv(table: FaceTable, folder: Path) -> Mapping[str, Any]:
    rows = zip(table.files, table.labels[table.identities], strict=True)
    lines = ["img,ids\n", *(f"{file},{label}\n" for file, label in rows)]
    (folder / "table.csv").write_text("".join(lines))
    return {"images": table.root, "table": folder / "table.csv"}


def as_folder(table: FaceTable, folder: Path) -> Mapping[str, Any]:
    copied(table, [f"{person}/{number}.png" for person, number in numbered(table)], folder)
    return {"root": folder}


def as_insightface(table: FaceTable, folder: Path) -> Mapping[str, Any]:
    pairs = pairs_of(table)
    images = [table.path(row).read_bytes() for *rows, _ in pairs for row in rows]
    (folder / "set.bin").write_bytes(pickle.dumps((images, [same for *_, same in pairs])))
    return {"file": folder / "set.bin"}


def as_lfw(table: FaceTable, folder: Path) -> Mapping[str, Any]:
    images = numbered(table)
    copied(table, [f"{person}/{person}_{number:04d}.png" for person, number in images], folder)
    pairs = pairs_of(table)
    genuine = [f"{images[a][0]}\t{images[a][1]}\t{images[b][1]}\n" for a, b, same in pairs if same]
    impostors = ["\t".join(map(str, images[a] + images[b])) for a, b, same in pairs if not same]
    lines = [f"{len(genuine)}\n", *genuine]
    lines += [f"{impostor}\n" for impostor in impostors[: len(genuine)]]
    (folder.parent / f"{folder.name}.txt").write_text("".join(lines))
    return {"root": folder, "pairs": folder.parent / f"{folder.name}.txt"}


LAYOUTS: dict[str, Callable[[FaceTable, Path], Mapping[str, Any]]] = {
    "celeba": as_celeba,
    "cross_lfw": as_cross_lfw,
    "csv": as_csv,
    "folder": as_folder,
    "insightface_bin": as_insightface,
    "lfw": as_lfw,
}
