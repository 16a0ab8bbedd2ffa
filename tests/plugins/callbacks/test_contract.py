"""Every registered callback keeps the promises of callbacks."""

from typing import Any, ClassVar

import pytest

from facesim import callbacks
from facesim.registry import Spec
from facesim.testing.suites import CallbackContract


class TestEveryCallback(CallbackContract):
    @pytest.fixture(params=callbacks.names())
    def spec(self, request: pytest.FixtureRequest) -> Spec[Any]:
        return callbacks.spec(request.param)


class TestSavingSome(CallbackContract):
    name = "save_embeddings"
    parameters: ClassVar = {"split": "train", "every_epochs": 2, "images": 5, "keep": 1}


class TestWaitingForTheLoss(CallbackContract):
    name = "early_stopping"
    parameters: ClassVar = {"metric": "loss", "patience": 1, "min_delta": 0.05, "first_epochs": 2}
