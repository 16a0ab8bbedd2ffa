"""Any file is an experiment that reads back as itself, or an ExperimentError with positions."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facesim.experiment.loading import load_experiment
from facesim.experiment.nodes import ExperimentError

PIECES = st.sampled_from(
    [
        *("name", "data", "train", "loss", "head", "plugins", "transforms", "extends", "margin"),
        *("contrastive", "mlp", "./x.py", "exp.yaml", "json", "flip", "resnet", "seed", "image"),
        *(": ", ":", "\n", "\n  ", "- ", "{", "}", "[", "]", ", ", "'", '"', "&a ", "*a", "!!int "),
        *(
            "${",
            "${X}",
            "${X:-1}",
            "$",
            "1e999",
            "-1",
            ".nan",
            "9" * 60,
            "null",
            "true",
            "<<",
            "? ",
        ),
        *("|\n", ">\n", "\t", "#", "%YAML 1.2", "---", "...", "\\ud800", "\\0", "\ufeff", "é"),
    ]
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=60)
GARBAGE = st.lists(PIECES, max_size=25).map("".join) | TEXT


def holds(path: Path, *overrides: str) -> bool:
    """Whether the promise is kept, of experiments and errors alike."""
    try:
        experiment = load_experiment(path, overrides)
    except ExperimentError as error:
        place = re.compile(r"[\w.]+:[1-9]\d*:[1-9]\d*: .", re.DOTALL)
        return bool(error.problems) and all(place.match(str(it)) for it in error.problems)
    experiment.save(Path("again.yaml"))
    return load_experiment(Path("again.yaml")).as_data() == experiment.as_data()


EVERYTHING = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@EVERYTHING
@given(GARBAGE)
def test_any_text(write: Callable[..., Path], text: str) -> None:
    assert holds(write(text))


@EVERYTHING
@given(st.integers(0, 400), st.integers(0, 40), GARBAGE)
def test_a_damaged_file(whole: Callable[..., Path], start: int, length: int, garbage: str) -> None:
    path = whole()
    text = path.read_text()
    path.write_text(text[:start] + garbage + text[start + length :])
    assert holds(path)


@EVERYTHING
@given(st.binary(max_size=100))
def test_any_bytes(write: Callable[..., Path], content: bytes) -> None:
    path = write("")
    path.write_bytes(content)
    assert holds(path)


@EVERYTHING
@given(st.lists(st.sampled_from(["loss", "head", "name", "data", "0", "plugins", ""])), GARBAGE)
def test_any_override(whole: Callable[..., Path], keys: list[str], value: str) -> None:
    assert holds(whole(), f"{'.'.join(keys)}={value}")


@EVERYTHING
@given(st.binary(max_size=20).filter(lambda value: b"\0" not in value))
def test_any_variable(
    whole: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, value: bytes
) -> None:
    monkeypatch.setenv("X", os.fsdecode(value))
    assert holds(whole("head: mlp", "head: ${X:-mlp}\nseed: ${X}"))
