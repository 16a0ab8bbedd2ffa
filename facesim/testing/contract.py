"""Contracts: what the plugins of a kind promise, each promise with a check and a hint."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import getdoc
from typing import Any, Generic, TypeVar

import torch

from facesim.errors import FacesimError
from facesim.registry import Spec

T = TypeVar("T")

Check = Callable[[Spec[Any]], None]
"""Builds the plugin as often as it needs, and raises if the promise is broken."""


@dataclass(frozen=True)
class Violation:
    """A promise that a plugin breaks.

    Attributes:
        plugin: kind, name and place of registration.
        promise: the name of the promise.
        statement: what is promised.
        observed: what the plugin did instead.
        hint: how such a plugin is usually fixed.
    """

    plugin: str
    promise: str
    statement: str
    observed: str
    hint: str

    def __str__(self) -> str:
        return f"{self.statement}\n    observed: {self.observed}\n    hint: {self.hint}"


class ContractBrokenError(FacesimError):
    """A plugin does not do what its kind promises.

    Attributes:
        broken: the promises that it breaks, at least one, all of the same plugin.
    """

    def __init__(self, broken: Sequence[Violation]) -> None:
        count = f"{len(broken)} promises" if len(broken) > 1 else "a promise"
        lines = [f"{broken[0].plugin} breaks {count} of its kind", *map(str, broken)]
        super().__init__("\n  ".join(line.replace("\n", "\n  ") for line in lines))
        self.broken = tuple(broken)


class CheckImpossibleError(FacesimError):
    """A promise cannot be checked in this process, whatever the plugin does."""


@dataclass(frozen=True)
class Promise:
    """One promise of a kind.

    Attributes:
        statement: what is promised, in a sentence.
        hint: how a plugin that breaks it is usually fixed.
        check: raises if a plugin breaks it.
    """

    statement: str
    hint: str
    check: Check

    @property
    def name(self) -> str:
        """What a test report calls it."""
        return self.check.__name__

    def broken_by(self, spec: Spec[Any]) -> Violation | None:
        """What the plugin does instead; None if it keeps the promise.

        An exception of the plugin breaks the promise. Torch's global generator is seeded for the
        check and restored afterwards.

        Raises:
            CheckImpossibleError: the promise cannot be checked in this process.
        """
        try:
            self._check(spec)
        except CheckImpossibleError:
            raise
        except _ViolationError as observed:
            return self._broken(spec, str(observed))
        except Exception as error:  # noqa: BLE001  third-party code may raise anything
            return self._broken(spec, f"{type(error).__name__}: {error}")
        return None

    def require(self, spec: Spec[Any]) -> None:
        """Check the promise.

        Raises:
            ContractBrokenError: it is broken; an exception of the plugin is the error's cause.
            CheckImpossibleError: it cannot be checked in this process.
        """
        try:
            self._check(spec)
        except CheckImpossibleError:
            raise
        except _ViolationError as observed:
            raise ContractBrokenError([self._broken(spec, str(observed))]) from None
        except Exception as error:
            broken = self._broken(spec, f"{type(error).__name__}: {error}")
            raise ContractBrokenError([broken]) from error

    def _check(self, spec: Spec[Any]) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.check(spec)

    def _broken(self, spec: Spec[Any], observed: str) -> Violation:
        plugin = spec.plugin
        described = f"the {plugin.kind} {plugin.name!r} ({plugin.origin})"
        return Violation(described, self.name, self.statement, observed, self.hint)


@dataclass(frozen=True)
class Contract(Generic[T]):
    """The promises of a kind.

    Attributes:
        kind: of plugin, in the singular.
        promises: in the order in which they are checked.
    """

    kind: str
    promises: list[Promise]

    def promise(self, hint: str) -> Callable[[Check], Check]:
        """Add a check to the contract; its docstring states the promise in one sentence."""

        def add(check: Check) -> Check:
            statement = " ".join((getdoc(check) or "").split())
            self.promises.append(Promise(statement, hint, check))
            return check

        return add

    def check(self, spec: Spec[T]) -> None:
        """Check every promise.

        Raises:
            ContractBrokenError: with all that are broken.
            CheckImpossibleError: a promise cannot be checked in this process.
        """
        found = [promise.broken_by(spec) for promise in self.promises]
        broken = [one for one in found if one is not None]
        if broken:
            raise ContractBrokenError(broken)


def require(kept: bool | torch.Tensor, observed: str) -> None:
    """In a check: the promise is broken unless ``kept``.

    Args:
        kept: a bool, or a tensor of one.
        observed: what the plugin did, for its author.
    """
    if not kept:
        raise _ViolationError(observed)


class _ViolationError(Exception):
    """Raised by a check: the promise is broken."""


EVERY_KIND: Contract[Any] = Contract("plugin", [])


def promises_of_every_kind() -> list[Promise]:
    """The first promises of each kind's contract."""
    return list(EVERY_KIND.promises)


@EVERY_KIND.promise(
    hint="write a docstring, and annotate every YAML parameter as "
    'Annotated[float, Field(description="...")]'
)
def explains_itself(spec: Spec[Any]) -> None:
    """It has a docstring, and each parameter has a description."""
    require(bool(spec.plugin.summary), "there is no docstring")
    fields = spec.plugin.parameters.model_fields
    undescribed = [key for key, info in fields.items() if key != "name" and not info.description]
    require(not undescribed, f"no description of {', '.join(undescribed)}")


@EVERY_KIND.promise(
    hint="annotate the parameter with a type that YAML can hold: numbers, text, Path, tuples, or "
    "a pydantic model of them"
)
def parameters_survive_being_written(spec: Spec[Any]) -> None:
    """Its parameters, written to a file and read again, are the same."""
    model = spec.plugin.parameters
    again = Spec(spec.plugin, model.model_validate(spec.as_node()))
    require(
        again.as_node() == spec.as_node(), f"{spec.as_node()} was read again as {again.as_node()}"
    )
