"""Deterministic algorithms inside a block, and what was set before it after it."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from facesim.training.determinism import deterministic, undisturbed

Settings = tuple[bool, bool, bool]


def settings() -> Settings:
    """Whether it is deterministic, warns only, and fills memory that is not initialized."""
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
    )


def apply(wanted: Settings) -> None:
    torch.use_deterministic_algorithms(wanted[0], warn_only=wanted[1])
    torch.utils.deterministic.fill_uninitialized_memory = wanted[2]  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = settings()
    yield
    apply(before)


@pytest.mark.parametrize("before", [(False, False, True), (True, True, True), (True, False, False)])
def test_what_was_set_before_is_set_again_whatever_ends_the_block(before: Settings) -> None:
    apply(before)
    with deterministic(True):
        assert settings() == (True, True, False)
    assert settings() == before
    with pytest.raises(KeyboardInterrupt), deterministic(True):
        raise KeyboardInterrupt
    assert settings() == before


def test_the_compiler_is_told_even_if_it_is_imported_later_and_not_imported_for_it() -> None:
    code = """
import sys
from facesim.training.determinism import deterministic
with deterministic(True):
    assert "torch._inductor" not in sys.modules
    import torch._inductor.config as compiler
    assert compiler.deterministic
assert not compiler.deterministic
with deterministic(True):
    assert compiler.deterministic
"""
    result = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


def test_where_it_is_not_asked_for_nothing_changes() -> None:
    apply((False, False, True))
    with deterministic(False):
        assert settings() == (False, False, True)


def test_settings_that_watching_code_changes_are_put_back() -> None:
    cudnn = torch.backends.cudnn

    def settings() -> list[object]:
        return [
            torch.get_default_dtype(),
            torch.get_default_device(),
            torch.get_float32_matmul_precision(),
            torch.is_anomaly_enabled(),
            torch.is_grad_enabled(),
            torch.are_deterministic_algorithms_enabled(),
            *(getattr(cudnn, name) for name in ("enabled", "benchmark", "allow_tf32")),
        ]

    before = settings()
    with undisturbed():
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.set_float32_matmul_precision("medium")
        torch.autograd.set_detect_anomaly(mode=True)
        torch.set_grad_enabled(mode=False)
        torch.use_deterministic_algorithms(mode=True)
        cudnn.enabled, cudnn.benchmark, cudnn.allow_tf32 = False, True, False
        assert all(ours != theirs for ours, theirs in zip(settings(), before, strict=True))
    assert settings() == before
    assert torch.zeros(1).device.type == "cpu"
