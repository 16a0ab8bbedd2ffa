"""Plugins as tables on the terminal."""

from dataclasses import replace

import pytest
from rich.console import Console

from facesim.plugin_info import PluginInfo
from facesim.terminal.plugins import print_kind, print_plugin

PLUGIN = PluginInfo("loss", "mine", "Pull.", "Pull.", (), "mine.py:1", None)


def printed_kind(plugin: PluginInfo) -> str:
    console = Console(width=100)
    with console.capture() as capture:
        print_kind(console, "losses", [plugin])
    return capture.get()


def printed_plugin(plugin: PluginInfo) -> str:
    console = Console(width=100)
    with console.capture() as capture:
        print_plugin(console, plugin)
    return capture.get()


@pytest.mark.parametrize(
    ("aliases", "default", "notes"),
    [
        ((), False, ""),
        (("ours", "own"), False, " (also ours, also own)"),
        ((), True, " (default)"),
        (("own",), True, " (also own, default)"),
    ],
)
def test_aliases_and_default_stand_beside_the_plugin(
    aliases: tuple[str, ...], default: bool, notes: str
) -> None:
    plugin = replace(PLUGIN, aliases=aliases, default=default)
    title, line, *_ = printed_kind(plugin).splitlines()
    assert (title.strip(), line.rstrip()) == ("losses", f"mine  Pull.{notes}")
    assert printed_plugin(plugin).splitlines()[0] == f"loss mine{notes}"
