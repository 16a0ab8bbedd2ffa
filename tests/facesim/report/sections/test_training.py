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


def test_warnings_and_an_unfinished_status_stand_above_the_plots(
    build_run: Callable[..., Run],
) -> None:
    files = build_run().read()
    assert files.log is not None
    assert isinstance(training_section(files).blocks[0], Plot)
    val = ({**files.log.val[0], "warnings": ["it collapses"]},)
    section = training_section(replace(files, log=replace(files.log, val=val, status="pruned")))
    assert (section.name, section.title) == ("training", "Training")
    warning, note, loss, *_ = section.blocks
    assert warning == Text("Epoch 1: it collapses", "warning")
    assert note == Text("This run is not finished; its status is pruned.", "note")
    assert isinstance(loss, Plot)


@pytest.mark.parametrize("measured", [True, False])
def test_a_run_that_nothing_describes_the_best_of_says_so(
    build_run: Callable[..., Run], *, measured: bool
) -> None:
    files = build_run().read()
    train = files.experiment.train.model_copy(update={"best": "theirs"})
    experiment = files.experiment.model_copy(update={"train": train})
    assert files.log is not None
    log = files.log if measured else replace(files.log, val=())
    blocks = training_section(replace(files, experiment=experiment, log=log)).blocks
    told = [block.text for block in blocks if isinstance(block, Text)]
    assert [text.split(",")[0] for text in told] == (
        ["Nothing in the run describes 'theirs'"] if measured else []
    )
    assert "validation" not in [block.name for block in blocks if isinstance(block, Plot)]


@pytest.mark.parametrize(("epoch", "where"), [(2, "with epoch 2 of 3"), (0, "at its start")])
def test_why_a_callback_ended_training_stands_first(
    build_run: Callable[..., Run], epoch: int, where: str
) -> None:
    files = build_run().read()
    assert files.log is not None
    stopped = {"kind": "stopped", "step": 10, "epoch": epoch, "reason": "mine: <enough>"}
    val = files.log.val if epoch else ()
    train = files.log.train if epoch else ()
    log = replace(files.log, stopped=stopped, val=val, train=train)
    told, *others = training_section(replace(files, log=log)).blocks
    assert told == Text(f"A callback ended training {where}: mine: <enough>.")
    assert len(others) == (4 if epoch else 1)
