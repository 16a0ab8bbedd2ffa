"""Modules that should have brought plugins and could not be imported."""

from dataclasses import dataclass
from textwrap import indent


@dataclass(frozen=True)
class PluginFailure:
    """One such module.

    Attributes:
        module: the module or file that failed.
        origin: the distribution that names it, with its version; or the experiment.
        reason: one line, the exception's own.
        traceback: the plugin's own frames, as text; empty where the reason says all.
        declared: the (plural of the kind, name) pairs that its source registers, as far as they
            can be read without running it.
        attempted: whether importing it was tried at all.
    """

    module: str
    origin: str
    reason: str
    traceback: str = ""
    declared: frozenset[tuple[str, str]] = frozenset()
    attempted: bool = True

    def __str__(self) -> str:
        what = "failed to import" if self.attempted else "was not imported"
        return f"{self.module} ({self.origin}) {what}: {self.reason}"

    def with_traceback(self) -> str:
        """The failure and, in the lines below it, the traceback."""
        return f"{self}\n{indent(self.traceback, '    ')}" if self.traceback else str(self)


failures: dict[str, PluginFailure] = {}
"""What discovery could not import in this process, by module."""
