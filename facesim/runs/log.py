"""The log of a run: ``metrics.jsonl``, written and read, and the experiment's trackers."""

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from facesim.atomic import flush_to_disk, require_unchanged, seal, unseal
from facesim.bounded import JSON_BYTES, read_file
from facesim.errors import DataError, FacesimError, count
from facesim.interfaces import Tracker
from facesim.machine_errors import in_words
from facesim.runs.directory import RunFile

_RENAMED = {"far": "fmr"}

_REMEDY = "delete it: its entries are lost, and no weight or metric depends on them"

Ending = Literal["finished", "interrupted", "pruned", "failed"]


class RunLog:
    """Writes values to ``metrics.jsonl``, one JSON object per line, and to every tracker.

    Args:
        path: the file; created where there is none.
        trackers: already started.
        keep_bytes: where a resumed run goes on; lines after that are written again.
        keep_sha256: of the bytes to keep; empty where it is not known.

    Attributes:
        lost_bytes: of those to keep, how many the file had no more.

    Raises:
        DataError: what is to be kept is not what facesim wrote.
    """

    def __init__(
        self,
        path: Path,
        trackers: Sequence[Tracker] = (),
        keep_bytes: int = 0,
        keep_sha256: str = "",
    ) -> None:
        if path.is_symlink():  # what it leads to would be cut and written to
            raise DataError(f"{path}: is a symbolic link; put the file itself there")
        unseal(path)
        self._path = path
        self._file = path.open("ab", buffering=0)
        self._trackers = trackers
        content = path.read_bytes()
        self.lost_bytes = lost_bytes(path, content, keep_bytes, keep_sha256)
        kept = content[: keep_bytes if not self.lost_bytes else _whole_lines(content)]
        os.truncate(path, len(kept))
        self._sha256 = hashlib.sha256(kept)

    def flush(self) -> tuple[int, str]:
        """Wait until every line is on the disk; returns the bytes of the file and their SHA-256."""
        flush_to_disk(self._file.fileno(), self._path.parent)
        return os.fstat(self._file.fileno()).st_size, self._sha256.hexdigest()

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Log values by name; trackers get those that are numbers, as ``kind.name``."""
        self._write(kind, {"step": step, **values})
        numbers = {
            f"{kind}.{name}": float(value)
            for name, value in values.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        for tracker in self._trackers:
            tracker.log(numbers, step)

    def finish(self, ending: Ending) -> None:
        """Log how the run ended, and close the log."""
        self._write(ending, {})
        self._file.close()
        seal(self._path)
        for tracker in self._trackers:
            tracker.finish(ending)

    def _write(self, kind: str, values: Mapping[str, Any]) -> None:
        # Strict JSON has neither NaN nor infinity.
        strict = {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in values.items()
        }
        line = json.dumps({"kind": kind, **strict}, allow_nan=False).encode() + b"\n"
        before, left = os.fstat(self._file.fileno()).st_size, line
        try:
            while left:  # a full disk takes a part, and refuses the next
                left = left[self._file.write(left) :]
        except OSError as error:
            os.truncate(self._path, before)  # a line is whole or not there
            raise FacesimError(
                f"{self._path}: cannot be written: {in_words(error)}; the run can be resumed"
            ) from error
        self._sha256.update(line)


@dataclass(frozen=True)
class TrainingLog:
    """The log of a run.

    Attributes:
        train: one entry per logged step: ``step``, ``epoch``, ``loss``, ``lr``.
        val: one entry per epoch: ``step``, ``epoch`` and every metric by name.
        status: ``finished``, ``interrupted``, ``pruned`` or ``failed``; ``running`` where the log
            has no end.
        callbacks: what callbacks logged: ``step``, ``epoch`` and ``CALLBACK.NAME``.
        stopped: with which ``epoch`` a callback ended training, and its ``reason``; None if none
            did.
    """

    train: tuple[dict[str, Any], ...]
    val: tuple[dict[str, Any], ...]
    status: str
    callbacks: tuple[dict[str, Any], ...] = ()
    stopped: dict[str, Any] | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings during training, each with its epoch."""
        return tuple(
            f"Epoch {entry['epoch']}: {warning}"
            for entry in self.val
            for warning in entry.get("warnings") or ()
        )


def read_log(path: Path) -> TrainingLog | None:
    """Read a run's log; None if there is none yet.

    A last line without its newline is still being written, or was torn by a kill, and is left out.

    Raises:
        DataError: a line is not a JSON object, or the file is not what the run left at its end.
    """
    require_unchanged(path, _REMEDY)
    try:
        content = read_file(path, JSON_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    lines = content[: _whole_lines(content)].splitlines()
    entries = [_parsed(path, number, line) for number, line in enumerate(lines, start=1)]
    last = entries[-1].get("kind") if entries else None
    return TrainingLog(
        train=tuple(entry for entry in entries if entry.get("kind") == "train"),
        val=tuple(_renamed(entry) for entry in entries if entry.get("kind") == "val"),
        status=str(last) if last in get_args(Ending) else "running",
        callbacks=tuple(entry for entry in entries if entry.get("kind") == "callback"),
        stopped=next((entry for entry in entries if entry.get("kind") == "stopped"), None),
    )


def lost_bytes(path: Path, content: bytes, keep_bytes: int, keep_sha256: str) -> int:
    """Check what a run had logged up to a checkpoint; returns how many bytes of it are missing.

    Of a log that is shorter, what is there is not looked at.

    Args:
        path: of the log.
        content: its bytes.
        keep_bytes: those up to the checkpoint.
        keep_sha256: their digest; empty where it is not known.

    Raises:
        DataError: they are others.
    """
    lost = max(keep_bytes - len(content), 0)
    kept = hashlib.sha256(content[:keep_bytes]).hexdigest()
    if keep_sha256 and not lost and kept != keep_sha256:
        raise DataError(f"{path}: is not what facesim wrote up to the last checkpoint; {_REMEDY}")
    return lost


def loss_of_entries(lost: int) -> str:
    """The sentence that says that a log lacks so many bytes of what a checkpoint says."""
    return (
        f"{RunFile.LOG} is {count(lost, 'byte')} shorter than the last checkpoint says: "
        "its last entries are lost; weights and metrics do not depend on them"
    )


def _renamed(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with the metrics' present names, whatever run directories of format 1 call them."""
    return {_RENAMED.get(name, name): value for name, value in entry.items()}


def _whole_lines(content: bytes) -> int:
    """Bytes up to the end of the last whole line."""
    return content.rfind(b"\n") + 1


def _parsed(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:  # JSON's and UTF-8's errors
        raise DataError(f"{path}:{number}: not JSON: {error}; delete the line") from None
    if not isinstance(entry, dict):
        raise DataError(f"{path}:{number}: not a JSON object; delete the line")
    wrong = [key for key, value in entry.items() if not _may_be(key, value)]
    if entry.get("kind") in ("train", "val", "callback", "stopped"):
        wrong += [key for key in ("step", "epoch") if type(entry.get(key)) is not int]
    if entry.get("kind") == "stopped" and "reason" not in entry:
        wrong.append("reason")
    if wrong:
        raise DataError(f"{path}:{number}: {wrong[0]} is missing or not a value; delete the line")
    return entry


def _may_be(key: str, value: Any) -> bool:
    """Whether an entry may have this value: a number, null, or text where that belongs."""
    if key in ("kind", "reason"):
        return isinstance(value, str)
    if key == "warnings":
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    return value is None or isinstance(value, int | float)
