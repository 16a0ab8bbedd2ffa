"""The section on training."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from facesim.page import Plot, Text
from facesim.report.sections.training import training_section
from facesim.runs.log import TrainingLog
from facesim.runs.run import Run


def test_what_was_logged_is_drawn(build_run: Callable[..., Run]) -> None:
    blocks = training_section(build_run().read()).blocks
    names = [block.name for block in blocks if isinstance(block, Plot)]
    assert names == ["loss", "validation", "score-quantiles", "health"]


@pytest.mark.parametrize("log", [None, TrainingLog(train=(), val=(), status="running")])
def test_a_run_without_a_line_says_so(
    build_run: Callable[..., Run], log: TrainingLog | None
) -> None:
    (block,) = training_section(replace(build_run().read(), log=log)).blocks
    assert isinstance(block, Text)
    assert "logged nothing" in block.text
