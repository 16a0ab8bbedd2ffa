"""The shipped experiments on CelebA say what they are meant to say."""

from pathlib import Path
from typing import Any

from facesim.experiment.loading import load_experiment
from facesim.processes import Processes
from facesim.training.lint import lint_experiment

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def shipped(name: str) -> dict[str, Any]:
    return load_experiment(EXPERIMENTS / name).as_data()


def given(node: Any, wanted: Any) -> Any:
    """Those entries of a node that ``wanted`` names."""
    return {key: node[key] for key in wanted}


def test_the_reference_is_the_published_example() -> None:
    published: dict[str, dict[str, Any]] = {
        "backbone": {
            "name": "resnet",
            "depth": 50,
            "weights": "imagenet",
            "frozen_stages": 3,
            "last_stage_blocks": 1,
        },
        "head": {"name": "mlp", "fc_dim": 128, "out_dim": 16, "normalize": False},
        "sampler": {"name": "random_pairs", "pairs_per_image": 0.05},
        "loss": {"name": "contrastive", "margin": 2.0},
        "optimizer": {"name": "adam", "lr": 5e-4, "weight_decay": 0},
        "scheduler": {"name": "constant"},
        "train": {"epochs": 10, "batch_size": 648, "checkpoint_every": 1000},
        "evaluate": {"pairs_per_image": 1.0},
        "image": {"size": [218, 178], "crop": None},
    }
    reference = shipped("celeba_contrastive.yaml")
    for section, wanted in published.items():
        assert given(reference[section], wanted) == wanted
    assert reference["transforms"] == []


def test_the_learned_variant_differs_in_the_loss_alone() -> None:
    reference, learned = shipped("celeba_contrastive.yaml"), shipped("celeba_learned.yaml")
    assert learned["loss"] == {"name": "learned", "hidden": [64, 64]}
    assert {key for key in reference if reference[key] != learned[key]} == {"name", "loss"}


def test_the_experiment_for_a_laptop_leaves_the_known_leaks_out(celeba: Path) -> None:
    experiment = load_experiment(EXPERIMENTS / "celeba_lite0.yaml")
    assert experiment.data.exclude is not None
    assert experiment.data.exclude.anywhere == ("155962.jpg", "200207.jpg")
    linted = lint_experiment(experiment, Processes())
    assert linted.report.allows_run
    assert linted.leaked == ()
    rules = {finding.rule for finding in linted.report.findings}
    assert {"image_twice", "image_under_two_labels"} <= rules
    whole = load_experiment(EXPERIMENTS / "celeba_lite0.yaml", ["data.exclude=null"])
    again = lint_experiment(whole, Processes())
    assert not again.report.allows_run
    assert [leak[:2] for leak in again.leaked] == [("train", "155962.jpg"), ("val", "200207.jpg")]
