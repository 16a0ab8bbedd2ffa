"""A contract: what the plugins of a kind promise, each promise with its check and its remedy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import getdoc
from typing import Any, Generic, TypeVar

import torch

from facesim.errors import FacesimError
from facesim.registry import Spec

T = TypeVar("T")

Check = Callable[[Spec[Any]], None]
"""Builds the plugin as often as it likes, and raises if it sees a promise broken."""


@dataclass(frozen=True)
class Violation:
    """A promise that a plugin does not keep.

    Attributes:
        plugin: kind, name and place of registration.
        promise: the name of the promise.
        statement: what is promised.
        seen: what the plugin did instead.
        mend: how such a plugin is usually mended.
    """

    plugin: str
    promise: str
    statement: str
    seen: str
    mend: str

    def __str__(self) -> str:
        return f"{self.statement}\n    seen: {self.seen}\n    mend: {self.mend}"


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


@dataclass(frozen=True)
class Promise:
    """One promise of a kind.

    Attributes:
        statement: what is promised, in a sentence.
        mend: how a plugin that breaks it is usually mended.
        check: finds out whether a plugin keeps it.
    """

    statement: str
    mend: str
    check: Check

    @property
    def name(self) -> str:
        """What a test report calls it."""
        return self.check.__name__

    def broken_by(self, spec: Spec[Any]) -> Violation | None:
        """What the plugin does instead; None if it keeps the promise.

        An exception of the plugin breaks the promise. Torch's global generator is seeded for the
        check, and given back as it was.
        """
        try:
            self._check(spec)
        except _SeenError as seen:
            return self._broken(spec, str(seen))
        except Exception as error:  # noqa: BLE001  somebody else's code may raise anything
            return self._broken(spec, f"{type(error).__name__}: {error}")
        return None

    def require(self, spec: Spec[Any]) -> None:
        """Do nothing if the plugin keeps the promise.

        Raises:
            ContractBrokenError: it does not; an exception of the plugin is the error's cause.
        """
        try:
            self._check(spec)
        except _SeenError as seen:
            raise ContractBrokenError([self._broken(spec, str(seen))]) from None
        except Exception as error:
            broken = self._broken(spec, f"{type(error).__name__}: {error}")
            raise ContractBrokenError([broken]) from error

    def _check(self, spec: Spec[Any]) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.check(spec)

    def _broken(self, spec: Spec[Any], seen: str) -> Violation:
        plugin = spec.plugin
        described = f"the {plugin.kind} {plugin.name!r} ({plugin.origin})"
        return Violation(described, self.name, self.statement, seen, self.mend)


@dataclass(frozen=True)
class Contract(Generic[T]):
    """The promises of a kind.

    Attributes:
        kind: of plugin, in the singular.
        promises: in the order in which they are checked.
    """

    kind: str
    promises: list[Promise]

    def promise(self, mend: str) -> Callable[[Check], Check]:
        """Add a check to the contract; its docstring states the promise in one sentence."""

        def add(check: Check) -> Check:
            statement = " ".join((getdoc(check) or "").split())
            self.promises.append(Promise(statement, mend, check))
            return check

        return add

    def check(self, spec: Spec[T]) -> None:
        """Check every promise.

        Raises:
            ContractBrokenError: with all that are broken.
        """
        found = [promise.broken_by(spec) for promise in self.promises]
        broken = [one for one in found if one is not None]
        if broken:
            raise ContractBrokenError(broken)


def require(kept: bool | torch.Tensor, seen: str) -> None:
    """In a check: the promise is broken unless ``kept``.

    Args:
        kept: a bool, or a tensor of one.
        seen: what the plugin did, for its author.
    """
    if not kept:
        raise _SeenError(seen)


class _SeenError(Exception):
    """What a check saw that breaks the promise."""
