"""The log that is always written: one JSON object a line."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class MetricsLog:
    """Appends to ``metrics.jsonl``.

    Args:
        path: the file; made if it is not there.
        keep_bytes: where a resumed run goes on; lines after that are written again.
    """

    def __init__(self, path: Path, keep_bytes: int = 0) -> None:
        self._file = path.open("ab")
        os.truncate(path, min(keep_bytes, path.stat().st_size))

    def write(self, kind: str, values: Mapping[str, Any]) -> None:
        """Append one line, ``{"kind": kind, ...}``; a number that is not finite becomes null."""
        finite = {key: _strict(value) for key, value in values.items()}
        line = json.dumps({"kind": kind, **finite}, allow_nan=False)
        self._file.write(line.encode() + b"\n")
        self._file.flush()

    @property
    def length(self) -> int:
        """Bytes written so far, all of them handed to the operating system."""
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _strict(value: Any) -> Any:
    """Strict JSON has no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
