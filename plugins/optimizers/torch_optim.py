"""torch's optimizers by their own names: ``{name: torch.RAdam, lr: 1e-3}``.

Parameters, defaults and descriptions are those of the installed torch. Left out are

- ``LBFGS``, which needs a closure that evaluates the loss several times per step;
- ``SparseAdam``, which takes sparse gradients only;
- ``Muon``, which takes matrices only, not biases and convolutions;

and the parameters for maximisation and for other kinds of training loop.
"""

import inspect
from typing import Any

import torch
from pydantic import Field

from facesim import FacesimError, ParameterGroups, optimizers
from facesim_plugins._foreign_parameters import foreign_parameters

_UNFIT = ("LBFGS", "SparseAdam", "Muon")
_NOT_FOR_A_FILE = ("params", "maximize", "capturable", "differentiable")
_BOUNDS: dict[str, Any] = {
    "lr": Field(gt=0),
    "betas": Field(ge=0, lt=1),
    "eps": Field(ge=0),
    "weight_decay": Field(ge=0),
    "momentum": Field(ge=0, lt=1),
}


def _register(cls: type[torch.optim.Optimizer]) -> None:
    parameters = foreign_parameters(cls, without=_NOT_FOR_A_FILE, bounds=_BOUNDS, defaults={})
    if parameters is None:
        return

    def build(parameter_groups: ParameterGroups, **arguments: Any) -> torch.optim.Optimizer:
        try:
            optimizer: torch.optim.Optimizer = cls(parameter_groups, **arguments)
        except (RuntimeError, TypeError) as error:
            raise FacesimError(f"optimizer torch.{cls.__name__}: {error}") from None
        return optimizer

    (groups, _) = inspect.signature(build).parameters.values()
    vars(build)["__signature__"] = inspect.Signature([groups, *parameters])
    build.__qualname__ = cls.__name__
    build.__doc__ = f"``torch.optim.{cls.__name__}``, as the documentation of torch describes it."
    optimizers(f"torch.{cls.__name__}")(build)


for _name, _found in sorted(vars(torch.optim).items()):
    is_optimizer = isinstance(_found, type) and issubclass(_found, torch.optim.Optimizer)
    if is_optimizer and _name not in ("Optimizer", *_UNFIT):
        _register(_found)
