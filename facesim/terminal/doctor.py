"""The state of the installed distributions on the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from facesim.doctor import Examination


def print_examinations(console: Console, examinations: Sequence[Examination]) -> None:
    """A paragraph for each distribution: what it brings, and what is wrong with it."""
    for examined in examinations:
        style = "bold" if examined.is_well else "bold red"
        made_for = f"made for interface {examined.interface}"
        console.print(Text(f"{examined.origin} ({made_for}): {_state(examined)}", style=style))
        for kind, names in examined.plugins.items():
            console.print(Text(f"  {kind}: {', '.join(names)}"), soft_wrap=True)
        if not examined.switched_off:
            for failure in examined.failures:
                lines = failure.with_traceback().replace("\n", "\n  ")
                console.print(Text(f"  {lines}", style="red"), soft_wrap=True)


def _state(examined: Examination) -> str:
    if examined.switched_off:
        return "switched off by FACESIM_PLUGINS_DISABLE"
    return "all well" if examined.is_well else f"{len(examined.failures)} not usable"
