"""An experiment that trains any backbone in a second or two."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facesim.discovery import load_installed_plugins
from facesim.experiment.schema import Experiment

WriteExperiment = Callable[..., Experiment]


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which synthetic faces are drawn once."""
    return tmp_path_factory.mktemp("faces")


@pytest.fixture
def experiment_on(faces: Path) -> WriteExperiment:
    """Makes an experiment of one epoch with a backbone, on twelve people of 32 x 32 pixels."""

    def make(backbone: dict[str, Any], **changes: Any) -> Experiment:
        load_installed_plugins()
        return Experiment.model_validate(
            {
                "name": "one_epoch",
                "data": {
                    "train": _people(faces, 0),
                    "val": _people(faces, 4),
                    "test": _people(faces, 8),
                    "workers": 0,
                },
                "image": {"size": (32, 32)},
                "backbone": backbone,
                "head": {"name": "linear", "out_dim": 4},
                "sampler": {"name": "random_pairs", "pairs_per_image": 1.0},
                "loss": "contrastive",
                "optimizer": "adam",
                "train": {"epochs": 1, "batch_size": 8},
                "evaluate": {"batch_size": 16},
                **changes,
            }
        )

    return make


def _people(folder: Path, first: int) -> dict[str, Any]:
    return {
        "name": "synthetic_faces",
        "identities": 4,
        "images_per_identity": 4,
        "first_identity": first,
        "size": 32,
        "root": str(folder / str(first)),
    }
