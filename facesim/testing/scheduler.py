"""Contract of schedulers."""

import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import LRScheduler

from facesim.errors import count
from facesim.registry import Spec
from facesim.testing.contract import Contract, promises_of_every_kind, require
from facesim.testing.modules import through_a_file

SCHEDULER: Contract[LRScheduler] = Contract("scheduler", promises_of_every_kind())


@SCHEDULER.promise(
    hint="return factors of the optimizer's lr above 0 and at most 1, also where total_steps is 1"
)
def rates_do_not_exceed_the_optimizers(spec: Spec[LRScheduler]) -> None:
    """At every step, of any number of steps, the rate is above 0 and at most the optimizer's."""
    for total_steps in (1, 2, 3, 10, 97):
        used = [first for first, _ in _rates(*_build(spec, total_steps), total_steps)]
        wrong = [(step, rate) for step, rate in enumerate(used) if not 0 < rate <= 1]
        if wrong:
            step, rate = wrong[0]
            require(False, f"in step {step} of {total_steps} the rate is {rate} times the lr")


@SCHEDULER.promise(hint="multiply each group's own initial_lr")
def groups_keep_their_ratio(spec: Spec[LRScheduler]) -> None:
    """A group with a tenth of the learning rate keeps a tenth of it throughout."""
    for step, (first, second) in enumerate(_rates(*_build(spec, 20), 20)):
        share = second / first if first else 0.1
        require(abs(share - 0.1) < 1e-6, f"in step {step} the ratio of 0.1 has become {share:.4g}")


@SCHEDULER.promise(hint="clamp the progress at 1")
def stepping_beyond_the_end_is_harmless(spec: Spec[LRScheduler]) -> None:
    """Steps beyond the last raise nothing and never exceed the optimizer's rate."""
    used = [first for first, _ in _rates(*_build(spec, 10), 15)]
    observed = f"of 10 steps, those up to 15 have the rates {used[10:]}"
    require(all(0 <= rate <= 1 for rate in used), observed)


@SCHEDULER.promise(hint="compute the rate from last_epoch alone, which the state holds")
def resuming_is_bit_identical(spec: Spec[LRScheduler]) -> None:
    """Restored from a checkpoint at any step it continues with exactly the same rates."""
    whole = _rates(*_build(spec, 20), 20)
    for interrupted_at in (0, 1, 7, 19):
        optimizer, scheduler = _build(spec, 20)
        begun = _rates(optimizer, scheduler, interrupted_at)
        saved = through_a_file((optimizer.state_dict(), scheduler.state_dict()))
        optimizer, scheduler = _build(spec, 20)
        optimizer.load_state_dict(saved[0])
        scheduler.load_state_dict(saved[1])
        resumed = begun + _rates(optimizer, scheduler, 20 - interrupted_at)
        require(
            resumed == whole,
            f"interrupted after {count(interrupted_at, 'step')}, the later rates differ",
        )


def _build(spec: Spec[LRScheduler], total_steps: int) -> tuple[SGD, LRScheduler]:
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": lr} for lr in (1.0, 0.1)]
    optimizer = SGD(groups, momentum=0.9)
    return optimizer, spec.build(optimizer, total_steps)


def _rates(optimizer: SGD, scheduler: LRScheduler, steps: int) -> list[tuple[float, float]]:
    """The learning rates of the two groups at each step."""
    used = []
    for _ in range(steps):
        first, second = (float(group["lr"]) for group in optimizer.param_groups)
        used.append((first, second))
        optimizer.step()
        scheduler.step()
    return used
