"""A docstring reads well on a terminal of any width."""

from facesim.interfaces import REGISTRIES
from facesim.registry.signature import docstring
from facesim.terminal.docstrings import rewrapped

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
