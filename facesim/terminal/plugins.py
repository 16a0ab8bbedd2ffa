"""Plugins as tables on the terminal."""

import re
import textwrap
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from facesim.console import Console
from facesim.errors import PluginFailure
from facesim.plugin_info import PluginInfo

_ITEM = re.compile(r"(?:[-*]|\d+\.) ")


def rewrapped(text: str, width: int) -> str:
    """A docstring's text in lines of at most ``width`` characters.

    The lines of a paragraph or of a list's item flow together; blank lines, items, indented blocks
    and what stands under a heading ("Reference:") keep their places.
    """
    return "\n".join(_wrapped(line, width) for line in _flowing(text.splitlines()))


def _flowing(lines: list[str]) -> list[str]:
    """One line for each paragraph, item and heading."""
    flowing: list[str] = []
    for line in lines:
        if flowing and _continues(flowing[-1], line):
            flowing[-1] = f"{flowing[-1]} {line.strip()}"
        else:
            flowing.append(line.rstrip())
    return flowing


def _continues(before: str, line: str) -> bool:
    text = line.strip()
    if not before or not text or _ITEM.match(text):
        return False
    return _hanging(before) == _indent(line)


def _wrapped(line: str, width: int) -> str:
    if not line:
        return line
    return textwrap.fill(
        line,
        max(width, _hanging(line) + 20),
        subsequent_indent=" " * _hanging(line),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _hanging(line: str) -> int:
    """Where the further lines of a paragraph or an item begin."""
    item = _ITEM.match(line.strip())
    return _indent(line) + (len(item.group()) if item else 0)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def print_kind(console: Console, kind: str, plugins: Sequence[PluginInfo]) -> None:
    """Print one line per plugin."""
    table = Table(title=kind, title_justify="left", box=None, pad_edge=False, show_header=False)
    for plugin in plugins:
        row = Text(plugin.summary)
        row.append(_notes(plugin), style="dim")
        table.add_row(Text(plugin.name, style="bold"), row)
    console.print(table)
    console.print()


def print_plugin(console: Console, plugin: PluginInfo) -> None:
    """Print the documentation and the parameters of a plugin."""
    title = Text(f"{plugin.kind} {plugin.name}", style="bold")
    title.append(_notes(plugin), style="not bold dim")
    console.print(title)
    console.print(Text(rewrapped(plugin.text, console.width)))
    table = Table("parameter", "type", "default", "meaning", box=None, pad_edge=False)
    for parameter in plugin.parameters:
        default = "required" if parameter.default is None else parameter.default
        type_ = f"{parameter.type} {parameter.bounds}".strip()
        cells = (parameter.name, type_, default, parameter.description)
        table.add_row(*(Text(cell) for cell in cells))
    console.print()
    if plugin.parameters:
        console.print(table)
        console.print()
    console.print(Text(f"from {plugin.source}"), soft_wrap=True)


def _notes(plugin: PluginInfo) -> str:
    """The plugin's aliases, and whether it is the default, in parentheses."""
    notes = [f"also {alias}" for alias in plugin.aliases] + ["default"] * plugin.default
    return f" ({', '.join(notes)})" if notes else ""


def print_failures(console: Console, failures: Sequence[PluginFailure]) -> None:
    """Print which plugin modules could not be imported, and why."""
    for failure in failures:
        line = f"broken: {failure.module} ({failure.origin}): {failure.reason}"
        console.print(Text(line, style="red"), soft_wrap=True)
