import pytest

from facesim.errors import FacesimError
from facesim.experiment.schema import Experiment
from facesim.tuning.objectives import objectives_named, values_of


def test_the_direction_comes_from_the_metric(tiny: Experiment) -> None:
    found = objectives_named(["val.accuracy", "val.eer", "cost.milliseconds_per_image"], tiny)
    assert [each.metric.direction for each in found] == ["maximize", "minimize", "minimize"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("test.accuracy", r"write val\.accuracy"),
        ("val.acuracy", "did you mean 'accuracy'"),
        ("accuracy", r"did you mean 'val\.accuracy'"),
        ("cost.parameter", r"did you mean 'cost\.parameters'"),
    ],
)
def test_a_wrong_name_is_told_what_was_meant(name: str, said: str, tiny: Experiment) -> None:
    with pytest.raises(FacesimError, match=said):
        objectives_named([name], tiny)


def test_an_objective_that_does_not_exist_leaves_no_values(tiny: Experiment) -> None:
    objectives = objectives_named(["val.accuracy", "val.eer"], tiny)
    assert values_of(objectives, {"val.accuracy": 0.5, "val.eer": None}) is None
    assert values_of(objectives, {"val.accuracy": 0.5, "val.eer": 0.1, "x": 1}) == [0.5, 0.1]
