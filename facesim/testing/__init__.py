"""Conformance kit: checks that a plugin keeps the promises of its kind.

Example:
    >>> from facesim import losses
    >>> from facesim.testing import check_plugin
    >>> check_plugin(losses.spec("contrastive", margin=1.5))  # raises ContractBrokenError

One pytest class per kind, with a test for each promise, is in ``facesim.testing.suites``.
"""

from pkgutil import resolve_name
from typing import Any

from facesim.interfaces import KINDS
from facesim.registry import Spec
from facesim.testing.contract import (
    CheckImpossibleError,
    Contract,
    ContractBrokenError,
    Promise,
    Violation,
)

__all__ = [
    "CONTRACTS",
    "CheckImpossibleError",
    "ContractBrokenError",
    "Promise",
    "Violation",
    "check_plugin",
]

CONTRACTS: dict[str, Contract[Any]] = {kind.name: resolve_name(kind.contract) for kind in KINDS}
"""The contract of each kind, by its singular."""


def check_plugin(spec: Spec[Any]) -> None:
    """Check that a plugin, with these parameters, keeps every promise of its kind.

    Raises:
        ContractBrokenError: with the observation and a hint for each broken promise.
        CheckImpossibleError: a promise cannot be checked in this process.
    """
    CONTRACTS[spec.plugin.kind].check(spec)
