"""The validations that a run has logged."""

import json
from typing import Any

from facesim.runs.directory import RunDirectory


def epochs_of(run: RunDirectory) -> list[dict[str, Any]]:
    """One entry per finished epoch: ``epoch``, from 1, and every metric by name.

    A last line without its newline was torn by a kill, and is left out.
    """
    if not run.metrics_log.is_file():
        return []
    content = run.metrics_log.read_bytes()
    lines = content[: content.rfind(b"\n") + 1].splitlines()
    entries = [json.loads(line) for line in lines]
    return [entry for entry in entries if entry.get("kind") == "val"]
