"""Where the cache and the state are kept."""

from collections.abc import Callable
from pathlib import Path

import pytest

from facesim.paths import cache_dir, state_dir


@pytest.mark.parametrize(
    ("folder", "variable"), [(cache_dir, "FACESIM_CACHE"), (state_dir, "FACESIM_STATE")]
)
def test_a_variable_names_the_folder_from_wherever_the_process_is(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    folder: Callable[[], Path],
    variable: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, "below/it")
    assert folder() == tmp_path / "below" / "it"
    assert not folder().exists()
    monkeypatch.setenv(variable, "")
    assert folder().is_absolute()
    assert folder().name == "facesim"
