"""Docstrings rewrapped to the width of the terminal."""

import re
import textwrap

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
