import io
from dataclasses import replace

import pytest

from facesim.console import Console
from facesim.errors import PluginFailure
from facesim.interfaces import REGISTRIES
from facesim.plugin_info import PluginInfo
from facesim.registry.signature import docstring
from facesim.terminal.plugins import print_failures, print_kind, print_plugin, rewrapped

TEXT = """Bring each image nearer to its own
identity than to any other.

The triplets are made in two ways:

- ``hard``: each image with its farthest partner and
  its nearest impostor;
- ``semi``: another.

Reference:
    Schroff and others: FaceNet
    (2015)."""


def test_paragraphs_and_items_flow_and_hang() -> None:
    assert rewrapped(TEXT, 40).splitlines() == [
        "Bring each image nearer to its own",
        "identity than to any other.",
        "",
        "The triplets are made in two ways:",
        "",
        "- ``hard``: each image with its farthest",
        "  partner and its nearest impostor;",
        "- ``semi``: another.",
        "",
        "Reference:",
        "    Schroff and others: FaceNet (2015).",
    ]


def test_a_wide_terminal_has_each_paragraph_on_one_line() -> None:
    assert "any other.\n\nThe" in rewrapped(TEXT, 200)
    assert "its own identity than" in rewrapped(TEXT, 200)


def test_no_word_of_any_plugin_is_lost() -> None:
    for registry in REGISTRIES:
        for plugin in registry:
            text = docstring(plugin.factory)
            assert rewrapped(text, 60).split() == text.split()


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


def test_a_broken_module_is_one_line_however_narrow_the_terminal_is() -> None:
    screen = io.StringIO()
    failure = PluginFailure("acme.losses", "acme 1.0", "ImportError: " + "something " * 20)
    print_failures(Console(file=screen, width=40), [failure])
    (line,) = screen.getvalue().splitlines()
    assert line.startswith("broken: acme.losses (acme 1.0): ImportError: something")
