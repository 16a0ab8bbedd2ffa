"""What a run notes about what it ran with."""

from importlib.metadata import version
from typing import Any

import torch

from facesim import losses
from facesim.experiment.schema import Experiment
from facesim.runs.environment import describe_environment


def test_the_packages_that_a_plugin_names_are_there_with_their_versions(tiny: Experiment) -> None:
    with losses.isolated():

        @losses("with_packages", packages=("hypothesis", "no-such-package"))
        def with_packages(embedding_dim: int, num_identities: int) -> Any: ...

        named = tiny.model_copy(update={"loss": losses.spec("with_packages")})
        described = describe_environment(named, torch.device("cpu"))

    without = describe_environment(tiny, torch.device("cpu"))
    assert described["packages"] == {**without["packages"], "hypothesis": version("hypothesis")}
    assert "test_environment.py" in described["plugins"]["loss with_packages"]
