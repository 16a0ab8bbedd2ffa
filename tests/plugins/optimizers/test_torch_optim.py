"""torch's optimizers by name; the contract suite has each of them train and resume."""

import inspect
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from facesim import FacesimError, optimizers


def group() -> dict[str, object]:
    return {"name": "head", "params": [torch.nn.Parameter(torch.ones(2))]}


def test_every_optimizer_of_torch_is_there_but_for_three() -> None:
    of_torch = {
        name
        for name, found in vars(torch.optim).items()
        if isinstance(found, type) and issubclass(found, torch.optim.Optimizer)
    }
    ours = {name.removeprefix("torch.") for name in optimizers.names() if "torch." in name}
    assert of_torch - ours - {"Muon"} == {"Optimizer", "LBFGS", "SparseAdam"}


@pytest.mark.parametrize("name", [name for name in optimizers.names() if "torch." in name])
def test_without_parameters_it_is_what_torch_makes(name: str) -> None:
    cls: Any = getattr(torch.optim, name.removeprefix("torch."))
    built = optimizers.spec(name).build([group()])
    assert built.defaults == cls([group()]).defaults
    assert type(built) is cls
    unknown = set(optimizers.spec(name).arguments) - set(inspect.signature(cls).parameters)
    assert not unknown


def test_parameters_arrive() -> None:
    built = optimizers.spec("torch.RAdam", lr=0.25, betas=(0.5, 0.75)).build([group()])
    assert (built.defaults["lr"], built.defaults["betas"]) == (0.25, (0.5, 0.75))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"lr": 0.0}, "greater than 0"),
        ({"betas": (0.9, 1.0)}, "less than 1"),
        ({"learning_rate": 0.1}, "Extra inputs"),
    ],
)
def test_a_wrong_parameter_is_found_before_anything_is_built(
    parameters: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        optimizers.spec("torch.RAdam", **parameters)


@pytest.mark.parametrize(
    ("name", "key", "refused", "accepted"),
    [
        ("RAdam", "lr", (0,), (1e-9,)),
        ("RAdam", "betas", ((1, 0.9), (0.9, -0.1)), ((0, 0),)),
        ("RAdam", "eps", (-1e-9,), (0,)),
        ("RAdam", "weight_decay", (-0.1,), (0,)),
        ("SGD", "momentum", (-0.1, 1), (0, 0.9)),
        ("RMSprop", "momentum", (-0.1, 1), (0, 0.9)),
    ],
)
def test_numbers_are_within_their_bounds(
    name: str, key: str, refused: Sequence[Any], accepted: Sequence[Any]
) -> None:
    for value in accepted:
        optimizers.spec(f"torch.{name}", **{key: value})
    for value in refused:
        with pytest.raises(ValidationError, match=key):
            optimizers.spec(f"torch.{name}", **{key: value})


@pytest.mark.parametrize("name", [name for name in optimizers.names() if "torch." in name])
def test_a_file_does_not_say_what_suits_another_kind_of_training(name: str) -> None:
    fields = optimizers.get(name).parameters.model_fields
    assert not {"params", "maximize", "capturable", "differentiable"} & set(fields)


def test_a_name_without_its_prefix_leads_to_it() -> None:
    with pytest.raises(FacesimError, match=r"did you mean 'torch\.RMSprop'"):
        optimizers.get("RMSprop")


def test_arguments_that_exclude_each_other_are_refused_in_its_words() -> None:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(2))]}]
    with pytest.raises(FacesimError, match=r"torch\.Adam: .*fused.*foreach"):
        optimizers.spec("torch.Adam", fused=True, foreach=True).build(groups)
