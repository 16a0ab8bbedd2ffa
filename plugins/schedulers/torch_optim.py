"""torch's schedulers by their own names: ``{name: torch.StepLR, step_size: 500}``.

Parameters, defaults and descriptions are those of the installed torch, with two differences. The
engine steps a scheduler after every batch, so that what torch counts in epochs is counted in
batches here. And ``T_max`` and ``total_iters`` are, unless given, the number of batches of the
whole run.

Left out are

- ``LambdaLR`` and ``MultiplicativeLR``, which take code: write a plugin of ten lines;
- ``SequentialLR`` and ``ChainedScheduler``, which take other schedulers;
- ``ReduceLROnPlateau``, which is stepped with a metric;
- ``OneCycleLR``, which divides by zero where the rise is a single step: ``one_cycle`` does not.
"""

import inspect
from typing import Annotated, Any

from pydantic import Field
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from facesim import schedulers
from facesim_plugins._foreign_parameters import foreign_parameters

_UNFIT = (
    "LambdaLR",
    "MultiplicativeLR",
    "SequentialLR",
    "ChainedScheduler",
    "ReduceLROnPlateau",
    "OneCycleLR",
)
_NOT_FOR_A_FILE = ("optimizer", "last_epoch", "verbose")
_WHOLE_RUN = ("T_max", "total_iters")
_BATCHES = (
    Annotated[int, Field(gt=0)] | None,
    None,
    "batches until the end of the schedule; null: all of the run",
)
_POSITIVE = Field(gt=0)
_SHARE = Field(gt=0, le=1)
_BOUNDS: dict[str, Any] = {
    "T_0": _POSITIVE,
    "T_mult": Field(ge=1),
    "base_lr": _POSITIVE,
    "base_momentum": Field(ge=0, lt=1),
    "end_factor": Field(ge=0, le=1),
    "eta_min": Field(ge=0),
    "factor": _SHARE,
    "gamma": _POSITIVE,
    "max_lr": _POSITIVE,
    "max_momentum": Field(ge=0, lt=1),
    "milestones": _POSITIVE,
    "power": _POSITIVE,
    "start_factor": _SHARE,
    "step_size": _POSITIVE,
    "step_size_down": _POSITIVE,
    "step_size_up": _POSITIVE,
}


def _register(cls: type[LRScheduler]) -> None:
    parameters = foreign_parameters(
        cls,
        without=_NOT_FOR_A_FILE,
        bounds=_BOUNDS,
        defaults=dict.fromkeys(_WHOLE_RUN, _BATCHES),
    )
    if parameters is None:
        return

    def build(optimizer: Optimizer, total_steps: int, **arguments: Any) -> LRScheduler:
        for name in _WHOLE_RUN:
            if arguments.get(name, 0) is None:
                arguments[name] = total_steps
        scheduler: LRScheduler = cls(optimizer, **arguments)
        return scheduler

    (*passed, _) = inspect.signature(build).parameters.values()
    vars(build)["__signature__"] = inspect.Signature([*passed, *parameters])
    build.__qualname__ = cls.__name__
    build.__doc__ = (
        f"``torch.optim.lr_scheduler.{cls.__name__}``, stepped once per batch: its epochs are "
        "batches here."
    )
    schedulers(f"torch.{cls.__name__}")(build)


for _name, _found in sorted(vars(lr_scheduler).items()):
    is_scheduler = isinstance(_found, type) and issubclass(_found, LRScheduler)
    if is_scheduler and _name in lr_scheduler.__all__ and _name not in ("LRScheduler", *_UNFIT):
        _register(_found)
