"""What turns photographs into pixels runs where torch is not installed."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "facesim.alignment.alignment",
        "facesim.data.decoding",
        "facesim.data.images",
        "facesim.data.preprocessing",
    ],
)
def test_no_torch_is_needed(module: str) -> None:
    code = f"import sys; sys.modules['torch'] = None; import {module}"
    result = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
