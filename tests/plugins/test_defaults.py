"""What an experiment file means that leaves a plugin's parameters out: the same for ever."""

import pytest

from facesim import metrics
from facesim.discovery import load_installed_plugins
from facesim.interfaces import REGISTRIES
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.interfaces.metric import Metric

load_installed_plugins()

PUBLISHED: dict[str, dict[str, object]] = {
    "arcface": {"margin": 0.5, "scale": 64.0},
    "circle": {"margin": 0.25, "scale": 256.0},
    "cosface": {"margin": 0.35, "scale": 64.0},
    "multi_similarity": {"alpha": 2.0, "beta": 50.0, "base": 0.5, "epsilon": 0.1},
    "supcon": {"temperature": 0.1},
    "triplet": {"mining": "batch_hard", "margin": 0.2},
}
"""The values of the papers."""


def defaults(kind: str, name: str) -> dict[str, object]:
    (registry,) = (each for each in REGISTRIES if each.kind == kind)
    fields = registry.get(name).parameters.model_fields
    return {key: f.default for key, f in fields.items() if key != "name" and not f.is_required()}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_loss_has_the_parameters_of_its_paper(name: str) -> None:
    assert defaults("loss", name) == PUBLISHED[name]


METRICS = {
    "accuracy": ("Accuracy", True, True, True),
    "balanced_accuracy": ("Balanced accuracy", True, True, True),
    "d_prime": ("d-prime", True, False, False),
    "eer": ("Equal error rate", False, True, False),
    "fmr": ("FMR at the threshold", False, True, True),
    "fnmr": ("FNMR at the threshold", False, True, True),
    "roc_auc": ("ROC AUC", True, True, False),
    "tar": ("TAR at the threshold", True, False, True),
    "tar_at_far_1e-3": ("TAR at FAR 1e-3", True, False, False),
    "fnmr_at_fmr_1e-3": ("FNMR at FMR 1e-3", False, False, False),
}
"""Label, whether higher is better, is for the first page, and needs the threshold from val."""


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_shown_and_judged_as_it_was(name: str) -> None:
    (metric,) = built_metrics([metrics.spec(name)]).values()
    assert isinstance(metric, Metric)
    found = (metric.label, metric.higher_is_better, metric.headline, metric.at_threshold)
    assert found == METRICS[name]


def test_only_flips_are_declared_to_mirror() -> None:
    """The network may then take an image and its mirror image from the cache."""
    (transforms,) = (each for each in REGISTRIES if each.kind == "transform")
    mirrors = [name for name in transforms.names() if transforms.spec(name).build().only_mirrors]
    assert mirrors == ["horizontal_flip"]


def test_an_experiment_that_names_no_metrics_measures_these() -> None:
    """No FNMR at an FMR, which is one minus a TAR that is measured."""
    assert [spec.name for spec in standard_metrics()] == [
        *("accuracy", "balanced_accuracy", "d_prime", "eer", "fmr", "fnmr", "roc_auc", "tar"),
        *(f"tar_at_far_1e-{number}" for number in range(1, 7)),
    ]
