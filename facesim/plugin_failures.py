"""Bugs of plugins while they run: which plugin, where in its file, and in which call."""

import os
import re
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facesim.interfaces import REGISTRIES
from facesim.plugin_info import distribution_of
from facesim.registry import Plugin

_ENGINE = str(Path(__file__).parent) + os.sep
_KEPT_IN = "the traceback is in "
_FRAME = re.compile(r'^ *File "(?P<file>.+)", line (?P<line>\d+), in (?P<function>.+)$', re.M)
_OF_ANOTHER_PROCESS = "Original Traceback (most recent call last):"
"""How torch introduces the traceback of a process that loads data, in the error's own text."""

_REFUSED_CALL = re.compile(r"^([\w.<>]+)\(\) (?:takes|missing|got)\b")
"""A call that does not fit a signature fails in the frame of the caller."""

_MAX_REASON = 500


@dataclass(frozen=True)
class _Frame:
    file: str
    line: int
    function: str
    begins: int
    plugin: Plugin[Any] | None = None

    @property
    def is_of_engine(self) -> bool:
        return self.file.startswith(_ENGINE)


def describe_failure(error: BaseException) -> str | None:
    """One line on an exception that a plugin's code raised; None for any other.

    It names the plugin, the line of its own file, the call and the reason.
    """
    frames = _frames(error)
    inner = next((frame for frame in reversed(frames) if _plugins_of(frame)), None)
    if inner is None:
        plugin = _refused_call(error)
        if plugin is None:
            return None
        return f"{_named(plugin)} ({plugin.origin}): {reason_of(error)}"
    entry = inner
    for frame in reversed(frames[: frames.index(inner)]):
        if frame.is_of_engine:
            break
        entry = frame if _plugins_of(frame) else entry
    plugin = _plugin_of(entry) or _plugin_of(inner)
    who = _named(plugin) if plugin else f"the plugins beside {inner.file}"
    call = entry.function
    if plugin and isinstance(plugin.factory, type) and "." not in call:  # of another process
        call = f"{plugin.factory.__qualname__}.{call}"
    return f"{who} failed in {call} ({inner.file}:{inner.line}): {reason_of(error)}"


def reason_of(error: BaseException) -> str:
    """``KeyError: 'margin'``: an exception on one line, whatever its text is or raises."""
    text = str(traceback.TracebackException.from_exception(error))
    name = type(error).__name__
    if _OF_ANOTHER_PROCESS in text:
        lines = text.splitlines()
        last = max((at for at, line in enumerate(lines) if line.startswith("  File ")), default=0)
        told = (at for at in range(last, len(lines)) if not lines[at].startswith(" "))
        return " ".join(" ".join(lines[next(told, last) :]).split())[:_MAX_REASON]
    reason = " ".join(text.split())
    return f"{name}: {reason}"[:_MAX_REASON] if reason else name


def keep_traceback(error: BaseException, path: Path) -> None:
    """Write the traceback to a file, and note that on the error."""
    text = "".join(traceback.format_exception(error))
    try:
        path.unlink(missing_ok=True)  # never to where a link in somebody else's folder leads
        with path.open("x", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:  # what failed is told all the same
        return
    error.add_note(f"{_KEPT_IN}{path}")


def kept_traceback(error: BaseException) -> str | None:
    """``the traceback is in FILE``; None where it was not kept."""
    notes: list[str] = getattr(error, "__notes__", [])
    return next((note for note in notes if note.startswith(_KEPT_IN)), None)


def plugins_of_others() -> list[str]:
    """The registered plugins that facesim's own distribution did not bring."""
    return [
        _named(plugin)
        for registry in REGISTRIES
        for plugin in registry
        if "facesim" not in distribution_of(plugin)
    ]


def _frames(error: BaseException) -> list[_Frame]:
    """From the outermost to the innermost, across processes."""
    frames = []
    for frame, line in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        subject = frame.f_locals.get("self")
        built_by = (registry.which_built(subject) for registry in REGISTRIES)
        plugin = next((each for each in built_by if each is not None), None)
        frames.append(_Frame(code.co_filename, line, code.co_qualname, code.co_firstlineno, plugin))
    text = str(error.args[0]) if error.args else ""
    if _OF_ANOTHER_PROCESS in text:
        frames += [
            _Frame(found["file"], int(found["line"]), found["function"], int(found["line"]))
            for found in _FRAME.finditer(text.partition(_OF_ANOTHER_PROCESS)[2])
        ]
    return frames


def _plugins_of(frame: _Frame) -> Sequence[Plugin[Any]]:
    """The plugins that a frame's file registers, or those of the files beside it."""
    if frame.is_of_engine:
        return ()
    every = [plugin for registry in REGISTRIES for plugin in registry]
    own = [plugin for plugin in every if _file_of(plugin) == frame.file]
    folder = os.path.dirname(frame.file)  # noqa: PTH120  it may be "<string>"
    if own or not folder or folder.endswith(("site-packages", "dist-packages")):
        return own
    return [plugin for plugin in every if os.path.dirname(_file_of(plugin)) == folder]  # noqa: PTH120


def _plugin_of(frame: _Frame) -> Plugin[Any] | None:
    """The plugin that a frame belongs to, as far as its object or its file tells."""
    if frame.plugin is not None:
        return frame.plugin
    found = _plugins_of(frame)
    top = frame.function.partition(".")[0]
    named = [it for it in found if getattr(it.factory, "__qualname__", "").partition(".")[0] == top]
    if len(named) == 1 or len(found) == 1:
        return (named or found)[0]
    before = [it for it in found if _file_of(it) == frame.file and _line_of(it) <= frame.begins]
    return max(before, key=_line_of, default=None)


def _refused_call(error: BaseException) -> Plugin[Any] | None:
    match = _REFUSED_CALL.match(str(error)) if isinstance(error, TypeError) else None
    if match is None:
        return None
    tops = {match[1].partition(".")[0]} - {"<lambda>"}
    return next(
        (
            plugin
            for registry in REGISTRIES
            for plugin in registry
            if getattr(plugin.factory, "__qualname__", "").partition(".")[0] in tops
        ),
        None,
    )


def _named(plugin: Plugin[Any]) -> str:
    return f"the {plugin.kind.replace('_', ' ')} {plugin.name!r}"


def _file_of(plugin: Plugin[Any]) -> str:
    return plugin.origin.rpartition(":")[0]


def _line_of(plugin: Plugin[Any]) -> int:
    return int(plugin.origin.rpartition(":")[2])
