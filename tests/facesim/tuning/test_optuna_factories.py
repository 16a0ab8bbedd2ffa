import optuna
import pytest

from facesim.errors import FacesimError
from facesim.tuning.optuna_factories import PRUNERS, SAMPLERS, make_pruner, make_sampler

NEEDS_A_PACKAGE = {"cmaes", "gp"}


@pytest.mark.parametrize("name", sorted(SAMPLERS.keys() - NEEDS_A_PACKAGE))
def test_every_sampler_is_made_by_name(name: str) -> None:
    assert isinstance(make_sampler(name, 0), optuna.samplers.BaseSampler)


@pytest.mark.parametrize("name", sorted(PRUNERS.keys() - {"percentile", "threshold"}))
def test_every_pruner_is_made_by_name(name: str) -> None:
    assert isinstance(make_pruner(name, 10), optuna.pruners.BasePruner)


def test_arguments_of_optuna_may_be_given() -> None:
    made = make_pruner({"name": "percentile", "percentile": 25.0}, 10)
    assert isinstance(made, optuna.pruners.PercentilePruner)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ("tpee", "did you mean 'tpe'"),
        ({"name": "tpe", "n_startup_trial": 3}, "did you mean 'n_startup_trials'"),
        ({"n_startup_trials": 3}, "there is no None"),
    ],
)
def test_a_wrong_choice_is_told_what_was_meant(chosen: object, said: str) -> None:
    with pytest.raises(FacesimError, match=said):
        make_sampler(chosen, 0)  # type: ignore[arg-type]


def test_an_argument_that_is_given_goes_before_what_facesim_would_give() -> None:
    def drawn(chosen: str | dict[str, object], seed: int) -> float:
        study = optuna.create_study(sampler=make_sampler(chosen, seed))
        return study.ask().suggest_float("x", 0, 1)

    assert drawn("random", 3) == drawn("random", 3) != drawn("random", 4)
    assert drawn({"name": "random", "seed": 3}, 4) == drawn("random", 3)
    pruner = make_pruner({"name": "hyperband", "max_resource": 7}, 10)
    assert vars(pruner)["_max_resource"] == 7
    assert vars(make_pruner("hyperband", 10))["_max_resource"] == 10
