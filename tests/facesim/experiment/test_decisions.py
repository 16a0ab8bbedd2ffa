"""What was decided takes the place of what an experiment leaves open, and of nothing else."""

from pathlib import Path
from typing import get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from facesim.experiment.decisions import (
    AUTO,
    LEFT_TO_THE_MACHINE,
    Decision,
    RecordedDecisions,
    decided,
    decided_as,
    left_open,
)
from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from tests.facesim.experiment.conftest import WHOLE

DECISIONS = {"backbone_engine": Decision(chosen="compiled", why="the fastest")}


@pytest.fixture
def whole(tmp_path: Path) -> Experiment:
    file = tmp_path / "whole.yaml"
    file.write_text(WHOLE)
    return load_experiment(file)


def test_what_is_left_open_is_filled_in_and_what_is_said_stays(whole: Experiment) -> None:
    found = decided(whole, DECISIONS)
    assert (whole.backbone_engine, found.backbone_engine) == ("auto", "compiled")
    assert found == whole.model_copy(update={"backbone_engine": "compiled"})
    said = whole.model_copy(update={"backbone_engine": "eager"})
    assert decided(said, DECISIONS) == said
    assert decided(whole, {}) == whole


def test_another_process_s_values_take_the_place_of_what_is_left_open(whole: Experiment) -> None:
    others = decided(whole, DECISIONS).model_copy(update={"seed": 7}).as_data()
    assert decided_as(whole, others) == decided(whole, DECISIONS)
    said = whole.model_copy(update={"backbone_engine": "onnxruntime"})
    assert decided_as(said, others) == said


def test_an_experiment_is_open_until_everything_is_decided(whole: Experiment) -> None:
    assert left_open(whole)
    chosen = {key: Decision(chosen="eager", why="of a test") for key in LEFT_TO_THE_MACHINE}
    assert not left_open(decided(whole, chosen))


def test_a_decision_of_a_later_facesim_may_say_more() -> None:
    found = Decision.model_validate({"chosen": True, "why": "it pays", "seconds": 3})
    assert str(found) == "True (it pays)"


def test_what_is_recorded_is_of_keys_and_values_that_are_left_open() -> None:
    recorded = TypeAdapter(RecordedDecisions)
    engine = {"chosen": "compiled", "why": "the fastest"}
    later = {"device": {"chosen": "cpu", "why": "a key that a later version leaves open"}}
    found = recorded.validate_python({"backbone_engine": engine, **later})
    assert found == {"backbone_engine": Decision(chosen="compiled", why="the fastest")}
    for key, chosen in (
        ("backbone_engine", "../x"),
        ("backbone_engine", True),
        ("train.compile", "auto"),
    ):
        with pytest.raises(ValidationError, match=f"cannot be chosen for {key}"):
            recorded.validate_python({key: {"chosen": chosen, "why": "edited"}})


def test_every_value_that_an_experiment_may_name_can_be_chosen() -> None:
    named = {*get_args(Experiment.model_fields["backbone_engine"].annotation)} - {AUTO}
    assert {*LEFT_TO_THE_MACHINE["backbone_engine"]} == named
