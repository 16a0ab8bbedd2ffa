"""Every shipped plugin, in a run of the real engine on drawn faces, ends better than chance.

Better than chance is: the lower end of test accuracy's 95% interval over people lies above 0.6.
Chance is 0.5; the network of this experiment, untrained, is right about 0.6 of the time.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from facesim.experiment.loading import load_experiment
from facesim.interfaces import REGISTRIES
from facesim.interfaces.result import EvaluationResult
from facesim.runs.run import Run
from tests.plugins import faces_as_files
from tests.plugins.faces_as_files import written
from tests.plugins.thumbnail_model import thumbnail_model
from tests.plugins.training_pairs import training_pairs

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
RANDOM_PAIRS = "sampler={name: random_pairs, pairs_per_image: 4.0}"

Variation = Sequence[str] | Callable[[Path], Sequence[str]]
"""What `--set` would say, or what writes files into a folder and then says it."""


def pairs_in_folds(folder: Path) -> Sequence[str]:
    """Lists of pairs, and that of test in five folds; a few identities are in two of them."""
    lists = written("cross_lfw", faces_as_files.as_cross_lfw)(folder)
    folds = ("data.test.folds=5", "evaluate.protocol=k_fold", "lint.identity_in_two_folds=off")
    return (*lists, *folds)


DLIB_IDENTITIES = {"train": 50, "val": 20, "test": 40}
"""So few that its large images take seconds, too."""

# By registry and name: how the experiment is varied to train with the plugin.
VARIATIONS: dict[tuple[str, str], Variation] = {
    ("datasets", "celeba"): written("celeba", faces_as_files.as_celeba),
    ("datasets", "cross_lfw"): written("cross_lfw", faces_as_files.as_cross_lfw),
    ("datasets", "csv"): written("csv", faces_as_files.as_csv),
    ("datasets", "folder"): written("folder", faces_as_files.as_folder),
    ("datasets", "insightface_bin"): written("insightface_bin", faces_as_files.as_insightface),
    ("datasets", "lfw"): written("lfw", faces_as_files.as_lfw),
    ("datasets", "synthetic_faces"): (),
    ("transforms", "color_jitter"): ("transforms=[color_jitter]", "train.epochs=2"),
    ("transforms", "horizontal_flip"): ("transforms=[horizontal_flip]",),
    ("transforms", "random_crop"): ("transforms=[{name: random_crop, padding: 2}]",),
    ("transforms", "random_erasing"): ("transforms=[random_erasing]",),
    ("backbones", "dlib_face"): (
        "backbone=dlib_face",
        "head={name: mlp, normalize: true}",
        "image={size: [150, 150]}",
        "train.epochs=12",
        *(f"data.{split}.identities={count}" for split, count in DLIB_IDENTITIES.items()),
    ),
    ("backbones", "efficientnet_lite"): (
        "backbone={name: efficientnet_lite, weights: imagenet, frozen_stages: 6}",
    ),
    ("backbones", "onnx"): thumbnail_model,
    ("backbones", "resnet"): (
        "backbone={name: resnet, depth: 18, weights: none, frozen_stages: 4}",
        "head={name: mlp, normalize: true}",
        "train.epochs=6",
    ),
    ("backbones", "small_cnn"): (),
    ("backbones", "timm"): (
        "backbone={name: timm, model: test_resnet, weights: none, frozen_stages: 1}",
    ),
    ("backbones", "torchvision"): (
        "backbone={name: torchvision, model: resnet18, weights: none, frozen_stages: 4}",
        "head={name: mlp, normalize: true}",
        "train.epochs=6",
    ),
    ("heads", "bnneck"): ("head={name: bnneck, normalize: true}",),
    ("heads", "gem"): ("head={name: gem, out_dim: 16, normalize: true}", "backbone.pooling=none"),
    ("heads", "identity"): ("head=identity",),
    ("heads", "linear"): (),
    ("heads", "mlp"): ("head=mlp",),
    ("samplers", "curriculum"): (
        "sampler={name: curriculum, pairs_per_image: 4.0, ramp_epochs: 2}",
    ),
    ("samplers", "from_file"): training_pairs,
    ("samplers", "hard_pairs"): ("sampler={name: hard_pairs, pairs_per_image: 4.0}",),
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
    ("protocols", "exhaustive"): ("evaluate.protocol=exhaustive",),
    ("protocols", "identity_folds"): (
        "data.source={name: synthetic_faces, size: 32, identities: 120, images_per_identity: 5}",
        *("data.train=null", "data.val=null", "data.test=null"),
        "evaluate.protocol={name: identity_folds, folds: 3}",
    ),
    ("protocols", "k_fold"): pairs_in_folds,
    ("protocols", "pairs"): (),
    ("callbacks", "early_stopping"): ("callbacks=[early_stopping]",),
    ("callbacks", "lr_monitor"): ("callbacks=[lr_monitor]",),
    ("callbacks", "save_embeddings"): ("callbacks=[{name: save_embeddings, split: train}]",),
    ("report_sections", "embedding_map"): ("report_sections=[embedding_map]",),
    ("trackers", "csv"): ("trackers=[csv]",),
    ("trackers", "mlflow"): ("trackers=[mlflow]",),
    ("trackers", "tensorboard"): ("trackers=[tensorboard]",),
    ("trackers", "wandb"): ("trackers=[{name: wandb, mode: offline}]",),
}
SHIPPED = [
    (registry.plural, plugin.name)
    for registry in REGISTRIES
    for plugin in registry
    # Metrics take no part in training, and aligners know real faces, not drawn ones.
    if registry.plural not in ("aligners", "metrics")
]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., EvaluationResult]:
    """Runs the experiment with overrides, and returns its test metrics."""
    (tmp_path / "trains.yaml").write_text(BASE)

    def run_with(overrides: Sequence[str]) -> EvaluationResult:
        experiment = load_experiment(tmp_path / "trains.yaml", overrides)
        return Run.begin(experiment, tmp_path / "runs").complete()

    return run_with


@pytest.mark.parametrize("plugin", SHIPPED, ids=" ".join)
def test_training_ends_better_than_chance(
    run: Callable[..., EvaluationResult], tmp_path: Path, plugin: tuple[str, str]
) -> None:
    if plugin not in VARIATIONS:
        kind, name = plugin
        if name.startswith("torch."):
            pytest.skip("it came with a newer torch than these variations were written for")
        pytest.fail(
            f"add a line to VARIATIONS of {Path(__file__).name} that says how an experiment uses "
            f'the plugin, such as\n    ("losses", "arcface"): ("loss=arcface", '
            f'"optimizer.lr=1e-2"),\nhere for ("{kind}", "{name}")'
        )
    variation = VARIATIONS[plugin]
    result = run(variation(tmp_path) if callable(variation) else variation)
    assert learned(result), result.metrics["accuracy"]


def test_a_network_that_is_not_trained_does_not_pass(
    run: Callable[..., EvaluationResult],
) -> None:
    assert not learned(run(["optimizer.lr=1e-9"]))


def learned(result: EvaluationResult) -> bool:
    low = result.metrics["accuracy"].low
    return low is not None and low > LEAST_ACCURACY
